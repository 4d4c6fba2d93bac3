import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createRateLimiter } from './rate-limiter.ts';

/** Unix milliseconds are what large times look like. */
const LATE_MS = 1_800_000_000_000;

describe('a limit', () => {
  it('allows a second’s worth at once and then says when to come back', () => {
    const limiter = createRateLimiter();
    const takes = Array.from({ length: 4 }, () => limiter.take('a', 3, LATE_MS));
    expect(takes.map(({ isAllowed, remaining }) => [isAllowed, remaining])).toEqual([
      [true, 2],
      [true, 1],
      [true, 0],
      [false, 0],
    ]);
    expect(takes[3]!.retryMs).toBeCloseTo(1000 / 3, 1);
    expect(takes[3]!.resetMs).toBeCloseTo(1000, 1);
    expect(limiter.take('b', 3, LATE_MS).isAllowed).toBe(true);
    expect(limiter.take('a', 3, LATE_MS + 334).isAllowed).toBe(true);
    expect(limiter.take('a', 3, LATE_MS + 334).isAllowed).toBe(false);
  });

  it('below one a second allows one, and the next when it has come back', () => {
    const limiter = createRateLimiter();
    expect(limiter.take('a', 0.25, 0)).toMatchObject({ isAllowed: true, remaining: 0, resetMs: 4000 });
    expect(limiter.take('a', 0.25, 3999)).toMatchObject({ isAllowed: false });
    expect(limiter.take('a', 0.25, 4000)).toMatchObject({ isAllowed: true });
  });

  it('refuses until what is owed has been made up for', () => {
    const limiter = createRateLimiter();
    limiter.owe('a', 50, 10, 0);
    expect(limiter.take('a', 10, 4_000)).toMatchObject({ isAllowed: false, remaining: 0 });
    expect(limiter.take('a', 10, 4_000).retryMs).toBeCloseTo(100, 1);
    expect(limiter.take('a', 10, 4_100).isAllowed).toBe(true);
  });

  it('remembers a bounded number of callers, those that were heard of last', () => {
    const limiter = createRateLimiter(3);
    for (const caller of ['a', 'b', 'a', 'c', 'd']) limiter.owe(caller, 1, 1, 0);
    expect(limiter.size()).toBe(3);
    const allowed = ['a', 'c', 'd'].map((caller) => limiter.take(caller, 1, 0).isAllowed);
    expect(allowed).toEqual([false, false, false]);
    expect(limiter.take('b', 1, 0).isAllowed).toBe(true);
  });

  it('is kept in any stretch of time, and what it says comes true', () => {
    fc.assert(
      fc.property(
        fc.double({ min: 0.2, max: 50, noNaN: true }),
        fc.array(fc.integer({ min: 0, max: 700 }), { minLength: 1, maxLength: 120 }),
        (perSecond, gaps) => {
          const limiter = createRateLimiter();
          const allowed: number[] = [];
          let nowMs = LATE_MS;
          for (const gap of gaps) {
            nowMs += gap;
            const { isAllowed, retryMs } = limiter.take('a', perSecond, nowMs);
            if (isAllowed) allowed.push(nowMs);
            else expect(retryMs).toBeGreaterThan(0);
          }
          for (let from = 0; from < allowed.length; from++) {
            for (let to = from; to < allowed.length; to++) {
              const seconds = (allowed[to]! - allowed[from]!) / 1000;
              const most = Math.max(1, perSecond) + perSecond * seconds;
              expect(to - from + 1).toBeLessThanOrEqual(most + 0.01);
            }
          }
          const { retryMs } = limiter.take('a', perSecond, nowMs);
          expect(limiter.take('a', perSecond, nowMs + retryMs + 1000 / perSecond + 1).isAllowed).toBe(true);
        },
      ),
    );
  });
});
