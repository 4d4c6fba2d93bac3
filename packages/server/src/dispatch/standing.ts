import type { Outcome } from '../outcome/outcome.ts';

/**
 * What an endpoint has shown lately. A hung receiver keeps a socket for as long as an attempt may
 * take, so how many a node gives away goes by this (see grant.ts).
 *
 * proven   Its last success was a moment ago, and it has not been trusted with more than a little
 *          since: each success is worth {@link TRUST} starts. That doubles with every round trip,
 *          and one that hangs from now on takes no more with it.
 * unknown  New, or not heard of for a while, or trusted with enough for now.
 * suspect  It has failed since it last succeeded.
 */
export const standings = { proven: 0, unknown: 1, suspect: 2 } as const;
export type Standing = (typeof standings)[keyof typeof standings];

/** Of one lane. Times are monotonic milliseconds. */
export type TrackRecord = { succeededAtMs: number; startsSince: number; hasFailed: boolean };

const RECENT_MS = 60_000;
const TRUST = 2;

export const createTrackRecord = (): TrackRecord => ({
  succeededAtMs: -Infinity,
  startsSince: 0,
  hasFailed: false,
});

export const standingOf = (
  { succeededAtMs, startsSince, hasFailed }: TrackRecord,
  nowMs: number,
): Standing => {
  if (startsSince < TRUST && nowMs - succeededAtMs <= RECENT_MS) return standings.proven;
  return hasFailed ? standings.suspect : standings.unknown;
};

export const noteStart = (record: TrackRecord): void => {
  record.startsSince++;
};

/** An attempt has ended. One whose end nobody knows says nothing, a receiver that answers 429 works. */
export const noteEnd = (record: TrackRecord, outcome: Outcome, nowMs: number): void => {
  if (outcome === 'unknown') return;
  if (outcome === 'succeeded' || outcome === 'throttled') {
    record.succeededAtMs = nowMs;
    record.startsSince = 0;
    record.hasFailed = false;
  } else {
    record.hasFailed = true;
  }
};
