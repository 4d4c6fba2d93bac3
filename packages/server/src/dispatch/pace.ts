import type { ControllerEnd } from './controller.ts';

/**
 * Starts a second, for receivers that answer 429 beyond some rate, where one in flight is already too
 * many. After a 429 it goes a little below the rate that was too high, comes back to it slowly, stays
 * near it, and goes beyond it ever faster (the curve of CUBIC, RFC 9438, over time spent at the limit).
 */
export type Pace = {
  /** Infinity: no 429 was seen. */
  perSecond: number;
  /** The rate at which the last 429 came. */
  knee: number;
  /** How far below it the curve began, as a share. */
  depth: number;
  /** Time since then in which the pace was what held starts back. */
  heldMs: number;
  /** Attempts that started before this say nothing new. */
  deafUntilMs: number;
  nextStartMs: number;
  lastStartMs: number;
  /** Answers by second: the running one and the one before. */
  secondAtMs: number;
  accepted: number;
  acceptedBefore: number;
  throttled: number;
};

const WINDOW_MS = 1_000;
/** From a cut back to the knee. */
const RETURN_MS = 10_000;
/** Beyond the curve it doubles in this time. */
const DOUBLE_MS = 5_000;
const GENTLE = 0.05;
const HARD = 0.1;
/** Above this share of 429 the rate is not a little too high. */
const LIGHT_SHARE = 0.2;
const SLOWEST = 1;
/** Above this the pace is no limit any more. */
const UNLIMITED = 100_000;
/** What a late timer may catch up. */
const SLACK_MS = 30;

export const createPace = (): Pace => ({
  perSecond: Infinity,
  knee: Infinity,
  depth: GENTLE,
  heldMs: 0,
  deafUntilMs: -Infinity,
  nextStartMs: -Infinity,
  lastStartMs: -Infinity,
  secondAtMs: -Infinity,
  accepted: 0,
  acceptedBefore: 0,
  throttled: 0,
});

/** When the next attempt may start. */
export const paceOpensAtMs = ({ perSecond, nextStartMs }: Pace): number =>
  perSecond === Infinity ? -Infinity : nextStartMs;

const curve = ({ knee, depth, heldMs }: Pace): number => {
  if (heldMs <= 2 * RETURN_MS) return knee * (1 + depth * (heldMs / RETURN_MS - 1) ** 3);
  return knee * (1 + depth) * 2 ** ((heldMs - 2 * RETURN_MS) / DOUBLE_MS);
};

export const onPaceStart = (pace: Pace, nowMs: number): void => {
  if (pace.perSecond === Infinity) return;
  const isHeldBack = nowMs - pace.nextStartMs < 100;
  if (isHeldBack) pace.heldMs += Math.min(Math.max(0, nowMs - pace.lastStartMs), WINDOW_MS);
  pace.lastStartMs = nowMs;
  const next = Math.max(SLOWEST, curve(pace));
  pace.perSecond = next > UNLIMITED ? Infinity : next;
  pace.nextStartMs = Math.max(pace.nextStartMs, nowMs - SLACK_MS) + WINDOW_MS / next;
};

const turnSecond = (pace: Pace, nowMs: number): void => {
  const sinceMs = nowMs - pace.secondAtMs;
  if (sinceMs < WINDOW_MS) return;
  pace.acceptedBefore = sinceMs < 2 * WINDOW_MS ? pace.accepted : 0;
  pace.accepted = 0;
  pace.throttled = 0;
  pace.secondAtMs = nowMs;
};

const cut = (pace: Pace, knee: number, depth: number, nowMs: number): void => {
  pace.knee = Math.max(SLOWEST, knee);
  pace.depth = depth;
  pace.heldMs = 0;
  // Receivers count by seconds: until this one is over, every answer tells of the rate before.
  pace.deafUntilMs = nowMs + WINDOW_MS;
  pace.perSecond = Math.max(SLOWEST, curve(pace));
  pace.nextStartMs = Math.max(pace.nextStartMs, nowMs);
  pace.lastStartMs = nowMs;
};

/** Takes an answer in; returns for how many milliseconds nothing should start, 0 for none. */
export const onPaceEnd = (
  pace: Pace,
  { outcome, startedAtMs }: Pick<ControllerEnd, 'outcome' | 'startedAtMs'>,
  nowMs: number,
): number => {
  turnSecond(pace, nowMs);
  if (outcome !== 'throttled') {
    if (outcome === 'succeeded') pace.accepted++;
    return 0;
  }
  pace.throttled++;
  if (startedAtMs < pace.deafUntilMs) return 0;
  const intoMs = nowMs - pace.secondAtMs;
  const accepted = pace.acceptedBefore * (1 - intoMs / WINDOW_MS) + pace.accepted;
  const isLight = pace.throttled <= LIGHT_SHARE * (pace.throttled + accepted);
  if (pace.perSecond !== Infinity && isLight) {
    cut(pace, pace.perSecond, GENTLE, nowMs);
    return 0;
  }
  cut(pace, Math.min(pace.perSecond, accepted), HARD, nowMs);
  pace.nextStartMs = nowMs + WINDOW_MS;
  return WINDOW_MS;
};
