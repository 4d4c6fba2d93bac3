import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { idFloor, idTimeMs } from '../domain/ids.ts';
import { WINDOW_MS, idWindow } from './time-window.ts';

const NOW = Date.UTC(2026, 10, 22, 12);
const DAY = 86_400_000;
const start = { kind: 'start' } as const;
const id = (ms: number) => idFloor('message', ms);
const within = (ms: number, window: { low: string; high: string }) =>
  id(ms) > window.low && id(ms) < window.high;

describe('idWindow', () => {
  it('looks back 90 days from now, newest first', () => {
    const window = idWindow('message', start, null, null, NOW);
    expect(window.oldestFirst).toBe(false);
    expect(within(NOW, window)).toBe(true);
    expect(within(NOW - 90 * DAY + 4, window)).toBe(true);
    expect(within(NOW - 91 * DAY, window)).toBe(false);
    expect(within(NOW + 2 * 3_600_000, window)).toBe(false);
  });

  it('takes before as exclusive and after as inclusive', () => {
    const window = idWindow('message', start, NOW - DAY, NOW - 2 * DAY, NOW);
    expect(within(NOW - DAY, window)).toBe(false);
    expect(within(NOW - DAY - 4, window)).toBe(true);
    expect(within(NOW - 2 * DAY, window)).toBe(true);
    expect(within(NOW - 2 * DAY - 4, window)).toBe(false);
  });

  it('walks towards now where only after is given', () => {
    const window = idWindow('message', start, null, 0, NOW);
    expect(window.oldestFirst).toBe(true);
    expect(within(NOW, window)).toBe(true);
  });

  it('goes on beyond the iterator, both ways', () => {
    const key = id(NOW - DAY);
    const down = idWindow('message', { kind: 'after', key }, null, null, NOW);
    expect([down.high, down.oldestFirst]).toEqual([key, false]);
    expect(within(NOW - DAY - WINDOW_MS - 4, down)).toBe(false);
    const up = idWindow('message', { kind: 'before', key }, null, null, NOW);
    expect([up.low, up.oldestFirst]).toEqual([key, true]);
  });

  it('never reaches beyond before and after, whatever the iterator says', () => {
    const time = fc.integer({ min: NOW - 400 * DAY, max: NOW + DAY });
    const cursor = fc.oneof(
      fc.constant(start),
      fc.record({
        kind: fc.constantFrom('after' as const, 'before' as const),
        key: fc.oneof(time.map(id), fc.string()),
      }),
    );
    fc.assert(
      fc.property(cursor, time, time, time, (at, before, after, probe) => {
        const window = idWindow('message', at, before, after, NOW);
        if (!within(probe, window)) return;
        const seen = idTimeMs(id(probe))!;
        expect(seen).toBeLessThan(before);
        expect(seen).toBeGreaterThanOrEqual(Math.floor(after / 4) * 4);
      }),
    );
  });
});
