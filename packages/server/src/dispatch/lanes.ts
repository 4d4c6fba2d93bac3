import type { Clock } from '../clock.ts';
import type { EndpointConfig } from '../domain/configuration.ts';
import { priorities, type Line, type Priority } from '../domain/delivery.ts';
import { partitionOf } from '../domain/partition.ts';
import { distrust, restart } from './controller.ts';
import { createDueQueue } from './due-queue.ts';
import {
  controllerOf,
  createLane,
  isIdle,
  isProbing,
  learnAbroad,
  NO_BACKLOG,
  opensAtMs,
  pausedUntilMs,
  resetLane,
  type Lane,
  type Tenure,
} from './lane.ts';
import { mayTake, suspectUrgent, urgentAfterMs } from './lane-room.ts';
import { learnOrder, leaveOrder, orderOf, wakeOrder } from './lane-order.ts';
import type { Memory } from './memory.ts';
import { asksAtMs } from './order.ts';
import type { HeldDelivery, LaneState } from './port.ts';
import type { DispatchSettings } from './settings.ts';

/** What a lane may turn out to need. Each may be asked for again and again. */
export type LaneNeeds = {
  readonly start: (lane: Lane) => void;
  readonly poll: (lane: Lane) => void;
  readonly pollOrdered: (lane: Lane) => void;
  readonly row: (lane: Lane) => void;
  readonly endpoint: (lane: Lane) => void;
  /** The earliest moment at which a lane needs a look has changed. */
  readonly timer: (atMs: number) => void;
};

/** All lanes that this node knows, and what they hold. */
export type Lanes = {
  readonly get: (endpointId: string) => Lane | undefined;
  readonly all: () => IterableIterator<Lane>;
  readonly count: () => number;
  /** The lane, made and asked about when it is new; null when its partition is not ours. */
  readonly ensure: (endpointId: string) => Lane | null;
  readonly admit: (endpoint: EndpointConfig, bytes: number, priority: Priority, tenure: Tenure) => boolean;
  readonly commit: (delivery: HeldDelivery) => boolean;
  readonly cancel: (endpointId: string, bytes: number) => void;
  /** Something of this line (of any, where that is not known) is due in the store. */
  readonly wake: (endpointId: string, dueMs: number, line?: Line) => void;
  /** Takes over the lane's row (null: there is none), read after `wokenMs` was reset. */
  readonly learn: (endpointId: string, row: LaneState | null) => void;
  /** Takes over a row that may be older than what is known: it only brings things forward. */
  readonly notice: (row: LaneState) => void;
  /** Puts a delivery that this node holds into its lane; false when the lane is no longer ours. */
  readonly queue: (lane: Lane, delivery: HeldDelivery) => void;
  /** Takes the next delivery, nothing more urgent than `from`, out of the window. */
  readonly unqueue: (lane: Lane, from: Priority) => HeldDelivery | undefined;
  /** Takes a queued delivery out; false when it is not queued. */
  readonly withdraw: (lane: Lane, messageId: string) => boolean;
  /** A delivery with an order is no longer in memory: the next of its key may be due, or it again at `dueMs`. */
  readonly left: (delivery: HeldDelivery, dueMs: number) => void;
  /** Empties the window; the memory is free, the rows in the store are the caller's business. */
  readonly empty: (lane: Lane) => readonly HeldDelivery[];
  /** Sees to what the lane needs now and next. Whoever has read the clocks already hands both times in. */
  readonly review: (lane: Lane, nowMs: number, monotonicMs?: number) => void;
  /** Looks after all lanes whose moment has come; returns the next moment. */
  readonly reviewDue: (nowMs: number) => number;
  /** The endpoint's configuration was read: what its row held against it may have been forgiven with that. */
  readonly doubt: (lane: Lane) => void;
  readonly lose: (tenures: readonly Tenure[]) => void;
  /** Forgets a lane, or as much of it as nothing is waiting for. */
  readonly forget: (lane: Lane) => void;
  /** Forgets idle lanes beyond the bound. */
  readonly evict: () => void;
};

const NO_ROW = {
  nextDueMs: null,
  version: 0,
  block: null,
  failingSinceMs: null,
  goneSinceMs: null,
  abroad: null,
  hasOrdered: false,
} as const;

const ABROAD_MS = 250;

/** Timers are no finer. */
const SHORTEST_MS = 1;

/** Something is held against the endpoint. */
const isBlemished = (row: Pick<LaneState, 'block' | 'failingSinceMs' | 'goneSinceMs'>): boolean =>
  row.block !== null || row.failingSinceMs !== null || row.goneSinceMs !== null;

export const createLanes = (deps: {
  readonly clock: Clock;
  readonly settings: DispatchSettings;
  readonly memory: Memory;
  readonly tenureOf: (partition: number) => Tenure | null;
  readonly needs: LaneNeeds;
}): Lanes => {
  const { clock, settings, memory, needs } = deps;
  const lanes = new Map<string, Lane>();
  const due = createDueQueue<Lane>();

  const make = (endpointId: string, tenure: Tenure): Lane => {
    const lane = createLane(endpointId, tenure.partition, tenure);
    lanes.set(endpointId, lane);
    needs.row(lane);
    return lane;
  };

  const ensureIn = (endpointId: string, tenure: Tenure): Lane => {
    const lane = lanes.get(endpointId);
    if (lane === undefined) return make(endpointId, tenure);
    if (lane.tenure === null) {
      lane.tenure = tenure;
      lane.foreignUntilMs = tenure.gainedAtMs;
      needs.row(lane);
    }
    return lane;
  };

  const ensure = (endpointId: string): Lane | null => {
    const tenure = deps.tenureOf(partitionOf(endpointId, settings.partitions));
    return tenure === null ? null : ensureIn(endpointId, tenure);
  };

  const lookAt = (lane: Lane, atMs: number): void => {
    due.set(lane, atMs);
    if (due.nextMs() === atMs) needs.timer(atMs);
  };

  /** Asks the store for what is due, unless the endpoint takes nothing; returns when to look again. */
  const askStore = (lane: Lane, nowMs: number, ask: (lane: Lane) => void): number => {
    if (lane.endpoint === null) {
      needs.endpoint(lane);
      return Infinity;
    }
    const untilMs = lane.endpoint.disabled ? Infinity : pausedUntilMs(lane.endpoint);
    if (untilMs <= nowMs) {
      ask(lane);
      return Infinity;
    }
    // Nothing starts here that would ask for it: somebody may have enabled it elsewhere.
    if (clock.monotonicMs() - lane.endpointAtMs > settings.endpointRefreshMs) needs.endpoint(lane);
    return untilMs;
  };

  const reviewStore = (lane: Lane, nowMs: number): number => {
    const dueMs = Math.max(lane.nextDueMs, lane.pollAfterMs);
    if (lane.nextDueMs === Infinity || lane.isHintToRaise) return Infinity;
    return dueMs > nowMs ? dueMs : askStore(lane, nowMs, needs.poll);
  };

  const reviewOrder = (lane: Lane, nowMs: number): number => {
    const atMs = lane.order === null ? Infinity : asksAtMs(lane.order);
    return atMs > nowMs ? atMs : askStore(lane, nowMs, needs.pollOrdered);
  };

  /** What a former owner has in flight is looked for until it has ended. */
  const reviewAbroad = (lane: Lane, nowMs: number): number => {
    if (lane.abroad === 0 || (lane.endpoint?.rateLimit ?? null) === null) return Infinity;
    if (lane.abroadLookMs <= nowMs) {
      lane.abroadLookMs = nowMs + ABROAD_MS;
      needs.row(lane);
    }
    return lane.abroadLookMs;
  };

  const reviewWindow = (lane: Lane, nowMs: number, monotonicMs: number): number => {
    if (lane.window.size() === 0) return Infinity;
    if (lane.endpoint === null) {
      needs.endpoint(lane);
      return Infinity;
    }
    const waitMs = opensAtMs(lane, monotonicMs) - monotonicMs;
    // A wait below the clock's grain would be now, again and again.
    if (waitMs > 0) return nowMs + Math.max(waitMs, SHORTEST_MS);
    needs.start(lane);
    return Infinity;
  };

  const review = (lane: Lane, nowMs: number, monotonicMs = clock.monotonicMs()): void => {
    if (lane.tenure === null || lane.isDeleted) {
      due.remove(lane);
      return;
    }
    if (!lane.isRowKnown) return;
    if (lane.block !== null && lane.block.untilMs <= nowMs) {
      if (lane.block.reason !== 'throttled') restart(controllerOf(lane));
      lane.block = null;
      lane.isDirty = true;
    }
    if (lane.endpoint !== null) {
      const isPaused = pausedUntilMs(lane.endpoint) > nowMs;
      if (lane.wasPaused && !isPaused) restart(controllerOf(lane));
      lane.wasPaused = isPaused;
    }
    if (lane.block !== null) {
      lookAt(lane, lane.block.untilMs);
      return;
    }
    const storeMs = Math.min(reviewStore(lane, nowMs), urgentAfterMs(lane, nowMs), reviewAbroad(lane, nowMs));
    lookAt(lane, Math.min(reviewWindow(lane, nowMs, monotonicMs), storeMs, reviewOrder(lane, nowMs)));
  };

  const queue = (lane: Lane, delivery: HeldDelivery): void => {
    const bytes = delivery.payload.byteLength;
    lane.applicationId = delivery.applicationId;
    lane.window.push(delivery);
    lane.bytes += bytes;
    memory.take(delivery.applicationId, bytes);
    if (delivery.orderKey !== null) orderOf(lane).busy.set(delivery.orderKey, delivery);
  };

  const empty = (lane: Lane): readonly HeldDelivery[] => {
    const deliveries = lane.window.clear();
    for (const { payload, applicationId } of deliveries) {
      lane.bytes -= payload.byteLength;
      memory.give(applicationId, payload.byteLength);
    }
    return deliveries;
  };

  const unreserve = (lane: Lane, bytes: number): void => {
    lane.reserved--;
    lane.bytes -= bytes;
    memory.give(lane.applicationId, bytes);
  };

  /** Whoever repairs an endpoint clears its row as well: one that was read before says nothing of it. */
  const readAgain = (lane: Lane): void => {
    lane.isRowSure = true;
    lane.isRowKnown = false;
    needs.row(lane);
  };

  const remember = (lane: Lane, row: Omit<LaneState, 'endpointId'>): void => {
    if (lane.isRowKnown) return;
    // What has ended between its leave and this look is nowhere to be seen.
    if (row.abroad !== null) lane.foreignUntilMs = clock.monotonicMs();
    if (lane.endpoint !== null && !lane.isRowSure && isBlemished(row)) return readAgain(lane);
    lane.isRowKnown = true;
    lane.block = lane.savedBlock = row.block;
    lane.health = lane.savedHealth = {
      failingSinceMs: row.failingSinceMs,
      goneSinceMs: row.goneSinceMs,
    };
    lane.backlogFrom = lane.nextDueMs <= clock.nowMs() ? priorities.critical : NO_BACKLOG;
    if (row.failingSinceMs !== null) distrust(controllerOf(lane));
  };

  const left = (delivery: HeldDelivery, dueMs: number): void => {
    const lane = delivery.orderKey === null ? undefined : lanes.get(delivery.endpointId);
    if (delivery.orderKey === null || lane === undefined || lane.order === null) return;
    leaveOrder(lane, delivery);
    wakeOrder(lane, dueMs, delivery.orderKey, clock.nowMs());
    review(lane, clock.nowMs());
  };

  const forget = (lane: Lane): void => {
    due.remove(lane);
    empty(lane);
    for (const done of lane.endpointWaiters ?? []) done();
    lane.endpointWaiters = null;
    resetLane(lane);
    if (lane.reserved === 0 && lane.inFlight === 0 && lane.doubts === 0 && !lane.isPolling)
      lanes.delete(lane.endpointId);
  };

  return {
    get: (endpointId) => lanes.get(endpointId),
    all: () => lanes.values(),
    count: () => lanes.size,
    ensure,
    review,
    queue,
    empty,
    forget,
    admit: (endpoint, bytes, priority, tenure) => {
      const lane = ensureIn(endpoint.id, tenure);
      const { applicationId } = endpoint;
      if (lane.offered !== endpoint) {
        // Acceptance may know an older one, confirmed away before the partition was ours: ask.
        lane.offered = endpoint;
        needs.endpoint(lane);
      }
      if (!lane.isRowKnown || lane.isDeleted || lane.block !== null) return false;
      if (lane.endpoint === null || lane.endpoint.disabled || priority >= lane.backlogFrom) return false;
      const nowMs = clock.nowMs();
      if (pausedUntilMs(lane.endpoint) > nowMs || isProbing(lane)) return false;
      if (!mayTake(lane, applicationId, priority, bytes, settings, memory, nowMs)) {
        lane.backlogFrom = priority;
        return false;
      }
      lane.applicationId = applicationId;
      lane.reserved++;
      lane.bytes += bytes;
      memory.take(applicationId, bytes);
      return true;
    },
    commit: (delivery) => {
      const lane = lanes.get(delivery.endpointId);
      if (lane === undefined) throw new Error(`commit of a delivery to ${delivery.endpointId} without admit`);
      if (lane.tenure?.isLive !== true || lane.tenure.epoch !== delivery.epoch) {
        unreserve(lane, delivery.payload.byteLength);
        return false;
      }
      // What was promised to it is what it takes.
      lane.reserved--;
      lane.window.push(delivery);
      if (lane.block === null && lane.endpoint !== null) needs.start(lane);
      else review(lane, clock.nowMs());
      return true;
    },
    cancel: (endpointId, bytes) => {
      const lane = lanes.get(endpointId);
      if (lane === undefined) throw new Error(`cancel for ${endpointId} without admit`);
      unreserve(lane, bytes);
    },
    wake: (endpointId, dueMs, line) => {
      const lane = ensure(endpointId);
      if (lane === null) return;
      if (typeof line !== 'number') wakeOrder(lane, dueMs, line, clock.nowMs());
      if (typeof line !== 'string') {
        if (dueMs < lane.wokenMs) lane.wokenMs = dueMs;
        const isUrgent = suspectUrgent(lane, dueMs, line);
        if (line !== undefined && dueMs >= lane.nextDueMs && !isUrgent) return;
        lane.nextDueMs = Math.min(dueMs, lane.nextDueMs);
      }
      review(lane, clock.nowMs());
    },
    learn: (endpointId, row) => {
      const lane = ensure(endpointId);
      if (lane === null) return;
      const { version, nextDueMs } = row ?? NO_ROW;
      lane.version = version;
      lane.nextDueMs = Math.min(nextDueMs ?? Infinity, lane.wokenMs);
      lane.isHintToRaise = false;
      learnOrder(lane, row ?? NO_ROW, clock.nowMs());
      remember(lane, row ?? NO_ROW);
      learnAbroad(lane, row?.abroad ?? null, clock.monotonicMs());
      review(lane, clock.nowMs());
    },
    notice: (row) => {
      const lane = ensure(row.endpointId);
      if (lane === null) return;
      const dueMs = row.nextDueMs ?? Infinity;
      lane.version = row.version;
      if (dueMs < lane.wokenMs) lane.wokenMs = dueMs;
      if (dueMs < lane.nextDueMs) lane.nextDueMs = dueMs;
      learnOrder(lane, row, clock.nowMs());
      remember(lane, row);
      learnAbroad(lane, row.abroad, clock.monotonicMs());
      review(lane, clock.nowMs());
    },
    unqueue: (lane, from) => {
      const delivery = lane.window.shift(from);
      if (delivery !== undefined) lane.bytes -= delivery.payload.byteLength;
      return delivery;
    },
    withdraw: (lane, messageId) => {
      const delivery = lane.window.remove(messageId);
      if (delivery === undefined) return false;
      lane.bytes -= delivery.payload.byteLength;
      memory.give(delivery.applicationId, delivery.payload.byteLength);
      left(delivery, clock.nowMs());
      return true;
    },
    left,
    reviewDue: (nowMs) => {
      for (let lane = due.take(nowMs); lane !== undefined; lane = due.take(nowMs)) review(lane, nowMs);
      return due.nextMs();
    },
    doubt: (lane) => {
      if (lane.isRowKnown && !lane.isRowSure && isBlemished({ block: lane.block, ...lane.health }))
        readAgain(lane);
    },
    lose: (tenures) => {
      const lost = new Set(tenures);
      for (const lane of lanes.values()) if (lane.tenure !== null && lost.has(lane.tenure)) forget(lane);
    },
    evict: () => {
      if (lanes.size <= settings.maxLanes) return;
      const target = Math.floor(settings.maxLanes * 0.9);
      for (const lane of lanes.values()) {
        if (lanes.size <= target) return;
        if (isIdle(lane, clock.monotonicMs())) forget(lane);
      }
    },
  };
};
