import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Issue } from './fields.ts';
import { readSchedule } from './schedule.ts';

const NOW_MS = Date.parse('2026-05-01T12:00:00Z');
const DAY_MS = 86_400_000;
const iso = (atMs: number): string => new Date(atMs).toISOString();

const read = (deliverAt: unknown, expiresAt: unknown) => {
  const issues: Issue[] = [];
  const schedule = readSchedule(deliverAt, expiresAt, ['body'], NOW_MS, issues);
  return { schedule, fields: issues.map(({ loc }) => loc.at(-1)), text: JSON.stringify(issues) };
};

describe('a schedule', () => {
  it('need not be', () => {
    for (const nothing of [undefined, null]) {
      expect(read(nothing, nothing)).toMatchObject({
        schedule: { deliverAtMs: null, expiresAtMs: null },
        fields: [],
      });
    }
  });

  it.each([1_000, 90 * DAY_MS])('may lie %d ms ahead', (aheadMs) => {
    const found = read(iso(NOW_MS + aheadMs), iso(NOW_MS + aheadMs + 1_000));
    expect(found.fields).toEqual([]);
    expect(found.schedule).toEqual({
      deliverAtMs: NOW_MS + aheadMs,
      expiresAtMs: NOW_MS + aheadMs + 1_000,
    });
  });

  it.each([
    ['now', iso(NOW_MS)],
    ['the past', '2001-01-01T00:00:00Z'],
    ['just too soon', iso(NOW_MS + 999)],
    ['just too late', iso(NOW_MS + 90 * DAY_MS + 1)],
    ['year 9998', '9998-01-01T00:00:00Z'],
    ['year 9999', '9999-12-31T23:59:59Z'],
    ['year 10000', '+010000-01-01T00:00:00Z'],
    ['a number', NOW_MS + 5_000],
    ['a word', 'tomorrow'],
    ['nothing', ''],
    ['a list', []],
  ])('is refused for %s, with what is allowed', (_what, deliverAt) => {
    const found = read(deliverAt, null);
    expect(found.fields).toEqual(['deliverAt']);
    expect(found.text).toMatch(/between 2026-05-01T12:00:01.000Z and 2026-07-30T12:00:00.000Z|RFC 3339/);
  });

  it('does not expire before it is due, nor has it expired', () => {
    expect(read(null, iso(NOW_MS - 1)).fields).toEqual(['expiresAt']);
    expect(read(null, iso(NOW_MS + 367 * DAY_MS)).fields).toEqual(['expiresAt']);
    const deliverAt = iso(NOW_MS + DAY_MS);
    expect(read(deliverAt, deliverAt).fields).toEqual(['expiresAt']);
    expect(read(deliverAt, iso(NOW_MS + DAY_MS + 1_000)).fields).toEqual([]);
  });

  it('is total: anything is read or refused', () => {
    fc.assert(fc.property(fc.anything(), fc.anything(), (a, b) => void read(a, b)));
  });
});
