import type { RetryPolicy } from '../domain/policy.ts';

/**
 * Schedules by name. `default`: 10 attempts over 24 hours, quick at first because most failures are
 * short. `standard-webhooks`: 10 attempts over 75 h 35 min, as that specification advises. `svix`:
 * 8 attempts over 27 h 35 min, what its users are used to.
 */
export const retryPresets = {
  default: {
    kind: 'list',
    waitsSeconds: [1, 5, 12, 25, 300, 1800, 7200, 21_600, 54_000],
  },
  'standard-webhooks': {
    kind: 'list',
    waitsSeconds: [5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400],
  },
  svix: {
    kind: 'list',
    waitsSeconds: [5, 300, 1800, 7200, 18_000, 36_000, 36_000],
  },
} as const satisfies Record<string, RetryPolicy>;

/** Seconds are kept to the millisecond; `+ 0` turns -0 into 0. */
export const toMillisecondGrid = (seconds: number): number => Math.round(seconds * 1000) / 1000 + 0;

/** How many attempts a policy allows, the first included: at least 1. */
export const attemptsOf = (policy: RetryPolicy): number => {
  switch (policy.kind) {
    case 'list':
      return policy.waitsSeconds.length + 1;
    case 'exponential':
      return policy.retries + 1;
    default:
      return policy satisfies never;
  }
};

/**
 * The wait after a failed attempt, in seconds to the millisecond, jitter not included.
 *
 * @param attemptNumber The attempt that failed, counted from 1.
 * @returns null when it was the last one (or is no attempt of this policy).
 */
export const waitSeconds = (policy: RetryPolicy, attemptNumber: number): number | null => {
  if (attemptNumber < 1 || attemptNumber >= attemptsOf(policy)) return null;
  switch (policy.kind) {
    case 'list':
      return policy.waitsSeconds[attemptNumber - 1] ?? null;
    case 'exponential':
      return toMillisecondGrid(
        Math.min(policy.ceilingSeconds, policy.baseSeconds * policy.factor ** (attemptNumber - 1)),
      );
    default:
      return policy satisfies never;
  }
};

/** All waits of a policy in their order, in seconds. */
export const retryWaits = (policy: RetryPolicy): readonly number[] =>
  Array.from({ length: attemptsOf(policy) - 1 }, (_, index) => waitSeconds(policy, index + 1) ?? 0);

/** Seconds from the first attempt to the given one by the schedule alone, 0 for the first. */
export const elapsedSeconds = (policy: RetryPolicy, attemptNumber: number): number => {
  let elapsed = 0;
  for (let attempt = 1; attempt < attemptNumber; attempt++) {
    const wait = waitSeconds(policy, attempt);
    if (wait === null) break;
    elapsed += wait;
  }
  return toMillisecondGrid(elapsed);
};

/** Seconds from the first to the last attempt by the schedule alone: the sum of the waits. */
export const retryWindowSeconds = (policy: RetryPolicy): number => elapsedSeconds(policy, attemptsOf(policy));
