import type { ApiStore } from './api/port.ts';
import type { Clock } from './clock.ts';
import { expirePayloads } from './store/expire-payloads.ts';
import { dropOldLeaves, makeLeavesAhead } from './store/leaves.ts';
import type { Database } from './store/postgres.ts';
import { createPrune } from './store/prune.ts';
import { createRollUp } from './store/statistic-roll-up.ts';

/** One chore: its name for the log, how often, and what it does. */
export type Chore = {
  readonly name: string;
  readonly everyMs: number;
  readonly run: () => Promise<unknown>;
};

export type Housekeeping = {
  /** Runs a chore soon instead of when its time comes. */
  readonly now: (name: string) => void;
  /** Starts nothing more and resolves when what runs has ended. */
  readonly stop: () => Promise<void>;
};

/**
 * Runs each chore now and then again `everyMs` after it ended, whatever came of it: a chore that
 * fails is told of and tried again. Chores are safe to run on several nodes at once.
 */
export const keepHouse = (
  chores: readonly Chore[],
  onTrouble: (chore: string, error: unknown) => void,
): Housekeeping => {
  let stopped = false;
  const timers = new Map<Chore, NodeJS.Timeout>();
  const running = new Map<Chore, Promise<void>>();
  const again = new Set<Chore>();
  const run = (chore: Chore): void => {
    if (stopped) return;
    const round = chore
      .run()
      .catch((error: unknown) => onTrouble(chore.name, error))
      .then(() => {
        running.delete(chore);
        if (stopped) return;
        const delayMs = again.delete(chore) ? 0 : chore.everyMs;
        timers.set(
          chore,
          setTimeout(() => run(chore), delayMs),
        );
      });
    running.set(chore, round);
  };
  for (const chore of chores) run(chore);
  return {
    now: (name) => {
      const chore = chores.find((one) => one.name === name);
      if (chore === undefined || stopped) return;
      if (running.has(chore)) {
        again.add(chore);
        return;
      }
      clearTimeout(timers.get(chore));
      run(chore);
    },
    stop: async () => {
      stopped = true;
      for (const timer of timers.values()) clearTimeout(timer);
      await Promise.all(running.values());
    },
  };
};

// Beyond the longest payload retention, so that a payload goes by its own end and not by its leaf's.
export const LEAF_RETENTION_DAYS = 90;
const LEAVES_AHEAD_DAYS = 7;
const HOUR_MS = 3_600_000;
// Retention is counted in hours: what has expired is gone for every reader at once, and from the disk soon.
const EXPIRE_MS = 300_000;
const ROLL_UP_MS = 60_000;
const IDEMPOTENCY_KEEP_MS = 24 * HOUR_MS;

/** What makes room in the store, and sums up what goes. */
export const storeChores = (deps: {
  readonly hotDatabase: Database;
  readonly apiDatabase: Database;
  readonly idempotency: ApiStore['idempotency'];
  readonly clock: Clock;
}): readonly Chore[] => {
  const { hotDatabase, apiDatabase, clock } = deps;
  const pruneKeys = async (): Promise<void> => {
    const beforeMs = clock.nowMs() - IDEMPOTENCY_KEEP_MS;
    while ((await deps.idempotency.prune(beforeMs)) > 0);
  };
  return [
    { name: 'make leaves', everyMs: HOUR_MS, run: () => makeLeavesAhead(hotDatabase, LEAVES_AHEAD_DAYS) },
    { name: 'drop leaves', everyMs: HOUR_MS, run: () => dropOldLeaves(apiDatabase, LEAF_RETENTION_DAYS) },
    { name: 'roll up statistics', everyMs: ROLL_UP_MS, run: createRollUp(apiDatabase, clock.monotonicMs) },
    { name: 'prune', everyMs: HOUR_MS, run: createPrune(apiDatabase, clock.nowMs) },
    { name: 'expire payloads', everyMs: EXPIRE_MS, run: () => expirePayloads(apiDatabase) },
    { name: 'prune idempotency keys', everyMs: HOUR_MS, run: pruneKeys },
  ];
};
