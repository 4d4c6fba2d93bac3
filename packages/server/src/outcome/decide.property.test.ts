import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { AttemptResult } from '../domain/attempt.ts';
import type { RetryPolicy } from '../domain/policy.ts';
import { countersAfter, type Counters } from './counters.ts';
import { decide, FREE_THROTTLES, FREE_UNKNOWNS, FREE_UNSENT } from './decide.ts';
import { RETRY_AFTER_CAP_MS } from './retry-after.ts';
import { attemptsOf, waitSeconds } from './retry-policy.ts';

const seconds = fc.integer({ min: 0, max: 604_800_000 }).map((ms) => ms / 1000);

const policies: fc.Arbitrary<RetryPolicy> = fc.oneof(
  fc.array(seconds, { maxLength: 20 }).map((waitsSeconds): RetryPolicy => ({ kind: 'list', waitsSeconds })),
  fc
    .record({
      baseSeconds: fc.integer({ min: 1, max: 100_000 }).map((ms) => ms / 1000),
      factor: fc.double({ min: 1, max: 100, noNaN: true }),
      ceilingSeconds: seconds,
      retries: fc.integer({ min: 0, max: 20 }),
    })
    .map((fields): RetryPolicy => ({ kind: 'exponential', ...fields })),
);

const codes = fc.oneof(fc.string({ minLength: 1 }), fc.constantFrom('proxy_unreachable', 'no_socket'));
const results: fc.Arbitrary<AttemptResult> = fc.oneof(
  fc.record({
    kind: fc.constant('response' as const),
    status: fc.oneof(fc.integer({ min: 0, max: 999 }), fc.constantFrom(200, 307, 410, 429, 502, 503, 504)),
    retryAfter: fc.option(fc.oneof(fc.string(), fc.nat({ max: 200_000 }).map(String))),
    bodyError: fc.option(codes),
  }),
  fc.record({
    kind: fc.constant('timeout' as const),
    phase: fc.constantFrom('dns', 'connect', 'tls', 'headers', 'body'),
  }),
  fc.record({
    kind: fc.constant('refused' as const),
    why: fc.constantFrom('blocked_address', 'blocked_port', 'bad_url', 'https_only'),
  }),
  fc.record({ kind: fc.constantFrom('dns', 'tls', 'network', 'protocol'), code: codes }),
  fc.constant({ kind: 'unknown' as const }),
);

const NOW_MAX = 4e12;
const inputs = fc.record({
  result: results,
  attempt: fc.integer({ min: 1, max: 25 }),
  policy: policies,
  nowMs: fc.double({ min: 0, max: NOW_MAX, noNaN: true }),
  random: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
  windowEndsAtMs: fc.option(fc.double({ min: 0, max: NOW_MAX * 2, noNaN: true })),
  throttledSoFar: fc.nat({ max: 60 }),
  unknownsSoFar: fc.nat({ max: 4 }),
});

const isSuccess = (result: AttemptResult): boolean =>
  result.kind === 'response' && result.status >= 200 && result.status <= 299;

describe('decide', () => {
  it('succeeds exactly for 2xx and is a function of its input alone', () => {
    fc.assert(
      fc.property(inputs, (input) => {
        const decision = decide(input);
        expect(decision.verdict.kind === 'succeeded').toBe(isSuccess(input.result));
        expect(decide(structuredClone(input))).toEqual(decision);
      }),
    );
  });

  it('never comes earlier than the schedule, nor more than a tenth later than asked', () => {
    fc.assert(
      fc.property(inputs, (input) => {
        const { verdict } = decide(input);
        fc.pre(verdict.kind === 'retry' && input.result.kind !== 'unknown');
        if (verdict.kind !== 'retry') return;
        const baseMs = (waitSeconds(input.policy, input.attempt) ?? 0) * 1000;
        const latestMs = Math.max(baseMs, RETRY_AFTER_CAP_MS) * 1.1;
        // A grain of float dust at 4e12 is below a hundredth of a millisecond.
        expect(verdict.atMs - input.nowMs).toBeGreaterThanOrEqual(baseMs - 0.01);
        expect(verdict.atMs - input.nowMs).toBeLessThanOrEqual(latestMs + 2);
        expect(Number.isInteger(verdict.atMs)).toBe(true);
      }),
    );
  });

  it('gives up only where the policy has no further attempt', () => {
    fc.assert(
      fc.property(inputs, (input) => {
        const isLast = input.attempt >= attemptsOf(input.policy);
        const { verdict } = decide(input);
        const usesRetry = verdict.kind === 'retry' && verdict.countsAsAttempt;
        expect(verdict.kind === 'dead' && !isLast).toBe(false);
        expect(usesRetry && isLast).toBe(false);
      }),
    );
  });

  it('jitters monotonously: a larger draw never comes earlier', () => {
    const draws = fc.tuple(inputs, fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }));
    fc.assert(
      fc.property(draws, ([input, other]) => {
        const [low, high] = [input.random, other].toSorted((a, b) => a - b);
        // The window's end may turn a free 429 into one that counts; that is another promise.
        const at = (random: number): number => {
          const { verdict } = decide({ ...input, random, windowEndsAtMs: null });
          return verdict.kind === 'retry' ? verdict.atMs : 0;
        };
        expect(at(low!)).toBeLessThanOrEqual(at(high!));
      }),
    );
  });

  it('pauses a lane into the future, by at most five minutes', () => {
    fc.assert(
      fc.property(inputs, (input) => {
        const { lane } = decide(input);
        fc.pre(lane.kind === 'pause');
        if (lane.kind !== 'pause') return;
        expect(lane.untilMs).toBeGreaterThan(input.nowMs);
        expect(lane.untilMs - input.nowMs).toBeLessThanOrEqual(300_001);
      }),
    );
  });

  it('ends every run: counted attempts by the policy, all tries by a bound', () => {
    const scripts = fc.array(results, { minLength: 1, maxLength: 12 });
    fc.assert(
      fc.property(scripts, policies, (script, policy) => {
        const atMost = (attemptsOf(policy) + FREE_THROTTLES + FREE_UNSENT) * (FREE_UNKNOWNS + 1);
        let counters: Counters = { attemptsUsed: 0, throttled: 0, unknowns: 0 };
        let tries = 0;
        for (let nowMs = 0, isOpen = true; isOpen; tries++) {
          const result = script[tries % script.length]!;
          const { verdict } = decide({
            result,
            attempt: counters.attemptsUsed + 1,
            policy,
            nowMs,
            random: 0,
            throttledSoFar: counters.throttled,
            unknownsSoFar: counters.unknowns,
          });
          counters = countersAfter(counters, result, verdict);
          expect(tries).toBeLessThan(atMost);
          expect(counters.attemptsUsed).toBeLessThanOrEqual(attemptsOf(policy));
          isOpen = verdict.kind === 'retry';
          if (verdict.kind === 'retry') nowMs = verdict.atMs;
          if (verdict.kind === 'dead') expect(counters.attemptsUsed).toBe(attemptsOf(policy));
        }
      }),
    );
  });
});
