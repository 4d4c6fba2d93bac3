import { describe, expect, it } from 'vitest';
import type { AttemptResult, Verdict } from '../domain/attempt.ts';
import { countersAfter } from './counters.ts';

const answer = (status: number): AttemptResult => ({
  kind: 'response',
  status,
  retryAfter: null,
  bodyError: null,
});
const counted: Verdict = { kind: 'retry', atMs: 0, countsAsAttempt: true };
const free: Verdict = { kind: 'retry', atMs: 0, countsAsAttempt: false };
const before = { attemptsUsed: 3, throttled: 2, unknowns: 1 };

describe('countersAfter', () => {
  it.each<[string, AttemptResult, Verdict, readonly [number, number, number]]>([
    ['a failure', answer(500), counted, [4, 2, 0]],
    ['a success', answer(200), { kind: 'succeeded' }, [4, 2, 0]],
    ['the last failure', answer(500), { kind: 'dead', reason: 'exhausted' }, [4, 2, 0]],
    ['a free 429', answer(429), free, [3, 3, 0]],
    ['a 429 that counts', answer(429), counted, [4, 2, 0]],
    ['what never left', { kind: 'network', code: 'proxy_unreachable' }, free, [3, 3, 0]],
    ['a free unknown', { kind: 'unknown' }, free, [3, 2, 2]],
    ['an unknown that counts', { kind: 'unknown' }, counted, [4, 2, 2]],
  ])('after %s', (_what, result, verdict, [attemptsUsed, throttled, unknowns]) => {
    expect(countersAfter(before, result, verdict)).toEqual({ attemptsUsed, throttled, unknowns });
  });
});
