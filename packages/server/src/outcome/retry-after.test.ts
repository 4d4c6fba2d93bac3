import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseRetryAfter, RETRY_AFTER_CAP_MS } from './retry-after.ts';

const NOW = Date.UTC(2025, 9, 15, 12, 0, 0);

describe('parseRetryAfter', () => {
  it.each([
    ['0', 0],
    ['1', 1000],
    ['120', 120_000],
    ['007', 7000],
    [' 120\t', 120_000],
    ['86400', RETRY_AFTER_CAP_MS],
    ['86401', RETRY_AFTER_CAP_MS],
    ['999999999', RETRY_AFTER_CAP_MS],
    ['Wed, 15 Oct 2025 12:02:00 GMT', 120_000],
    ['Wed, 15 Oct 2025 12:00:00 GMT', 0],
    ['Wed, 15 Oct 2025 11:59:59 GMT', 0],
    ['Sun, 06 Nov 1994 08:49:37 GMT', 0],
    ['Thu, 16 Oct 2025 12:00:01 GMT', RETRY_AFTER_CAP_MS],
    ['Fri, 31 Dec 9999 23:59:59 GMT', RETRY_AFTER_CAP_MS],
  ])('%j asks for %d ms', (header, expected) => {
    expect(parseRetryAfter(header, NOW)).toBe(expected);
  });

  it.each([
    ['no header', null],
    ['empty', ''],
    ['blank', '   '],
    ['negative', '-1'],
    ['signed', '+1'],
    ['a fraction', '1.5'],
    ['an exponent', '1e300'],
    ['hexadecimal', '0x10'],
    ['infinite', 'inf'],
    ['Infinity', 'Infinity'],
    ['NaN', 'NaN'],
    ['ten digits', '1000000000'],
    ['10 kB of digits', '1'.repeat(10_240)],
    ['10 kB of blanks', `${' '.repeat(10_240)}1`],
    ['repeated', '120, 120'],
    ['a repeated date', 'Wed, 15 Oct 2025 12:02:00 GMT, Wed, 15 Oct 2025 12:02:00 GMT'],
    ['a unit', '120s'],
    ['other digits', '१२'],
    ['ISO 8601', '2025-10-15T12:02:00Z'],
    ['a bare year', '2025-10'],
    ['the RFC 850 form', 'Wednesday, 15-Oct-25 12:02:00 GMT'],
    ['the asctime form', 'Wed Oct 15 12:02:00 2025'],
    ['another zone', 'Wed, 15 Oct 2025 12:02:00 +0200'],
    ['UTC for GMT', 'Wed, 15 Oct 2025 12:02:00 UTC'],
    ['the wrong day of the week', 'Thu, 15 Oct 2025 12:02:00 GMT'],
    ['a day that does not exist', 'Sun, 31 Feb 2025 12:02:00 GMT'],
    ['an hour that does not exist', 'Wed, 15 Oct 2025 25:02:00 GMT'],
    ['lower case', 'wed, 15 oct 2025 12:02:00 gmt'],
    ['one digit for the day', 'Wed, 5 Oct 2025 12:02:00 GMT'],
    ['a comment', 'Wed, 15 Oct 2025 12:02:00 GMT (soon)'],
    ['NUL', '120\0'],
  ])('ignores %s', (_what, header) => {
    expect(parseRetryAfter(header, NOW)).toBeNull();
  });

  it('reads every second that a date can name', () => {
    fc.assert(
      fc.property(fc.integer({ min: -100_000, max: 100_000 }), (seconds) => {
        const header = new Date(NOW + seconds * 1000).toUTCString();
        const expected = Math.min(Math.max(seconds * 1000, 0), RETRY_AFTER_CAP_MS);
        expect(parseRetryAfter(header, NOW)).toBe(expected);
      }),
    );
  });

  it('answers null or whole milliseconds within the cap, whatever comes', () => {
    const texts = fc.oneof(
      fc.string(),
      fc.string({ unit: 'binary' }),
      fc.integer().map(String),
      fc.date({ noInvalidDate: true }).map((date) => date.toUTCString()),
    );
    const moments = fc.double({ min: 0, max: 1e13, noNaN: true });
    fc.assert(
      fc.property(texts, moments, (header, nowMs) => {
        const waitMs = parseRetryAfter(header, nowMs) ?? 0;
        expect(Number.isInteger(waitMs)).toBe(true);
        expect(waitMs).toBeGreaterThanOrEqual(0);
        expect(waitMs).toBeLessThanOrEqual(RETRY_AFTER_CAP_MS);
      }),
    );
  });
});
