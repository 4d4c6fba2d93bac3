import type { AttemptResult, Verdict } from '../domain/attempt.ts';
import type { RetryPolicy } from '../domain/policy.ts';
import { outcomeOf, type Outcome } from './outcome.ts';
import { parseRetryAfter } from './retry-after.ts';
import { attemptsOf, waitSeconds } from './retry-policy.ts';

/** Jitter only adds, at most this share of the wait: a schedule is a promise not to come earlier. */
export const JITTER_SHARE = 0.1;

/** Up to here a Retry-After speaks for the whole endpoint; a longer one delays its delivery only. */
export const LANE_PAUSE_MAX_MS = 5 * 60 * 1000;

/**
 * 429 answers that cost a delivery no attempt. Their waits double from the schedule's own up to
 * {@link THROTTLE_WAIT_MAX_MS}, so with the default policy this is more than three hours of nothing
 * but 429 before the schedule's 24 hours begin to be used up. Bounded, because a receiver may
 * answer 429 for ever, and late in a schedule each of them waits for hours.
 */
export const FREE_THROTTLES = 50;

/** Tries that never left this side and cost no attempt: more than two weeks of them. Bounded like everything. */
export const FREE_UNSENT = 5_000;

/**
 * Unknown attempts in a row that cost nothing; the third counts. They are the fault of this side,
 * but a delivery that crashes its node must not do so for ever.
 */
export const FREE_UNKNOWNS = 2;

export const THROTTLE_WAIT_MAX_MS = 5 * 60 * 1000;
const THROTTLE_WAIT_MIN_MS = 100;

/** Longest pause of a lane that a 429, 502, 503 or 504 without Retry-After causes. */
const SLOWDOWN_MAX_MS = { throttled: 10_000, overloaded: 1000 } as const;

/** What an attempt means for the other deliveries of its endpoint; `gone` is for `decideGone`. */
export type LaneEffect =
  | { readonly kind: 'none' }
  | {
      readonly kind: 'pause';
      readonly untilMs: number;
      readonly reason: 'retry_after' | 'throttled';
    }
  | { readonly kind: 'gone' };

export type Decision = { readonly verdict: Verdict; readonly lane: LaneEffect };

export type DecideInput = {
  readonly result: AttemptResult;
  /** 1-based number of this attempt among those that counted, as if this one counts. */
  readonly attempt: number;
  readonly policy: RetryPolicy;
  readonly nowMs: number;
  /** Uniform in [0, 1). */
  readonly random: number;
  /** From here on 429 counts as an attempt (the end of the message's life); null or absent: never by time. */
  readonly windowEndsAtMs?: number | null;
  /** Attempts of this run that did not count so far: 429 answers, and what never left this side. */
  readonly throttledSoFar: number;
  /** Unknown attempts in a row just before this one. */
  readonly unknownsSoFar: number;
};

const scheduledWaitMs = ({ policy, attempt }: DecideInput): number | null => {
  const seconds = waitSeconds(policy, attempt);
  return seconds === null ? null : Math.round(seconds * 1000);
};

/** The schedule's pace around this attempt: its wait, after the last attempt the one before. */
const paceMs = ({ policy, attempt }: DecideInput): number =>
  Math.round((waitSeconds(policy, attempt) ?? waitSeconds(policy, attempt - 1) ?? 1) * 1000);

const throttleWaitMs = (input: DecideInput): number =>
  Math.min(Math.max(paceMs(input), THROTTLE_WAIT_MIN_MS) * 2 ** input.throttledSoFar, THROTTLE_WAIT_MAX_MS);

const retryAfterMs = ({ result, nowMs }: DecideInput): number =>
  result.kind === 'response' ? (parseRetryAfter(result.retryAfter, nowMs) ?? 0) : 0;

const after = ({ nowMs, random }: DecideInput, waitMs: number): number =>
  Math.ceil(nowMs) + waitMs + Math.floor(waitMs * JITTER_SHARE * random);

const bySchedule = (input: DecideInput, hintMs: number): Verdict => {
  const waitMs = scheduledWaitMs(input);
  if (waitMs === null) return { kind: 'dead', reason: 'exhausted' };
  return { kind: 'retry', atMs: after(input, Math.max(waitMs, hintMs)), countsAsAttempt: true };
};

const whenThrottled = (input: DecideInput, hintMs: number): Verdict => {
  // Who asked for a single attempt gets a single attempt.
  const isFree = input.throttledSoFar < FREE_THROTTLES && attemptsOf(input.policy) > 1;
  if (!isFree) return bySchedule(input, hintMs);
  const waitMs = Math.max(scheduledWaitMs(input) ?? 0, throttleWaitMs(input), hintMs);
  const atMs = after(input, waitMs);
  const windowEndsAtMs = input.windowEndsAtMs ?? Infinity;
  if (atMs > windowEndsAtMs) return bySchedule(input, hintMs);
  return { kind: 'retry', atMs, countsAsAttempt: false };
};

const whenUnknown = (input: DecideInput): Verdict =>
  input.unknownsSoFar < FREE_UNKNOWNS
    ? { kind: 'retry', atMs: Math.ceil(input.nowMs), countsAsAttempt: false }
    : bySchedule(input, 0);

/** Costs time and no attempt: whoever runs this side has to mend it. */
const whenUnsent = (input: DecideInput): Verdict => {
  if (input.throttledSoFar >= FREE_UNSENT) return bySchedule(input, 0);
  const atMs = after(input, Math.max(scheduledWaitMs(input) ?? 0, throttleWaitMs(input)));
  if (atMs > (input.windowEndsAtMs ?? Infinity)) return bySchedule(input, 0);
  return { kind: 'retry', atMs, countsAsAttempt: false };
};

const verdictOn = (outcome: Outcome, input: DecideInput, hintMs: number): Verdict => {
  switch (outcome) {
    case 'succeeded':
      return { kind: 'succeeded' };
    case 'unknown':
      return whenUnknown(input);
    case 'throttled':
      return whenThrottled(input, hintMs);
    case 'unsent':
      return whenUnsent(input);
    case 'gone':
    case 'overloaded':
    case 'failed':
      return bySchedule(input, hintMs);
    default:
      return outcome satisfies never;
  }
};

const pause = (nowMs: number, waitMs: number, reason: 'retry_after' | 'throttled'): LaneEffect =>
  waitMs > 0 ? { kind: 'pause', untilMs: Math.ceil(nowMs) + waitMs, reason } : { kind: 'none' };

const effectOf = (outcome: Outcome, input: DecideInput, hintMs: number): LaneEffect => {
  if (outcome === 'succeeded' || outcome === 'unknown' || outcome === 'unsent') return { kind: 'none' };
  if (outcome === 'gone') return { kind: 'gone' };
  if (hintMs > 0 && hintMs <= LANE_PAUSE_MAX_MS) return pause(input.nowMs, hintMs, 'retry_after');
  if (outcome === 'failed') return { kind: 'none' };
  const slowdownMs = outcome === 'throttled' ? throttleWaitMs(input) : paceMs(input);
  return pause(input.nowMs, Math.min(slowdownMs, SLOWDOWN_MAX_MS[outcome]), 'throttled');
};

/**
 * The verdict on one scheduled attempt and its effect on the lane. Total: defined for every result.
 * Manual attempts have no verdict and are not asked about here.
 *
 * - Only a 2xx succeeds. Everything else is tried again by the policy, then dead (`exhausted`).
 * - A retry comes no earlier than the schedule says, and at most a tenth later.
 * - Retry-After (any failed response) only delays. Up to 5 minutes it pauses the lane.
 * - 429 pauses the lane and costs time instead of an attempt, {@link FREE_THROTTLES} times and not
 *   past `windowEndsAtMs`; after that it counts like any failure. A policy without retries has none
 *   here either.
 * - 502, 503, 504 pause the lane for the schedule's own wait, at most a second.
 * - 410 stops the lane (`decideGone` says what follows); the delivery stays on its schedule.
 * - What never left this side ({@link Outcome} `unsent`) costs no attempt, not even of a policy without retries; its
 *   waits double up to {@link THROTTLE_WAIT_MAX_MS}.
 * - An unknown attempt is made again at once, {@link FREE_UNKNOWNS} times in a row for nothing, even
 *   after the last attempt and without any retries: at-least-once is the promise.
 *
 * Times are whole milliseconds of Unix time.
 */
export const decide = (input: DecideInput): Decision => {
  const outcome = outcomeOf(input.result);
  const hintMs = retryAfterMs(input);
  return { verdict: verdictOn(outcome, input, hintMs), lane: effectOf(outcome, input, hintMs) };
};
