import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatDate, parseDate } from './dates.ts';

describe('parseDate', () => {
  it.each<[string, string]>([
    ['2026-01-02T03:04:05Z', '2026-01-02T03:04:05.000Z'],
    ['2026-01-02t03:04:05.123456789z', '2026-01-02T03:04:05.123Z'],
    ['2026-01-02 03:04:05.5 UTC', '2026-01-02T03:04:05.500Z'],
    ['2026-01-02T03:04:05+02:30', '2026-01-02T00:34:05.000Z'],
    ['2026-01-02T03:04:05 02:30', '2026-01-02T00:34:05.000Z'],
    ['2026-01-02T03:04:05-01:00', '2026-01-02T04:04:05.000Z'],
    ['2024-02-29T00:00:00Z', '2024-02-29T00:00:00.000Z'],
    ['0099-03-01T00:00:00Z', '0099-03-01T00:00:00.000Z'],
  ])('reads %s', (text, iso) => {
    expect(formatDate(parseDate(text)!)).toBe(iso);
  });

  it.each([
    '',
    'now',
    '2026-01-02',
    '2026-13-01T00:00:00Z',
    '2026-00-01T00:00:00Z',
    '2026-02-29T00:00:00Z',
    '1900-02-29T00:00:00Z',
    '2026-01-01T24:00:00Z',
    '2026-01-01T00:60:00Z',
    '2026-01-01T00:00:60Z',
    '0000-01-01T00:00:00Z',
    '0001-01-01T00:00:00+00:01',
    '9999-12-31T23:59:59-00:01',
    '2026-01-01T00:00:00',
    '275760-09-13T00:00:00Z',
    '2026-01-01T00:00:00+24:00',
    '2026-01-01T00:00:00Z ',
    '1767225600',
  ])('refuses %j', (text) => {
    expect(parseDate(text)).toBeNull();
  });

  it('reads what it writes', () => {
    const date = fc.date({
      min: new Date(Date.UTC(1600, 0)),
      max: new Date(Date.UTC(9999, 0)),
      noInvalidDate: true,
    });
    fc.assert(
      fc.property(date, (at) => {
        expect(parseDate(formatDate(at.getTime()))).toBe(at.getTime());
      }),
    );
  });
});
