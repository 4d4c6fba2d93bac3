import type { AttemptTrigger } from '../domain/attempt.ts';
import type { Outcome } from './outcome.ts';

/** An endpoint is disabled after five days of unbroken failure unless configured otherwise. */
export const DEFAULT_DISABLE_AFTER_MS = 5 * 24 * 60 * 60 * 1000;

/** The lane's stop after a first 410, and how much later a second one is believed. */
export const GONE_STOP_MS = 5 * 60 * 1000;

/** A delivery is a witness of the outage when it has itself failed for this share of the time. */
export const WITNESS_SHARE = 0.1;

/** What is remembered of an endpoint that does not work. Changes seldom: at the ends of an outage. */
export type EndpointHealth = {
  /** First failure since the last success. */
  readonly failingSinceMs: number | null;
  /** First 410 since the last success. */
  readonly goneSinceMs: number | null;
};

/** Where an endpoint starts, and starts again when somebody enables it. */
export const healthy: EndpointHealth = { failingSinceMs: null, goneSinceMs: null };

export type HealthEvidence = {
  readonly outcome: Outcome;
  readonly trigger: AttemptTrigger;
  /** Since when this delivery's run has failed: `elapsedSeconds(policy, attempt)` x 1000 will do. */
  readonly deliveryFailingForMs: number;
  /** The verdict was dead. */
  readonly givenUp: boolean;
};

export type HealthEffect =
  | { readonly kind: 'none' }
  /** An outage has begun. */
  | { readonly kind: 'failing_since'; readonly sinceMs: number }
  /** It is over. */
  | { readonly kind: 'recovered' }
  | {
      readonly kind: 'disable';
      readonly reason: 'gone' | 'failing';
      /** Start of the outage, for who is told. */
      readonly sinceMs: number;
    };

/** `health` is the very object handed in when nothing changed: nothing to store then. */
export type HealthChange = { readonly health: EndpointHealth; readonly effect: HealthEffect };

export type GoneDecision =
  | { readonly kind: 'stop_lane'; readonly untilMs: number }
  | { readonly kind: 'disable' };

/**
 * What a 410 leads to. The first stops the lane for {@link GONE_STOP_MS}, because a deployment may
 * answer 410 by mistake; those that were in flight beside it change nothing. One that comes after
 * the stop confirms it: the endpoint is to be disabled.
 *
 * @param firstGoneAtMs The first 410 since the last success (`goneSinceMs` before this attempt).
 */
export const decideGone = (firstGoneAtMs: number | null, nowMs: number): GoneDecision => {
  const untilMs = Math.min(firstGoneAtMs ?? nowMs, nowMs) + GONE_STOP_MS;
  return firstGoneAtMs !== null && nowMs >= untilMs
    ? { kind: 'disable' }
    : { kind: 'stop_lane', untilMs: Math.ceil(untilMs) };
};

const onFailure = (
  health: EndpointHealth,
  evidence: HealthEvidence,
  nowMs: number,
  disableAfterMs: number | null,
): HealthChange => {
  const sinceMs = health.failingSinceMs ?? nowMs;
  const isGone = evidence.outcome === 'gone';
  const isKnown = health.failingSinceMs !== null && (!isGone || health.goneSinceMs !== null);
  const next = isKnown
    ? health
    : {
        failingSinceMs: sinceMs,
        goneSinceMs: health.goneSinceMs ?? (isGone ? nowMs : null),
      };
  if (isGone && decideGone(health.goneSinceMs, nowMs).kind === 'disable') {
    return { health: next, effect: { kind: 'disable', reason: 'gone', sinceMs } };
  }
  const isLong = disableAfterMs !== null && disableAfterMs > 0 && nowMs - sinceMs >= disableAfterMs;
  if (isLong && (evidence.givenUp || evidence.deliveryFailingForMs >= disableAfterMs * WITNESS_SHARE)) {
    return { health: next, effect: { kind: 'disable', reason: 'failing', sinceMs } };
  }
  return {
    health: next,
    effect: health.failingSinceMs === null ? { kind: 'failing_since', sinceMs } : { kind: 'none' },
  };
};

/**
 * What an attempt says about its endpoint. An endpoint that carries payments must not be disabled by
 * mistake, and one that is dead for good must not be tried for ever:
 *
 * - The clock starts with the first failure after a success; any success, by hand too, clears it.
 *   A failure by hand neither starts nor confirms anything: somebody is testing.
 * - 429 neither starts, ends nor confirms an outage: the receiver works. Nor does an unknown attempt, or one that
 *   never left this side: nobody has asked the receiver.
 * - Time alone does not disable. Between two rare messages nobody knows how the endpoint was, so the
 *   failure that ends the time must come from a witness: a delivery that has been failing for a
 *   tenth of the time itself (half a day of five), or that has used up its schedule. A blip a week
 *   after an outage is not evidence.
 * - A confirmed 410 disables at once ({@link decideGone}).
 *
 * @param disableAfterMs Unbroken failure that disables; null, 0 or less: never (a 410 still does).
 */
export const onAttempt = (
  health: EndpointHealth,
  evidence: HealthEvidence,
  nowMs: number,
  disableAfterMs: number | null = DEFAULT_DISABLE_AFTER_MS,
): HealthChange => {
  const unchanged: HealthChange = { health, effect: { kind: 'none' } };
  switch (evidence.outcome) {
    case 'succeeded':
      return health.failingSinceMs === null && health.goneSinceMs === null
        ? unchanged
        : { health: healthy, effect: { kind: 'recovered' } };
    case 'throttled':
    case 'unsent':
    case 'unknown':
      return unchanged;
    case 'gone':
    case 'overloaded':
    case 'failed':
      return evidence.trigger === 'manual' ? unchanged : onFailure(health, evidence, nowMs, disableAfterMs);
    default:
      return evidence.outcome satisfies never;
  }
};
