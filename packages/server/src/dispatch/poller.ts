import type { Clock } from '../clock.ts';
import { priorities, type Priority } from '../domain/delivery.ts';
import { NO_BACKLOG, type Lane } from './lane.ts';
import type { Lanes } from './lanes.ts';
import type { Memory } from './memory.ts';
import type { DispatchObserver } from './observer.ts';
import { createPollLine, type PolledPick, type PollPlan } from './poll-line.ts';
import { createPolling, type Polling } from './polling.ts';
import type { DispatchStore, HeldDelivery } from './port.ts';
import type { DispatchSettings } from './settings.ts';
import type { Timers } from './timers.ts';

/** Fills lanes from the store: many lanes by one statement, one statement at a time. */
export type Poller = Omit<Polling, 'isStopped'> & {
  readonly add: (lane: Lane) => void;
};

const HOLD_OFF_MIN_MS = 50;
const HOLD_OFF_MAX_MS = 2_000;

/** What a poll brought for a lane: how much, and of which class the least urgent is. */
type Found = { readonly count: number; readonly least: Priority };

/** What was asked for may still be there. */
const expectMore = (lane: Lane, from: Priority, nowMs: number): void => {
  if (from === priorities.critical) lane.criticalDueMs = Math.min(lane.criticalDueMs, nowMs);
  if (from <= priorities.normal) lane.normalDueMs = Math.min(lane.normalDueMs, nowMs);
};

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
  const { store, clock, settings, memory, observe } = deps;
  const line = createPollLine(settings, memory);

  const take = (deliveries: readonly HeldDelivery[]): ReadonlyMap<Lane, Found> => {
    const found = new Map<Lane, Found>();
    const orphans: HeldDelivery[] = [];
    for (const delivery of deliveries) {
      const lane = deps.lanes().get(delivery.endpointId);
      if (lane?.tenure?.isLive !== true || lane.tenure.epoch !== delivery.epoch || polling.isStopped()) {
        orphans.push(delivery);
        continue;
      }
      deps.lanes().queue(lane, delivery);
      const before = found.get(lane) ?? { count: 0, least: priorities.critical };
      const least = delivery.priority > before.least ? delivery.priority : before.least;
      found.set(lane, { count: before.count + 1, least });
    }
    if (orphans.length > 0) deps.onOrphans(orphans);
    return found;
  };

  const concludeFull = (lane: Lane, found: number, isBudgetSpent: boolean): void => {
    if (!isBudgetSpent) lane.backlogFrom = NO_BACKLOG;
    lane.emptyPolls = found > 0 ? 0 : lane.emptyPolls + 1;
    // The first empty poll is ordinary (a wake told of rows that came by themselves).
    const holdOffMs = Math.min(HOLD_OFF_MIN_MS * 2 ** (lane.emptyPolls - 2), HOLD_OFF_MAX_MS);
    if (lane.emptyPolls > 1) lane.pollAfterMs = clock.nowMs() + holdOffMs;
    lane.isHintToRaise = true;
    deps.readRow(lane);
  };

  const conclude = (
    { lane, limit, upto }: PolledPick,
    found: Found | undefined,
    isBudgetSpent: boolean,
  ): void => {
    if (lane.tenure === null) return;
    const count = found?.count ?? 0;
    if (found !== undefined && count === limit) {
      // Everything more urgent than the last one has come.
      lane.backlogFrom = found.least;
      lane.emptyPolls = 0;
      expectMore(lane, found.least, clock.nowMs());
    } else if (upto === priorities.bulk) {
      concludeFull(lane, count, isBudgetSpent);
    } else if (!isBudgetSpent) {
      lane.backlogFrom = Math.max(lane.backlogFrom, upto + 1);
    }
    deps.lanes().review(lane, clock.nowMs());
  };

  const ask = async ({ picks, budgetBytes }: PollPlan): Promise<boolean> => {
    const rows = picks.reduce((sum, { limit }) => sum + limit, 0);
    const askedAtMs = clock.nowMs();
    for (const { lane, limit, upto } of picks) {
      lane.isPolling = true;
      lane.reserved += limit;
      lane.polledAtMs = askedAtMs;
      if (lane.criticalDueMs <= askedAtMs) lane.criticalDueMs = Infinity;
      if (upto >= priorities.normal && lane.normalDueMs <= askedAtMs) lane.normalDueMs = Infinity;
    }
    memory.reserve(rows, budgetBytes);
    const unreserve = (): void => {
      memory.unreserve(rows, budgetBytes);
      for (const { lane, limit } of picks) {
        lane.isPolling = false;
        lane.reserved -= limit;
      }
    };
    let deliveries: readonly HeldDelivery[];
    try {
      deliveries = await store.poll({
        node: deps.node,
        lanes: picks.map(({ lane, limit, upto }) => ({ endpointId: lane.endpointId, limit, upto })),
        budgetBytes,
      });
    } catch (error) {
      unreserve();
      observe.trouble('poll', error);
      for (const { lane } of picks) {
        expectMore(lane, priorities.critical, askedAtMs);
        add(lane);
      }
      return false;
    }
    unreserve();
    const found = take(deliveries);
    const bytes = deliveries.reduce((sum, { payload }) => sum + payload.byteLength, 0);
    for (const pick of picks) conclude(pick, found.get(pick.lane), bytes * 2 >= budgetBytes);
    return true;
  };

  const polling = createPolling({
    timers: deps.timers,
    isWanted: () => line.size() > 0,
    mayPoll: deps.mayPoll,
    poll: () => {
      const plan = line.next(clock.nowMs());
      return plan === null ? null : ask(plan);
    },
  });

  const add = (lane: Lane): void => {
    if (lane.isPolling || polling.isStopped()) return;
    line.add(lane, clock.nowMs());
    polling.kick();
  };

  return { add, kick: polling.kick, stop: polling.stop };
};
