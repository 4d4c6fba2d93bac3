import { describe, expect, it } from 'vitest';
import type { AttemptResult } from '../domain/attempt.ts';
import type { RetryPolicy } from '../domain/policy.ts';
import { decide, type DecideInput, type Decision } from './decide.ts';
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

describe('success', () => {
  it.each([200, 201, 202, 204, 206, 250, 299])('is a final %d', (status) => {
    expect(deciding(answer(status))).toEqual({ verdict: { kind: 'succeeded' }, lane: none });
  });

  it('stands when the body broke after the status line, and ignores Retry-After', () => {
    const result: AttemptResult = {
      kind: 'response',
      status: 200,
      retryAfter: '60',
      bodyError: 'cut',
    };
    expect(deciding(result)).toEqual({ verdict: { kind: 'succeeded' }, lane: none });
  });
});

describe('what never left this side', () => {
  const unsent = (code: string): AttemptResult => ({ kind: 'network', code });

  it.each(['proxy_unreachable', 'proxy_refused', 'no_socket', 'not_permitted'])(
    'because of %s costs no attempt, and leaves the lane alone',
    (code) => {
      expect(deciding(unsent(code))).toEqual({ verdict: retryIn(1000, false), lane: none });
    },
  );

  it('waits twice as long each time, up to five minutes, or as long as the schedule', () => {
    const waits = [1, 2, 5, 4999, 5000].map((throttledSoFar) => {
      const { verdict } = deciding(unsent('proxy_unreachable'), { throttledSoFar });
      return verdict.kind === 'retry' && verdict.atMs - NOW;
    });
    expect(waits).toEqual([2000, 4000, 32_000, 5 * MINUTE, 1000]);
    const late = deciding(unsent('proxy_unreachable'), { attempt: 8 });
    expect(late.verdict).toEqual(retryIn(6 * HOUR, false));
  });

  it('is made again after the last attempt, too, and where there is one only', () => {
    expect(deciding(unsent('proxy_refused'), { attempt: 11 }).verdict).toMatchObject({
      countsAsAttempt: false,
    });
    expect(deciding(unsent('proxy_refused'), { policy: once }).verdict).toEqual(retryIn(1000, false));
  });

  it('counts at the end of the message’s life', () => {
    expect(deciding(unsent('proxy_refused'), { policy: once, windowEndsAtMs: NOW + 10 }).verdict).toEqual(
      dead,
    );
  });
});

describe('failure', () => {
  it.each<[string, AttemptResult]>([
    ['a status below 200', answer(101)],
    ['status 99', answer(99)],
    ['a redirect', answer(301)],
    ['a temporary redirect', answer(307)],
    ['300', answer(300)],
    ['304', answer(304)],
    ['400', answer(400)],
    ['401', answer(401)],
    ['404', answer(404)],
    ['408', answer(408)],
    ['425', answer(425)],
    ['500', answer(500)],
    ['501', answer(501)],
    ['status 999', answer(999)],
    ['a timeout', { kind: 'timeout', phase: 'headers' }],
    ['a refused address', { kind: 'refused', why: 'blocked_address' }],
    ['a name that does not resolve', { kind: 'dns', code: 'dns_not_found' }],
    ['a bad certificate', { kind: 'tls', code: 'tls_expired' }],
    ['a reset connection', { kind: 'network', code: 'connection_reset' }],
    ['a receiver that the proxy does not reach', { kind: 'network', code: 'proxy_bad_gateway' }],
    ['garbage for HTTP', { kind: 'protocol', code: 'protocol_error' }],
  ])('is %s: tried again by the schedule, lane untouched', (_what, result) => {
    expect(deciding(result)).toEqual({ verdict: retryIn(1000), lane: none });
  });

  it.each(retryPresets.default.waitsSeconds.map((wait, index) => [index + 1, wait]))(
    'of attempt %d waits %d s',
    (attempt, wait) => {
      expect(deciding(answer(500), { attempt }).verdict).toEqual(retryIn(wait * 1000));
    },
  );

  it('of the last attempt is a dead letter', () => {
    expect(deciding(answer(500), { attempt: 10 }).verdict).toEqual(dead);
    expect(deciding(answer(500), { attempt: 11 }).verdict).toEqual(dead);
    expect(deciding(answer(500), { policy: once }).verdict).toEqual(dead);
  });

  it('of the last attempt is dead although the receiver asks to come again', () => {
    expect(deciding(answer(503, '60'), { attempt: 10 })).toEqual({
      verdict: dead,
      lane: pauseFor(MINUTE, 'retry_after'),
    });
  });

  it('is jittered by up to a tenth, later only', () => {
    const at = (random: number) => deciding(answer(500), { attempt: 5, random }).verdict;
    expect(at(0)).toEqual(retryIn(300_000));
    expect(at(0.5)).toEqual(retryIn(315_000));
    expect(at(0.999_999)).toEqual(retryIn(329_999));
  });

  it('is never early by the fraction of a millisecond', () => {
    expect(deciding(answer(500), { nowMs: NOW + 0.25 }).verdict).toEqual(retryIn(1001));
  });
});

describe('Retry-After', () => {
  it.each([
    ['never shortens the schedule', 5, '10', 300_000, pauseFor(10_000, 'retry_after')],
    ['lengthens it', 1, '120', 120_000, pauseFor(2 * MINUTE, 'retry_after')],
    ['pauses the lane up to five minutes', 1, '300', 5 * MINUTE, pauseFor(300_000, 'retry_after')],
    ['above that delays its delivery only', 1, '301', 301_000, none],
    ['is capped at a day', 1, '999999', 24 * HOUR, none],
    ['may be a date', 1, new Date(NOW + 90_000).toUTCString(), 90_000, pauseFor(90_000, 'retry_after')],
    ['that is past means nothing', 1, new Date(NOW - 90_000).toUTCString(), 1000, none],
    ['that is garbage means nothing', 1, 'soon', 1000, none],
    ['of 0 means nothing', 1, '0', 1000, none],
  ] as const)('%s', (_promise, attempt, header, waitMs, lane) => {
    expect(deciding(answer(500, header), { attempt })).toEqual({ verdict: retryIn(waitMs), lane });
  });

  it('is honoured on a redirect too, which still fails', () => {
    expect(deciding(answer(302, '60')).verdict).toEqual(retryIn(MINUTE));
  });
});
