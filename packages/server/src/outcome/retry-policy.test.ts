import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { RetryPolicy } from '../domain/policy.ts';
import { attemptsOf, elapsedSeconds, retryPresets, retryWindowSeconds, waitSeconds } from './retry-policy.ts';

const HOUR = 3600;

const doubling: RetryPolicy = {
  kind: 'exponential',
  baseSeconds: 0.5,
  factor: 2,
  ceilingSeconds: 3,
  retries: 5,
};

const waitsOf = (policy: RetryPolicy): (number | null)[] =>
  Array.from({ length: attemptsOf(policy) }, (_, index) => waitSeconds(policy, index + 1));

describe('presets', () => {
  it.each([
    ['default', 10, 24 * HOUR],
    ['standard-webhooks', 10, 75 * HOUR + 35 * 60],
    ['svix', 8, 27 * HOUR + 35 * 60],
  ] as const)('%s makes %d attempts over about %d s', (name, attempts, windowSeconds) => {
    const policy = retryPresets[name];
    expect(attemptsOf(policy)).toBe(attempts);
    // Within half an hour and never above what ten per cent of jitter explains.
    expect(Math.abs(retryWindowSeconds(policy) - windowSeconds)).toBeLessThan(HOUR / 2);
    expect(retryWindowSeconds(policy) * 1.1).toBeGreaterThan(windowSeconds);
  });

  it('wait longer each time', () => {
    for (const { waitsSeconds } of Object.values(retryPresets)) {
      expect([...waitsSeconds]).toEqual([...waitsSeconds].toSorted((a, b) => a - b));
    }
  });

  it('default waits exactly as documented', () => {
    expect(waitsOf(retryPresets.default)).toEqual([1, 5, 12, 25, 300, 1800, 7200, 21_600, 54_000, null]);
  });

  it('standard-webhooks waits exactly as advised', () => {
    expect(retryWindowSeconds(retryPresets['standard-webhooks'])).toBe(75 * HOUR + 35 * 60 + 5);
  });
});

describe('a policy', () => {
  it('without waits makes one attempt', () => {
    const policy: RetryPolicy = { kind: 'list', waitsSeconds: [] };
    expect(attemptsOf(policy)).toBe(1);
    expect(waitSeconds(policy, 1)).toBeNull();
    expect(retryWindowSeconds(policy)).toBe(0);
  });

  it('that is exponential grows to its ceiling', () => {
    expect(waitsOf(doubling)).toEqual([0.5, 1, 2, 3, 3, null]);
    expect(retryWindowSeconds(doubling)).toBe(9.5);
  });

  it('that is exponential survives factors beyond what a number can hold', () => {
    const steep: RetryPolicy = { ...doubling, factor: 100, retries: 100_000 };
    expect(waitSeconds(steep, 100_000)).toBe(3);
  });

  it.each([0, -1, 7, 100])('has no attempt %d', (attempt) => {
    expect(waitSeconds(doubling, attempt)).toBeNull();
  });

  it('says how long a delivery has been failing at each attempt', () => {
    expect([1, 2, 3, 6, 99].map((attempt) => elapsedSeconds(doubling, attempt))).toEqual([
      0, 0.5, 1.5, 9.5, 9.5,
    ]);
  });

  it('has a wait after each attempt but the last, and no float dust in their sum', () => {
    const waits = fc.array(fc.integer({ min: 0, max: 604_800_000 }), { maxLength: 100 });
    fc.assert(
      fc.property(waits, (waitsMs) => {
        const policy: RetryPolicy = { kind: 'list', waitsSeconds: waitsMs.map((ms) => ms / 1000) };
        expect(waitsOf(policy)).toEqual([...waitsMs.map((ms) => ms / 1000), null]);
        const sumMs = waitsMs.reduce((sum, ms) => sum + ms, 0);
        expect(retryWindowSeconds(policy)).toBe(sumMs / 1000);
      }),
    );
  });
});
