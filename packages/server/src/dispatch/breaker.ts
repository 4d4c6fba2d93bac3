import type { ControllerEnd } from './controller.ts';

/** Whether a receiver is worth trying. Opens after failures in a row; one attempt at a time asks again. */
export type Breaker = {
  /** Failures since the last success, those of one delivery in a row as one. */
  streak: number;
  lastFailed: string | null;
  /** The next answer decides whether it closes. */
  isProbing: boolean;
  openedAtMs: number;
  /** Openings since it last held closed for {@link STEADY} successes. */
  openings: number;
  successes: number;
  /** How long it has failed without a gap in which nobody looked, and until when. */
  outageMs: number;
  lastFailureMs: number;
};

const THRESHOLD = 5;
const STEADY = 10;
const FIRST_OPEN_MS = 1_000;
export const LONGEST_OPEN_MS = 60_000;
/** A gap between two failures that still counts as one outage. */
const GAP_MS = 2 * LONGEST_OPEN_MS;

export const createBreaker = (): Breaker => ({
  streak: 0,
  lastFailed: null,
  isProbing: false,
  openedAtMs: -Infinity,
  openings: 0,
  successes: 0,
  outageMs: 0,
  lastFailureMs: -Infinity,
});

const onSuccess = (breaker: Breaker): void => {
  breaker.streak = 0;
  breaker.lastFailed = null;
  breaker.isProbing = false;
  breaker.outageMs = 0;
  if (++breaker.successes >= STEADY) breaker.openings = 0;
};

const open = (breaker: Breaker, nowMs: number): number => {
  const ms = Math.min(FIRST_OPEN_MS * 2 ** breaker.openings, LONGEST_OPEN_MS);
  breaker.openings = Math.min(breaker.openings + 1, 30);
  breaker.openedAtMs = nowMs;
  breaker.isProbing = true;
  breaker.streak = 0;
  breaker.successes = 0;
  return ms;
};

/**
 * Takes the end of an attempt in; returns for how long to open, or null. Ends of attempts that began
 * before it opened say nothing new. A receiver that answers 429 works.
 */
export const isOpening = (
  breaker: Breaker,
  { outcome, messageId, startedAtMs }: ControllerEnd,
  nowMs: number,
): number | null => {
  if (outcome === 'unknown') return null;
  if (outcome === 'succeeded' || outcome === 'throttled') {
    onSuccess(breaker);
    return null;
  }
  const sinceMs = nowMs - breaker.lastFailureMs;
  breaker.outageMs = sinceMs <= GAP_MS ? breaker.outageMs + sinceMs : 0;
  breaker.lastFailureMs = nowMs;
  if (startedAtMs < breaker.openedAtMs) return null;
  if (breaker.isProbing) return open(breaker, nowMs);
  // One delivery that follows its schedule is no load that anybody has to be spared.
  if (messageId !== breaker.lastFailed) breaker.streak++;
  breaker.lastFailed = messageId;
  return breaker.streak >= THRESHOLD ? open(breaker, nowMs) : null;
};
