import type { Clock } from '../clock.ts';
import { balance, type Balance } from './balance.ts';
import type { DispatchNode } from './contract.ts';
import type { HandBack } from './hand-back.ts';
import { saveLanes } from './lane-memory.ts';
import type { Lane, Tenure } from './lane.ts';
import type { Lanes } from './lanes.ts';
import { createLoop } from './loop.ts';
import type { DispatchObserver } from './observer.ts';
import type { OpenDeliveries } from './open-deliveries.ts';
import type { Ownership } from './ownership.ts';
import type { DispatchStore } from './port.ts';
import type { DispatchSettings } from './settings.ts';
import type { Timers } from './timers.ts';

/** Keeps the partitions spread evenly over the nodes. */
export type Balancer = {
  /** Looks now: how many partitions to take. Never rejects; 0 when the store cannot say. */
  readonly wanted: (held: number) => Promise<number>;
  /** Whether other nodes were there at the last look. */
  readonly hasPeers: () => boolean;
  readonly start: () => void;
  /** No further look; resolves when a hand-over under way has ended. */
  readonly stop: () => Promise<void>;
};

const LOOK_MS = 10;
/** Beyond the statements' own timeouts: then a hand-over is given up and tried again later. */
const RESERVED_MS = 15_000;
const SETTLE_MS = 3_000;

export const createBalancer = (deps: {
  readonly node: DispatchNode;
  readonly store: Pick<DispatchStore, 'cluster' | 'saveLane'>;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly settings: DispatchSettings;
  readonly ownership: () => Ownership;
  readonly lanes: Lanes;
  readonly handBack: HandBack;
  /** Attempts begun and not settled. */
  readonly open: Pick<OpenDeliveries, 'items'>;
  readonly observe: DispatchObserver;
}): Balancer => {
  const { node, store, clock, timers, settings, lanes, handBack } = deps;
  let freeSinceMs: number | null = null;
  let isStopped = false;
  let hasPeers = false;

  const look = async (held: number): Promise<Balance> => {
    const view = await store.cluster();
    hasPeers = view.nodes.some((other) => other.node !== node.id);
    const nowMs = clock.monotonicMs();
    freeSinceMs = view.free === 0 ? null : (freeSinceMs ?? nowMs);
    return balance({
      node: node.id,
      isTaking: settings.takes,
      view,
      held,
      partitions: settings.partitions,
      steadyMs: settings.steadyMs,
      giveAtOnce: settings.giveAtOnce,
      isStuck: freeSinceMs !== null && nowMs - freeSinceMs > settings.leaseMs / 2,
    });
  };

  const lanesOf = (tenures: ReadonlySet<Tenure>): Lane[] =>
    [...lanes.all()].filter(({ tenure }) => tenure !== null && tenures.has(tenure));

  /** Inserts and polls under way still name our token; true when all of them have ended. */
  const whenUnreserved = async (affected: readonly Lane[]): Promise<boolean> => {
    const deadlineMs = clock.monotonicMs() + RESERVED_MS;
    while (affected.some(({ reserved }) => reserved > 0)) {
      if (clock.monotonicMs() > deadlineMs || isStopped) return false;
      await new Promise<void>((resolve) => void timers.setTimeout(resolve, LOOK_MS));
    }
    return true;
  };

  /** As a leave of the whole node, for a few partitions: nothing waits for what is in flight. */
  const handOver = async (tenures: readonly Tenure[]): Promise<void> => {
    const going = new Set(tenures);
    for (const tenure of tenures) tenure.isLeaving = true;
    try {
      if (!(await whenUnreserved(lanesOf(going))) || isStopped) return;
      const affected = lanesOf(going);
      handBack.give(affected.flatMap((lane) => lanes.empty(lane)));
      await handBack.whenIdle();
      await saveLanes(affected, store, node.id, clock.nowMs());
      const tokens = new Set(tenures.map(({ partition, epoch }) => `${partition} ${epoch}`));
      const inFlight = deps.open.items().some(({ partition, epoch }) => tokens.has(`${partition} ${epoch}`));
      await deps.ownership().giveUp(tenures, inFlight ? settings.attemptMs + SETTLE_MS : 0);
    } finally {
      // What was not given up is this node's as before.
      for (const tenure of tenures) tenure.isLeaving = false;
    }
  };

  const loop = createLoop({
    timers,
    intervalMs: settings.balanceMs,
    task: async () => {
      const ownership = deps.ownership();
      if (!ownership.isInTouch()) return;
      const { take, give } = await look(ownership.partitions());
      if (isStopped) return;
      if (take > 0) ownership.beatNow();
      if (give > 0) await handOver(ownership.latest(give));
    },
    onError: (error) => deps.observe.trouble('balance', error),
  });

  return {
    wanted: async (held) => {
      if (!settings.takes) return 0;
      // Who has the database to himself takes everything at once.
      if (settings.seize && held === 0) return settings.partitions;
      try {
        return (await look(held)).take;
      } catch (error) {
        deps.observe.trouble('balance', error);
        return 0;
      }
    },
    hasPeers: () => hasPeers,
    start: () => {
      if (settings.takes) loop.start();
    },
    stop: () => {
      isStopped = true;
      return loop.stop();
    },
  };
};
