import type { History } from './history.ts';
import { LEASE_MS } from './process.ts';
import { ATTEMPT_MS } from './receivers.ts';

/** What was done to a run, for the question whether something is explained by it. */
export type Faults = {
  /** Whether one of these was done to the process (or to all of them) and had not ended before `fromMs`. */
  readonly hit: (process: string | null, fromMs: number, toMs: number, kinds: readonly string[]) => boolean;
  /** The database's clock was set less than a lease and a round ago: two may think that they own a partition. */
  readonly isJumped: (atMs: number) => boolean;
  readonly any: (...kinds: readonly string[]) => boolean;
};

export const createFaults = (history: History): Faults => {
  const faults = history.of('fault');
  const jumps = faults.filter(({ fault }) => fault === 'database-clock').map(({ fromMs }) => fromMs);
  return {
    isJumped: (atMs) => jumps.some((jumpMs) => jumpMs <= atMs && jumpMs > atMs - LEASE_MS - ATTEMPT_MS),
    any: (...kinds) => faults.some(({ fault }) => kinds.includes(fault)),
    hit: (process, fromMs, toMs, kinds) =>
      faults.some(
        (fault) =>
          kinds.includes(fault.fault) &&
          (fault.process === null || fault.process === process) &&
          fault.fromMs <= toMs &&
          fault.toMs >= fromMs,
      ),
  };
};
