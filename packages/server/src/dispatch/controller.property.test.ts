import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Outcome } from '../outcome/outcome.ts';
import { LONGEST_OPEN_MS } from './breaker.ts';
import { concurrencyOf, createController, onEnd, onStart, type Strain } from './controller.ts';
import { paceOpensAtMs } from './pace.ts';

type Answer = { readonly afterMs: number; readonly outcome: Outcome; readonly strain?: Strain };
type Receiver = (nowMs: number, inFlight: number) => Answer;
type Arrival = { readonly atMs: number; readonly outcome: Outcome; readonly inFlight: number };

const CEILING = 50;

/** A lane with endless work in front of a receiver, millisecond by millisecond. */
const drive = (receiver: Receiver, forMs: number, ceiling = CEILING): Arrival[] => {
  const controller = createController();
  const arrivals: Arrival[] = [];
  let inFlight: (Omit<Answer, 'afterMs'> & { endMs: number; startedAtMs: number; id: number })[] = [];
  let blockedUntilMs = 0;
  let ids = 0;
  for (let nowMs = 0; nowMs < forMs; nowMs++) {
    const ended = inFlight.filter(({ endMs }) => endMs <= nowMs);
    inFlight = inFlight.filter(({ endMs }) => endMs > nowMs);
    let left = inFlight.length + ended.length;
    for (const { outcome, strain, startedAtMs, id } of ended) {
      const wasFull = left-- >= Math.min(ceiling, concurrencyOf(controller));
      const end = {
        outcome,
        strain:
          strain ??
          (outcome === 'overloaded' || (outcome === 'failed' && nowMs - startedAtMs >= 1_000)
            ? 'too_much'
            : 'none'),
        messageId: String(id),
        startedAtMs,
        wasFull,
        isTold: false,
      };
      const wait = onEnd(controller, end, nowMs, ceiling);
      if (wait !== null) blockedUntilMs = Math.max(blockedUntilMs, nowMs + wait.ms);
    }
    const most = (): number => Math.min(ceiling, concurrencyOf(controller));
    while (nowMs >= blockedUntilMs && inFlight.length < most() && paceOpensAtMs(controller.pace) <= nowMs) {
      onStart(controller, nowMs);
      const { afterMs, ...answer } = receiver(nowMs, inFlight.length + 1);
      const endMs = nowMs + Math.max(1, Math.round(afterMs));
      inFlight.push({ endMs, startedAtMs: nowMs, id: ++ids, ...answer });
      arrivals.push({ atMs: nowMs, outcome: answer.outcome, inFlight: inFlight.length });
    }
  }
  return arrivals;
};

const rate = (arrivals: readonly Arrival[], fromMs: number, toMs: number): number =>
  (arrivals.filter(({ atMs }) => atMs >= fromMs && atMs < toMs).length * 1000) / (toMs - fromMs);

/** Takes so many in a second, by one of the ways in which receivers count, and says 429 beyond. */
const limited = (perSecond: number, kind: 'fixed' | 'sliding' | 'bucket', latencyMs = 5): Receiver => {
  let taken: number[] = [];
  let tokens = perSecond;
  let lastMs = 0;
  return (nowMs) => {
    let isFree: boolean;
    if (kind === 'bucket') {
      tokens = Math.min(perSecond, tokens + ((nowMs - lastMs) * perSecond) / 1000);
      lastMs = nowMs;
      isFree = tokens >= 1;
      if (isFree) tokens--;
    } else {
      const fromMs = kind === 'fixed' ? Math.floor(nowMs / 1000) * 1000 : nowMs - 999;
      taken = taken.filter((atMs) => atMs >= fromMs);
      isFree = taken.length < perSecond;
      if (isFree) taken.push(nowMs);
    }
    return { afterMs: latencyMs, outcome: isFree ? 'succeeded' : 'throttled' };
  };
};

/** Works on so many at once; the others wait in its queue. */
const workers = (count: number, serviceMs: number): Receiver => {
  const freeAtMs = Array.from({ length: count }, () => 0);
  return (nowMs) => {
    freeAtMs.sort((a, b) => a - b);
    const endMs = Math.max(nowMs, freeAtMs[0]!) + serviceMs;
    freeAtMs[0] = endMs;
    return { afterMs: endMs - nowMs, outcome: 'succeeded' };
  };
};

describe('the controller', () => {
  it.each([
    ['fixed', 100],
    ['sliding', 100],
    ['bucket', 100],
    ['fixed', 20],
    ['bucket', 500],
  ] as const)(
    'drives a receiver with a %s limit of %d a second at 0.9 to 1.05 of it within 30 s',
    (kind, limit) => {
      const arrivals = drive(limited(limit, kind), 90_000);
      for (let fromMs = 30_000; fromMs < 90_000; fromMs += 10_000) {
        const found = rate(arrivals, fromMs, fromMs + 10_000) / limit;
        expect([fromMs, found]).toEqual([fromMs, expect.any(Number)]);
        expect(found).toBeGreaterThanOrEqual(0.9);
        expect(found).toBeLessThanOrEqual(1.05);
      }
    },
  );

  it('finds a limit that rises, and one that falls', () => {
    const before = limited(100, 'fixed');
    const after = limited(300, 'fixed');
    const up = drive((now, n) => (now < 30_000 ? before(now, n) : after(now, n)), 120_000);
    expect(rate(up, 90_000, 120_000)).toBeGreaterThan(250);
    const down = drive((now, n) => (now < 30_000 ? after(now, n) : before(now, n)), 90_000);
    expect(rate(down, 60_000, 90_000)).toBeLessThan(107);
    expect(rate(down, 60_000, 90_000)).toBeGreaterThan(88);
  });

  it.each([
    [5, 100],
    [2, 250],
    [12, 50],
    [1, 40],
  ])('drives a receiver that works on %d at once at its knee', (count, serviceMs) => {
    const arrivals = drive(workers(count, serviceMs), 90_000);
    const late = arrivals.filter(({ atMs }) => atMs > 40_000);
    const mean = late.reduce((sum, { inFlight }) => sum + inFlight, 0) / late.length;
    expect(mean).toBeLessThanOrEqual(count * 1.5 + 1);
    expect(rate(arrivals, 30_000, 90_000)).toBeGreaterThanOrEqual(((count * 1000) / serviceMs) * 0.9);
  });

  it('gives a receiver that never slows down all that the settings allow', () => {
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 200 }), fc.integer(), (meanMs, seed) => {
        let state = seed;
        const chance = (): number => {
          state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fffffff;
          return state / 0x7fffffff;
        };
        const arrivals = drive(() => ({ afterMs: meanMs * (0.5 + chance()), outcome: 'succeeded' }), 40_000);
        const late = arrivals.filter(({ atMs }) => atMs > 20_000);
        const mean = late.reduce((sum, { inFlight }) => sum + inFlight, 0) / late.length;
        expect(mean).toBeGreaterThan(CEILING * 0.7);
      }),
      { numRuns: 15 },
    );
  });

  it('spares a receiver that only fails, and comes back at a ramp', () => {
    const arrivals = drive(
      (now) => ({ afterMs: 20, outcome: now < 300_000 ? 'failed' : 'succeeded' }),
      400_000,
    );
    const during = arrivals.filter(({ atMs }) => atMs < 300_000);
    expect(during.length).toBeLessThan(40);
    const first = arrivals.findIndex(({ outcome }) => outcome === 'succeeded');
    expect(arrivals[first]!.atMs).toBeLessThan(300_000 + LONGEST_OPEN_MS + 1_000);
    const back = arrivals.slice(first);
    for (const { atMs, inFlight } of back.slice(0, 40))
      expect(inFlight).toBeLessThanOrEqual(2 ** Math.floor((atMs - back[0]!.atMs) / 20));
    expect(back.some(({ inFlight }) => inFlight === CEILING)).toBe(true);
  });

  it('bears some failures among the answers without giving up on the receiver', () => {
    let n = 0;
    const arrivals = drive(
      () => ({
        afterMs: 10,
        outcome: ++n % 7 === 0 ? 'failed' : 'succeeded',
        strain: n % 7 === 0 ? 'broken' : 'none',
      }),
      30_000,
    );
    expect(rate(arrivals, 10_000, 30_000)).toBeGreaterThan(CEILING * 70);
  });

  it('lowers what is in flight when half of the answers become 500s, without a breaker', () => {
    let n = 0;
    const arrivals = drive(
      (nowMs) =>
        nowMs > 20_000 && ++n % 2 === 0
          ? { afterMs: 20, outcome: 'failed', strain: 'broken' }
          : { afterMs: 20, outcome: 'succeeded' },
      22_000,
    );
    const most = (fromMs: number, toMs: number): number =>
      Math.max(
        ...arrivals.filter(({ atMs }) => atMs >= fromMs && atMs < toMs).map(({ inFlight }) => inFlight),
      );
    expect(most(19_000, 20_000)).toBe(CEILING);
    expect(most(21_000, 22_000)).toBeLessThan(CEILING / 4);
  });

  it.each<[string, number, Answer]>([
    ['timeouts', 8, { afterMs: 1_000, outcome: 'failed' }],
    ['503s', 8, { afterMs: 20, outcome: 'overloaded' }],
    ['500s', 20, { afterMs: 20, outcome: 'failed', strain: 'broken' }],
  ])('lowers what is in flight where answers are more and more %s', (_, good, bad) => {
    const arrivals = drive(
      (__, inFlight) => (inFlight > good ? bad : { afterMs: 50, outcome: 'succeeded' }),
      60_000,
    );
    const late = arrivals.filter(({ atMs }) => atMs > 30_000);
    const failed = late.filter(({ outcome }) => outcome === 'failed').length / late.length;
    expect(failed).toBeLessThan(0.2);
  });

  it('lets ten at a time through to a receiver that answers 500 to some messages, however few it takes', () => {
    let n = 0;
    const arrivals = drive(
      () =>
        ++n % 5 < 3
          ? { afterMs: 20, outcome: 'failed', strain: 'broken' }
          : { afterMs: 20, outcome: 'succeeded' },
      30_000,
    );
    expect(rate(arrivals, 20_000, 30_000)).toBeGreaterThan(10 * 45);
  });

  it('always lets something start again, never more than allowed, whatever the answers are', () => {
    const outcome = fc.constantFrom<Outcome>(
      'succeeded',
      'gone',
      'throttled',
      'overloaded',
      'failed',
      'unknown',
    );
    fc.assert(
      fc.property(
        fc.array(fc.record({ outcome, afterMs: fc.integer({ min: 20, max: 3_000 }) }), {
          minLength: 1,
          maxLength: 40,
        }),
        fc.integer({ min: 1, max: 60 }),
        (answers, ceiling) => {
          let n = 0;
          const arrivals = drive(() => answers[n++ % answers.length]!, 150_000, ceiling);
          for (const { inFlight } of arrivals) expect(inFlight).toBeLessThanOrEqual(ceiling);
          let lastMs = 0;
          let gapMs = 0;
          for (const atMs of [...arrivals.map((arrival) => arrival.atMs), 150_000]) {
            gapMs = Math.max(gapMs, atMs - lastMs);
            lastMs = atMs;
          }
          expect(gapMs).toBeLessThanOrEqual(LONGEST_OPEN_MS + 4_000);
        },
      ),
      { numRuns: 25 },
    );
  });
});
