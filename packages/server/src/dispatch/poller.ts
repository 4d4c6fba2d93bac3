import type { Clock } from '../clock.ts';
import { createFifo } from './fifo.ts';
import { isProbing, laneRows, pausedUntilMs, type Lane } from './lane.ts';
import type { Lanes } from './lanes.ts';
import { ROWS_WHEN_SHARED, type Memory } from './memory.ts';
import type { DispatchObserver } from './observer.ts';
import type { DispatchStore, HeldDelivery } from './port.ts';
import type { DispatchSettings } from './settings.ts';
import type { TimerHandle, Timers } from './timers.ts';

/** Fills lanes from the store: many lanes by one statement, one statement at a time. */
export type Poller = {
  readonly add: (lane: Lane) => void;
  /** There may be room again. */
  readonly kick: () => void;
  /** No further poll; resolves when the running one is handled. */
  readonly stop: () => Promise<void>;
};

const RETRY_MS = 250;
const HOLD_OFF_MIN_MS = 50;
const HOLD_OFF_MAX_MS = 2_000;

type PolledPick = { readonly lane: Lane; readonly limit: number };

export const createPoller = (deps: {
  readonly node: string;
  readonly store: Pick<DispatchStore, 'poll'>;
  readonly timers: Timers;
  readonly clock: Clock;
  readonly settings: DispatchSettings;
  readonly memory: Memory;
  readonly lanes: () => Lanes;
  readonly observe: DispatchObserver;
  /** False while nothing may be taken: lease not safe, leaving, too much unsettled. */
  readonly mayPoll: () => boolean;
  readonly readRow: (lane: Lane) => void;
  /** Rows that came for lanes that are no longer ours. */
  readonly onOrphans: (deliveries: readonly HeldDelivery[]) => void;
}): Poller => {
  const { store, timers, clock, settings, memory, observe } = deps;
  const queue = createFifo<Lane>();
  let running: Promise<void> | null = null;
  let isRunning = false;
  let isScheduled = false;
  let retry: TimerHandle | null = null;
  let isStopped = false;

  const roomOf = (lane: Lane, nowMs: number): number => {
    const isReady =
      lane.tenure?.isLeaving === false &&
      lane.isRowKnown &&
      !lane.isDeleted &&
      !lane.isPolling &&
      !lane.isHintToRaise;
    if (
      !isReady ||
      lane.doubts > 0 ||
      lane.endpoint === null ||
      lane.endpoint.disabled ||
      pausedUntilMs(lane.endpoint) > nowMs ||
      lane.block !== null
    )
      return 0;
    if (lane.nextDueMs > nowMs || lane.pollAfterMs > nowMs) return 0;
    const rows = laneRows(lane);
    // Half a window is a batch worth a statement; the start of an attempt asks again below that.
    if (rows * 2 > settings.windowRows || lane.bytes * 2 > settings.windowBytes) return 0;
    const most = memory.isRoomy() ? settings.windowRows : Math.min(settings.windowRows, ROWS_WHEN_SHARED);
    return (isProbing(lane) ? 1 : most) - rows;
  };

  const choose = (): readonly PolledPick[] => {
    const nowMs = clock.nowMs();
    const rooms: { lane: Lane; room: number }[] = [];
    let rowsLeft = Math.min(settings.pollRows, memory.freeRows());
    if (rowsLeft === 0 || memory.freeBytes() === 0) return [];
    const most = Math.min(settings.pollLanes, rowsLeft);
    while (rooms.length < most) {
      const lane = queue.shift();
      if (lane === undefined) break;
      lane.isPollWanted = false;
      const room = roomOf(lane, nowMs);
      if (room > 0) rooms.push({ lane, room });
    }
    return rooms.map(({ lane, room }, index) => {
      const share = Math.max(1, Math.floor(rowsLeft / (rooms.length - index)));
      const limit = Math.min(room, share);
      rowsLeft -= limit;
      return { lane, limit };
    });
  };

  const take = (deliveries: readonly HeldDelivery[]): Map<Lane, number> => {
    const counts = new Map<Lane, number>();
    const orphans: HeldDelivery[] = [];
    for (const delivery of deliveries) {
      const lane = deps.lanes().get(delivery.endpointId);
      if (lane?.tenure?.isLive !== true || lane.tenure.epoch !== delivery.epoch || isStopped) {
        orphans.push(delivery);
        continue;
      }
      deps.lanes().queue(lane, delivery);
      counts.set(lane, (counts.get(lane) ?? 0) + 1);
    }
    if (orphans.length > 0) deps.onOrphans(orphans);
    return counts;
  };

  const conclude = ({ lane, limit }: PolledPick, found: number, isBudgetSpent: boolean): void => {
    if (lane.tenure === null) return;
    if (found === limit) {
      lane.hasBacklog = true;
      lane.emptyPolls = 0;
    } else {
      if (!isBudgetSpent) lane.hasBacklog = false;
      lane.emptyPolls = found > 0 ? 0 : lane.emptyPolls + 1;
      // The first empty poll is ordinary (a wake told of rows that came by themselves).
      const holdOffMs = Math.min(HOLD_OFF_MIN_MS * 2 ** (lane.emptyPolls - 2), HOLD_OFF_MAX_MS);
      if (lane.emptyPolls > 1) lane.pollAfterMs = clock.nowMs() + holdOffMs;
      lane.isHintToRaise = true;
      deps.readRow(lane);
    }
    deps.lanes().review(lane, clock.nowMs());
  };

  const poll = async (picks: readonly PolledPick[]): Promise<void> => {
    const budgetBytes = Math.min(settings.pollBytes, memory.freeBytes());
    const rows = picks.reduce((sum, { limit }) => sum + limit, 0);
    for (const { lane, limit } of picks) {
      lane.isPolling = true;
      lane.reserved += limit;
    }
    memory.take(rows, budgetBytes);
    const unreserve = (): void => {
      memory.give(rows, budgetBytes);
      for (const { lane, limit } of picks) {
        lane.isPolling = false;
        lane.reserved -= limit;
      }
    };
    let deliveries: readonly HeldDelivery[];
    try {
      deliveries = await store.poll({
        node: deps.node,
        lanes: picks.map(({ lane, limit }) => ({ endpointId: lane.endpointId, limit })),
        budgetBytes,
      });
    } catch (error) {
      unreserve();
      observe.trouble('poll', error);
      for (const { lane } of picks) add(lane);
      retry = timers.setTimeout(() => {
        retry = null;
        kick();
      }, RETRY_MS);
      return;
    }
    unreserve();
    const counts = take(deliveries);
    const bytes = deliveries.reduce((sum, { payload }) => sum + payload.byteLength, 0);
    for (const pick of picks) conclude(pick, counts.get(pick.lane) ?? 0, bytes * 2 >= budgetBytes);
  };

  const run = async (): Promise<void> => {
    while (queue.size() > 0 && retry === null && !isStopped && deps.mayPoll()) {
      const picks = choose();
      if (picks.length === 0) break;
      await poll(picks);
    }
    isRunning = false;
  };

  const kick = (): void => {
    if (isScheduled || isRunning || retry !== null || isStopped || queue.size() === 0) return;
    isScheduled = true;
    timers.setImmediate(() => {
      isScheduled = false;
      if (isRunning || isStopped) return;
      isRunning = true;
      running = run();
    });
  };

  const add = (lane: Lane): void => {
    if (lane.isPollWanted || lane.isPolling || isStopped) return;
    lane.isPollWanted = true;
    queue.push(lane);
    kick();
  };

  return {
    add,
    kick,
    stop: async () => {
      isStopped = true;
      if (retry !== null) timers.clearTimeout(retry);
      await running;
    },
  };
};
