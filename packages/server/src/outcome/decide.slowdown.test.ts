import { describe, expect, it } from 'vitest';
import type { AttemptResult } from '../domain/attempt.ts';
import type { RetryPolicy } from '../domain/policy.ts';
import { decide, FREE_THROTTLES, type DecideInput, type Decision } from './decide.ts';
import { retryPresets } from './retry-policy.ts';

const NOW = Date.UTC(2025, 9, 15, 12, 0, 0);
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const once: RetryPolicy = { kind: 'list', waitsSeconds: [] };

const answer = (status: number, retryAfter: string | null = null): AttemptResult => ({
  kind: 'response',
  status,
  retryAfter,
  bodyError: null,
});
const unknown: AttemptResult = { kind: 'unknown' };

const deciding = (result: AttemptResult, more: Partial<DecideInput> = {}): Decision =>
  decide({
    result,
    attempt: 1,
    policy: retryPresets.default,
    nowMs: NOW,
    random: 0,
    throttledSoFar: 0,
    unknownsSoFar: 0,
    ...more,
  });

const retryIn = (waitMs: number, countsAsAttempt = true) => ({
  kind: 'retry',
  atMs: NOW + waitMs,
  countsAsAttempt,
});
const pauseFor = (waitMs: number, reason: 'retry_after' | 'throttled') => ({
  kind: 'pause',
  untilMs: NOW + waitMs,
  reason,
});
const dead = { kind: 'dead', reason: 'exhausted' };
const none = { kind: 'none' };

describe('429', () => {
  it('costs time, no attempt, and pauses the lane', () => {
    expect(deciding(answer(429))).toEqual({
      verdict: retryIn(1000, false),
      lane: pauseFor(1000, 'throttled'),
    });
  });

  it.each([
    [0, 1000, 1000],
    [1, 2000, 2000],
    [4, 16_000, 10_000],
    [8, 256_000, 10_000],
    [9, 300_000, 10_000],
    [49, 300_000, 10_000],
  ])('after %d others waits %d ms and pauses the lane %d ms', (throttledSoFar, waitMs, pauseMs) => {
    expect(deciding(answer(429), { throttledSoFar })).toEqual({
      verdict: retryIn(waitMs, false),
      lane: pauseFor(pauseMs, 'throttled'),
    });
  });

  it('waits no shorter than the schedule', () => {
    expect(deciding(answer(429, '1'), { attempt: 7 }).verdict).toEqual(retryIn(2 * HOUR, false));
  });

  it('waits as long as it says', () => {
    expect(deciding(answer(429, '60'))).toEqual({
      verdict: retryIn(MINUTE, false),
      lane: pauseFor(MINUTE, 'retry_after'),
    });
    expect(deciding(answer(429, '3600'))).toEqual({
      verdict: retryIn(HOUR, false),
      lane: pauseFor(1000, 'throttled'),
    });
  });

  it('does not end a delivery on its last attempt', () => {
    expect(deciding(answer(429), { attempt: 10 }).verdict).toEqual(retryIn(5 * MINUTE, false));
  });

  it('counts once the free ones are used up', () => {
    const throttledSoFar = FREE_THROTTLES;
    expect(deciding(answer(429), { throttledSoFar }).verdict).toEqual(retryIn(1000));
    expect(deciding(answer(429), { throttledSoFar, attempt: 10 }).verdict).toEqual(dead);
  });

  it('counts where the next try would come after the window', () => {
    const ending = (windowEndsAtMs: number) => deciding(answer(429), { windowEndsAtMs }).verdict;
    expect(ending(NOW + 1000)).toEqual(retryIn(1000, false));
    expect(ending(NOW + 999)).toEqual(retryIn(1000, true));
  });

  it('is no exception from a policy of one attempt', () => {
    expect(deciding(answer(429), { policy: once }).verdict).toEqual(dead);
  });

  it('does not hammer where the schedule waits for nothing', () => {
    const policy: RetryPolicy = { kind: 'list', waitsSeconds: [0, 0] };
    expect(deciding(answer(429), { policy })).toEqual({
      verdict: retryIn(100, false),
      lane: pauseFor(100, 'throttled'),
    });
  });
});

describe('502, 503, 504', () => {
  it.each([502, 503, 504])('%d counts and pauses the lane for a moment', (status) => {
    const lane = pauseFor(1000, 'throttled');
    expect(deciding(answer(status))).toEqual({ verdict: retryIn(1000), lane });
    expect(deciding(answer(status), { attempt: 9 }).lane).toEqual(lane);
    expect(deciding(answer(status), { attempt: 10 })).toEqual({ verdict: dead, lane });
  });

  it.each([
    ['a quick schedule briefly', [0.05, 0.1], 50],
    ['one attempt by a second', [], 1000],
  ])('pause the lane of %s', (_what, waitsSeconds, pauseMs) => {
    const policy: RetryPolicy = { kind: 'list', waitsSeconds };
    expect(deciding(answer(503), { policy }).lane).toEqual(pauseFor(pauseMs, 'throttled'));
  });

  it('pause nothing where the schedule waits for nothing', () => {
    const policy: RetryPolicy = { kind: 'list', waitsSeconds: [0] };
    expect(deciding(answer(503), { policy }).lane).toEqual(none);
  });
});

describe('410', () => {
  it('stops the lane; its delivery stays on the schedule', () => {
    const lane = { kind: 'gone' };
    expect(deciding(answer(410, '60'))).toEqual({ verdict: retryIn(MINUTE), lane });
    expect(deciding(answer(410), { attempt: 10 })).toEqual({ verdict: dead, lane });
  });
});

describe('an unknown attempt', () => {
  it('is made again at once for nothing, twice in a row', () => {
    const free = { verdict: retryIn(0, false), lane: none };
    expect(deciding(unknown)).toEqual(free);
    expect(deciding(unknown, { unknownsSoFar: 1 })).toEqual(free);
  });

  it('counts from the third in a row on', () => {
    expect(deciding(unknown, { unknownsSoFar: 2 }).verdict).toEqual(retryIn(1000));
    expect(deciding(unknown, { unknownsSoFar: 3, attempt: 2 }).verdict).toEqual(retryIn(5000));
    expect(deciding(unknown, { unknownsSoFar: 2, attempt: 10 }).verdict).toEqual(dead);
  });

  it('does not end a delivery, not even one with a single attempt', () => {
    expect(deciding(unknown, { attempt: 10 }).verdict).toEqual(retryIn(0, false));
    expect(deciding(unknown, { policy: once }).verdict).toEqual(retryIn(0, false));
  });
});
