import { expect, it } from 'vitest';
import { timestampMs } from './timestamps.ts';

it.each([
  ['2026-11-22 14:43:05.123456+00', Date.UTC(2026, 10, 22, 14, 43, 5) + 123.456],
  ['2026-11-22 14:43:05+02', Date.UTC(2026, 10, 22, 12, 43, 5)],
  ['2026-11-22 14:43:05.5-05:30', Date.UTC(2026, 10, 22, 20, 13, 5) + 500],
  ['infinity', Infinity],
  ['-infinity', -Infinity],
])('reads %s', (text, ms) => {
  expect(timestampMs(text)).toBe(ms);
});
it('refuses what is none', () => {
  expect(() => timestampMs('yesterday')).toThrow('yesterday');
});
