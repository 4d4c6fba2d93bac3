import type { RetryPolicy } from '../domain/policy.ts';

const isNumber = (value: unknown): value is number => typeof value === 'number' && Number.isFinite(value);

/** A retry policy as stored (jsonb: the domain's shape as it is), or null for SQL null. Throws on anything else. */
export const retryPolicyOf = (stored: unknown): RetryPolicy | null => {
  if (stored === null || stored === undefined) return null;
  const policy = stored as Record<string, unknown>;
  if (
    policy['kind'] === 'list' &&
    Array.isArray(policy['waitsSeconds']) &&
    policy['waitsSeconds'].every(isNumber)
  ) {
    return { kind: 'list', waitsSeconds: policy['waitsSeconds'] };
  }
  const { baseSeconds, factor, ceilingSeconds, retries } = policy;
  if (
    policy['kind'] === 'exponential' &&
    isNumber(baseSeconds) &&
    isNumber(factor) &&
    isNumber(ceilingSeconds) &&
    isNumber(retries)
  ) {
    return { kind: 'exponential', baseSeconds, factor, ceilingSeconds, retries };
  }
  throw new Error(`a stored retry policy has an unknown shape: ${JSON.stringify(stored)}`);
};

/** A retry policy as it is stored; null stays null. */
export const storedRetryPolicy = (policy: RetryPolicy | null): string | null =>
  policy === null ? null : JSON.stringify(policy);
