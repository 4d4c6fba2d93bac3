import type { AttemptResult, Verdict } from '../domain/attempt.ts';
import { outcomeOf } from './outcome.ts';

/** What a run of a delivery has used up so far; all 0 at its start. */
export type Counters = {
  /** Attempts that counted. The next one is number `attemptsUsed + 1` of the policy. */
  readonly attemptsUsed: number;
  /** Attempts that did not count: 429 answers, and what never left this side. */
  readonly throttled: number;
  /** Unknown attempts in a row, the latest included. */
  readonly unknowns: number;
};

/** The counters after a scheduled attempt: what `decide` is handed for the next one. */
export const countersAfter = (before: Counters, result: AttemptResult, verdict: Verdict): Counters => {
  const counted = verdict.kind !== 'retry' || verdict.countsAsAttempt;
  const outcome = outcomeOf(result);
  return {
    attemptsUsed: before.attemptsUsed + (counted ? 1 : 0),
    throttled: before.throttled + ((outcome === 'throttled' || outcome === 'unsent') && !counted ? 1 : 0),
    unknowns: outcome === 'unknown' ? before.unknowns + 1 : 0,
  };
};
