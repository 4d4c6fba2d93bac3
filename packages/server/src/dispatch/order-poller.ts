import type { Clock } from '../clock.ts';
import { priorities } from '../domain/delivery.ts';
import { createFairQueue } from './fair-queue.ts';
import { isProbing, laneRows, pausedUntilMs, type Lane } from './lane.ts';
import type { Lanes } from './lanes.ts';
import { ROWS_WHEN_SHARED, type Memory } from './memory.ts';
import type { DispatchObserver } from './observer.ts';
import { learnPoll, planPoll, takeBackPlan, type LaneOrder, type OrderPlan } from './order.ts';
import { createPolling, type Polling } from './polling.ts';
import type { DispatchStore, HeldDelivery, OrderedPoll } from './port.ts';
import type { DispatchSettings } from './settings.ts';
import type { Timers } from './timers.ts';

/**
 * Fetches what is first in its order: whatever a node has accepted of it, only the store knows whose
 * turn it is. Beside the other polls, and with rows of its own, so that neither waits for the other.
 */
export type OrderPoller = Omit<Polling, 'isStopped'> & {
  readonly add: (lane: Lane) => void;
};

/** Its class is on the row: until that is read, it counts as most are. */
const { normal } = priorities;

type Pick = { readonly lane: Lane; readonly order: LaneOrder; readonly plan: OrderPlan };

const rowsOf = ({ keys, timed, scan }: OrderPlan): number => keys.length + timed + (scan?.keys ?? 0);

export const createOrderPoller = (deps: {
  readonly node: string;
  readonly store: { readonly pollOrdered: DispatchStore['pollOrdered'] };
  readonly timers: Timers;
  readonly clock: Clock;
  readonly settings: DispatchSettings;
  readonly memory: Memory;
  readonly lanes: () => Lanes;
  readonly observe: DispatchObserver;
  /** False while nothing may be taken: lease not safe, leaving, too much unsettled. */
  readonly mayPoll: () => boolean;
  /** Rows that came for lanes that are no longer ours, or for keys that have one in memory still. */
  readonly onOrphans: (deliveries: readonly HeldDelivery[]) => void;
}): OrderPoller => {
  const { store, clock, settings, memory, observe } = deps;
  const queue = createFairQueue<Lane>();

  const roomOf = (lane: Lane, order: LaneOrder, nowMs: number): number => {
    const isReady =
      lane.tenure?.isLeaving === false &&
      lane.isRowKnown &&
      !lane.isDeleted &&
      lane.doubts === 0 &&
      lane.block === null &&
      !order.isPolling;
    if (!isReady || lane.endpoint === null || lane.endpoint.disabled) return 0;
    if (pausedUntilMs(lane.endpoint) > nowMs) return 0;
    if (isProbing(lane)) return 1 - laneRows(lane);
    if (lane.window.size() > 0 && lane.bytes * 2 > settings.windowBytes) return 0;
    const most = memory.isRoomy() ? settings.windowRows : Math.min(settings.windowRows, ROWS_WHEN_SHARED);
    return Math.max(1, most >> 1) - order.busy.size;
  };

  const mayGrow = (applicationId: string): boolean => memory.mayGrow(applicationId, normal);

  const choose = (): readonly Pick[] => {
    const nowMs = clock.nowMs();
    const picks: Pick[] = [];
    let rowsLeft = Math.min(settings.pollRows, memory.freeRows(normal));
    if (memory.freeBytes(normal) === 0) return [];
    while (rowsLeft > 0 && picks.length < settings.pollLanes) {
      const lane = queue.peek(mayGrow);
      if (lane === undefined) break;
      queue.shift(1);
      const { order } = lane;
      if (order === null) continue;
      order.isPollWanted = false;
      const room = Math.min(roomOf(lane, order, nowMs), rowsLeft);
      const plan = room > 0 ? planPoll(order, room, lane.version, nowMs) : null;
      if (plan === null) continue;
      rowsLeft -= rowsOf(plan);
      picks.push({ lane, order, plan });
    }
    return picks;
  };

  const take = (deliveries: readonly HeldDelivery[]): ReadonlyMap<Lane, number> => {
    const counts = new Map<Lane, number>();
    const orphans: HeldDelivery[] = [];
    for (const delivery of deliveries) {
      const lane = deps.lanes().get(delivery.endpointId);
      const isOurs =
        lane?.tenure?.isLive === true && lane.tenure.epoch === delivery.epoch && !polling.isStopped();
      // An attempt by hand can end a delivery while a scheduled one of it is still in flight.
      if (!isOurs || lane.order?.busy.has(delivery.orderKey!) === true) {
        orphans.push(delivery);
        continue;
      }
      deps.lanes().queue(lane, delivery);
      counts.set(lane, (counts.get(lane) ?? 0) + 1);
    }
    if (orphans.length > 0) deps.onOrphans(orphans);
    return counts;
  };

  const conclude = (picks: readonly Pick[], reply: OrderedPoll): void => {
    const counts = take(reply.deliveries);
    const nowMs = clock.nowMs();
    const ends = new Map(reply.lanes.map((end) => [end.endpointId, end]));
    const again = Map.groupBy(reply.again, ({ endpointId }) => endpointId);
    for (const { lane, order, plan } of picks) {
      const { endpointId } = lane;
      const end = ends.get(endpointId);
      const news = {
        taken: counts.get(lane) ?? 0,
        again: again.get(endpointId) ?? [],
        lastKey: end?.lastKey ?? null,
        keys: end?.keys ?? 0,
        nextMs: end?.nextMs ?? null,
      };
      learnPoll(order, plan, news, nowMs);
      deps.lanes().review(lane, nowMs);
    }
  };

  const ask = async (picks: readonly Pick[]): Promise<boolean> => {
    const budgetBytes = Math.min(settings.pollBytes, memory.freeBytes(normal));
    const rows = picks.reduce((sum, { plan }) => sum + rowsOf(plan), 0);
    memory.reserve(rows, budgetBytes);
    for (const { lane, order, plan } of picks) {
      order.isPolling = true;
      lane.reserved += rowsOf(plan);
    }
    const reply = await store
      .pollOrdered({
        node: deps.node,
        lanes: picks.map(({ lane, plan }) => ({ endpointId: lane.endpointId, ...plan })),
        budgetBytes,
      })
      .catch((error: unknown) => {
        observe.trouble('poll ordered', error);
        return null;
      });
    memory.unreserve(rows, budgetBytes);
    for (const { lane, order, plan } of picks) {
      order.isPolling = false;
      lane.reserved -= rowsOf(plan);
    }
    if (reply !== null) {
      conclude(picks, reply);
      return true;
    }
    for (const { lane, order, plan } of picks) {
      takeBackPlan(order, plan, clock.nowMs());
      add(lane);
    }
    return false;
  };

  const polling = createPolling({
    timers: deps.timers,
    isWanted: () => queue.size() > 0,
    mayPoll: deps.mayPoll,
    poll: () => {
      const picks = choose();
      return picks.length === 0 ? null : ask(picks);
    },
  });

  const add = (lane: Lane): void => {
    const { order } = lane;
    if (order === null || order.isPollWanted || order.isPolling || polling.isStopped()) return;
    order.isPollWanted = true;
    queue.push(lane.applicationId, lane);
    polling.kick();
  };

  return { add, kick: polling.kick, stop: polling.stop };
};
