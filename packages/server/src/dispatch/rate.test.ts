import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createRateSlots, RATE_WINDOW_MS } from './rate.ts';

describe('slots of a rate', () => {
  it('are free again one window after the response has ended', () => {
    const slots = createRateSlots();
    expect(slots.opensAtMs(2, 10)).toBe(10);
    slots.take();
    slots.take();
    expect(slots.opensAtMs(2, 20)).toBe(Infinity);
    slots.release(30);
    expect(slots.opensAtMs(2, 31)).toBe(30 + RATE_WINDOW_MS);
    expect(slots.opensAtMs(2, 30 + RATE_WINDOW_MS)).toBe(30 + RATE_WINDOW_MS);
  });

  it('follow a limit that was lowered', () => {
    const slots = createRateSlots();
    for (let n = 0; n < 4; n++) slots.take();
    for (const at of [1, 2, 3]) slots.release(at);
    expect(slots.opensAtMs(2, 4)).toBe(3 + RATE_WINDOW_MS);
    expect(slots.opensAtMs(1, 4)).toBe(Infinity);
    expect(slots.opensAtMs(9, 4)).toBe(4);
  });

  it('never let a receiver see more than the limit in any window, whenever requests arrive', () => {
    const attempts = fc.array(
      fc.record({
        gapMs: fc.nat(400),
        lastsMs: fc.nat(900),
        arrives: fc.double({ min: 0, max: 1, noNaN: true }),
      }),
      { minLength: 1, maxLength: 80 },
    );
    fc.assert(
      fc.property(attempts, fc.integer({ min: 1, max: 7 }), (all, limit) => {
        const slots = createRateSlots();
        const ends: number[] = [];
        const arrivals: number[] = [];
        let nowMs = 0;
        const endUntil = (untilMs: number): void => {
          ends.sort((a, b) => a - b);
          while (ends.length > 0 && ends[0]! <= untilMs) slots.release(ends.shift()!);
        };
        for (const { gapMs, lastsMs, arrives } of all) {
          nowMs += gapMs;
          endUntil(nowMs);
          for (let at = slots.opensAtMs(limit, nowMs); at > nowMs; at = slots.opensAtMs(limit, nowMs)) {
            nowMs = Math.min(at, ends[0] ?? Infinity);
            endUntil(nowMs);
          }
          slots.take();
          arrivals.push(nowMs + arrives * lastsMs);
          ends.push(nowMs + lastsMs);
        }
        arrivals.sort((a, b) => a - b);
        for (let i = limit; i < arrivals.length; i++)
          expect(arrivals[i]! - arrivals[i - limit]!).toBeGreaterThanOrEqual(RATE_WINDOW_MS);
      }),
      { seed: 20_261_122, numRuns: 500 },
    );
  });
});
