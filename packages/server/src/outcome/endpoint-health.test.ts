import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  decideGone,
  DEFAULT_DISABLE_AFTER_MS,
  GONE_STOP_MS,
  healthy,
  onAttempt,
  type EndpointHealth,
  type HealthEvidence,
} from './endpoint-health.ts';
import type { Outcome } from './outcome.ts';

const NOW = Date.UTC(2025, 9, 15, 12, 0, 0);
const DAY = 86_400_000;
const FIVE_DAYS = DEFAULT_DISABLE_AFTER_MS;

const seen = (outcome: Outcome, more: Partial<HealthEvidence> = {}): HealthEvidence => ({
  outcome,
  trigger: 'scheduled',
  deliveryFailingForMs: DAY,
  givenUp: false,
  ...more,
});
const failingFor = (ms: number): EndpointHealth => ({
  failingSinceMs: NOW - ms,
  goneSinceMs: null,
});
const none = { kind: 'none' };

describe('an outage', () => {
  it.each<Outcome>(['failed', 'overloaded'])('begins with the first failure (%s)', (outcome) => {
    expect(onAttempt(healthy, seen(outcome), NOW)).toEqual({
      health: { failingSinceMs: NOW, goneSinceMs: null },
      effect: { kind: 'failing_since', sinceMs: NOW },
    });
  });

  it('keeps its beginning through further failures, with nothing to store', () => {
    const health = failingFor(DAY);
    const change = onAttempt(health, seen('failed'), NOW);
    expect(change.health).toBe(health);
    expect(change.effect).toEqual(none);
  });

  it.each(['scheduled', 'manual'] as const)('ends with any success (%s)', (trigger) => {
    const health = { failingSinceMs: NOW - 9 * DAY, goneSinceMs: NOW - DAY };
    expect(onAttempt(health, seen('succeeded', { trigger }), NOW)).toEqual({
      health: healthy,
      effect: { kind: 'recovered' },
    });
  });

  it.each<[string, HealthEvidence]>([
    ['a success while healthy', seen('succeeded')],
    ['429', seen('throttled', { givenUp: true })],
    ['an unknown attempt', seen('unknown', { givenUp: true })],
    ['what never left this side', seen('unsent', { givenUp: true })],
    ['a failure by hand', seen('failed', { trigger: 'manual', givenUp: true })],
    ['a 410 by hand', seen('gone', { trigger: 'manual', givenUp: true })],
  ])('neither begins nor is confirmed by %s', (_what, evidence) => {
    expect(onAttempt(healthy, evidence, NOW)).toEqual({ health: healthy, effect: none });
    const long = { failingSinceMs: NOW - 9 * DAY, goneSinceMs: NOW - DAY };
    const expected = evidence.outcome === 'succeeded' ? healthy : long;
    expect(onAttempt(long, evidence, NOW).health).toEqual(expected);
    expect(onAttempt(long, evidence, NOW).effect.kind).not.toBe('disable');
  });
});

describe('an endpoint is disabled', () => {
  const disabled = (sinceMs: number) => ({ kind: 'disable', reason: 'failing', sinceMs });

  it('after five days, when a delivery that failed for half a day says so', () => {
    const evidence = seen('failed', { deliveryFailingForMs: DAY / 2 });
    const health = failingFor(FIVE_DAYS);
    expect(onAttempt(health, evidence, NOW)).toEqual({ health, effect: disabled(NOW - FIVE_DAYS) });
  });

  it('after five days, when a delivery has used up its schedule', () => {
    const evidence = seen('failed', { deliveryFailingForMs: 0, givenUp: true });
    expect(onAttempt(failingFor(FIVE_DAYS), evidence, NOW).effect).toEqual(disabled(NOW - FIVE_DAYS));
  });

  it('not a millisecond earlier', () => {
    const evidence = seen('failed', { givenUp: true });
    expect(onAttempt(failingFor(FIVE_DAYS - 1), evidence, NOW).effect).toEqual(none);
  });

  it('not by a blip a week after an outage that nobody saw the end of', () => {
    const evidence = seen('failed', { deliveryFailingForMs: 43_000 });
    expect(onAttempt(failingFor(7 * DAY), evidence, NOW).effect).toEqual(none);
  });

  it('on the scale of what is configured', () => {
    const evidence = seen('failed', { deliveryFailingForMs: 300 });
    expect(onAttempt(failingFor(3000), evidence, NOW, 3000).effect).toEqual(disabled(NOW - 3000));
  });

  it.each([null, 0, -1])('never by time where that is %j', (disableAfterMs) => {
    const evidence = seen('failed', { givenUp: true });
    expect(onAttempt(failingFor(99 * DAY), evidence, NOW, disableAfterMs).effect).toEqual(none);
  });

  it('not when the clock has jumped back', () => {
    expect(onAttempt(failingFor(-9 * DAY), seen('failed'), NOW).effect).toEqual(none);
  });
});

describe('410', () => {
  it('begins an outage and is remembered', () => {
    expect(onAttempt(healthy, seen('gone'), NOW)).toEqual({
      health: { failingSinceMs: NOW, goneSinceMs: NOW },
      effect: { kind: 'failing_since', sinceMs: NOW },
    });
    expect(onAttempt(failingFor(DAY), seen('gone'), NOW)).toEqual({
      health: { failingSinceMs: NOW - DAY, goneSinceMs: NOW },
      effect: none,
    });
  });

  it.each([
    ['the first', null, { kind: 'stop_lane', untilMs: NOW + GONE_STOP_MS }],
    ['one in flight beside it', NOW, { kind: 'stop_lane', untilMs: NOW + GONE_STOP_MS }],
    ['one within the stop', NOW - GONE_STOP_MS + 1, { kind: 'stop_lane', untilMs: NOW + 1 }],
    ['one after the stop', NOW - GONE_STOP_MS, { kind: 'disable' }],
    ['one much later', NOW - 30 * DAY, { kind: 'disable' }],
    ['one before a jump back', NOW + DAY, { kind: 'stop_lane', untilMs: NOW + GONE_STOP_MS }],
  ])('%s', (_what, firstGoneAtMs, expected) => {
    expect(decideGone(firstGoneAtMs, NOW)).toEqual(expected);
  });

  it('confirmed after the stop disables, whatever the time of failure is set to', () => {
    const health = { failingSinceMs: NOW - DAY, goneSinceMs: NOW - GONE_STOP_MS };
    expect(onAttempt(health, seen('gone'), NOW, null).effect).toEqual({
      kind: 'disable',
      reason: 'gone',
      sinceMs: NOW - DAY,
    });
  });

  it('forgotten after a success', () => {
    const stopped = onAttempt(healthy, seen('gone'), NOW).health;
    const well = onAttempt(stopped, seen('succeeded'), NOW + GONE_STOP_MS).health;
    expect(onAttempt(well, seen('gone'), NOW + DAY).effect.kind).toBe('failing_since');
  });
});

describe('any history', () => {
  const steps = fc.record({
    outcome: fc.constantFrom<Outcome>(
      'succeeded',
      'gone',
      'throttled',
      'overloaded',
      'failed',
      'unsent',
      'unknown',
    ),
    trigger: fc.constantFrom('scheduled', 'manual'),
    deliveryFailingForMs: fc.nat({ max: DAY }),
    givenUp: fc.boolean(),
    afterMs: fc.nat({ max: 2 * DAY }),
  });

  it('disables only after an unbroken failure of the configured time or two 410 apart', () => {
    fc.assert(
      fc.property(fc.array(steps, { maxLength: 60 }), (history) => {
        let health = healthy;
        let nowMs = NOW;
        let sinceSuccess: { readonly atMs: number; readonly outcome: Outcome }[] = [];
        for (const { afterMs, ...evidence } of history) {
          nowMs += afterMs;
          const change = onAttempt(health, evidence, nowMs);
          const isFailure = ['gone', 'overloaded', 'failed'].includes(evidence.outcome);
          if (evidence.outcome === 'succeeded') sinceSuccess = [];
          if (isFailure && evidence.trigger === 'scheduled') {
            sinceSuccess.push({ atMs: nowMs, outcome: evidence.outcome });
          }
          const first = sinceSuccess[0]?.atMs ?? null;
          const firstGone = sinceSuccess.find(({ outcome }) => outcome === 'gone')?.atMs ?? null;
          expect(change.health).toEqual({ failingSinceMs: first, goneSinceMs: firstGone });
          if (change.effect.kind === 'disable') {
            const since = change.effect.reason === 'gone' ? firstGone : first;
            const least = change.effect.reason === 'gone' ? GONE_STOP_MS : FIVE_DAYS;
            expect(nowMs - since!).toBeGreaterThanOrEqual(least);
          }
          health = change.health;
        }
      }),
    );
  });
});
