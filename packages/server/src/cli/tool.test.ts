import { describe, expect, it } from 'vitest';
import { parseTarget } from './forward.ts';
import { behave, MODES, type Habits } from './simulate-receiver.ts';
import { percentile, spreadOf } from './statistics.ts';
import { choice, list, moment, number, ToolFailure } from './tool.ts';

const NOW_MS = Date.parse('2026-01-31T12:00:00Z');

describe('flags', () => {
  it.each([
    ['30s', 30_000],
    ['1.5m', 90_000],
    ['2h', 7_200_000],
    ['3d', 259_200_000],
  ])('read %s as a span until now', (given, ms) => {
    expect(moment({ since: given }, 'since', NOW_MS)).toBe(NOW_MS - ms);
  });

  it('read dates, lists, numbers and words', () => {
    expect(moment({ since: '2026-01-31T11:00:00Z' }, 'since', NOW_MS)).toBe(NOW_MS - 3_600_000);
    expect(list({ events: 'a, b,,' }, 'events')).toEqual(['a', 'b']);
    expect(number({}, 'rate', 5, [1, 9])).toBe(5);
    expect(number({ rate: '2.5' }, 'rate', 5, [1, 9])).toBe(2.5);
    expect(choice({ mode: 'b' }, 'mode', ['a', 'b'], 'a')).toBe('b');
  });

  it.each([
    () => moment({ since: 'yesterday' }, 'since', NOW_MS),
    // Not the first of May 2001, from where a replay would take everything.
    () => moment({ since: '5' }, 'since', NOW_MS),
    () => number({ rate: '10' }, 'rate', 5, [1, 9]),
    () => number({ rate: 'x' }, 'rate', 5, [1, 9]),
    () => number({ rate: '' }, 'rate', 5, [1, 9]),
    () => choice({ mode: 'c' }, 'mode', ['a', 'b'], 'a'),
  ])('are refused as wrong usage: %s', (read) => {
    expect(read).toThrow(ToolFailure);
    try {
      read();
    } catch (error) {
      expect(error).toMatchObject({ exitCode: 2, message: expect.stringMatching(/^--(since|rate|mode) /) });
    }
  });
});

describe('a local target', () => {
  it.each([
    ['3000', 'localhost', 3000, '/'],
    ['3000/a/b?c=1', 'localhost', 3000, '/a/b?c=1'],
    ['localhost:3000/x', 'localhost', 3000, '/x'],
    ['http://127.0.0.1:3000', '127.0.0.1', 3000, '/'],
    ['http://[::1]:3000/x', '::1', 3000, '/x'],
    ['http://localhost', 'localhost', 80, '/'],
  ])('%s', (given, host, port, path) => {
    expect(parseTarget(given)).toMatchObject({ host, port, path });
  });

  it.each([
    '',
    '70000',
    'http://192.168.0.1:80',
    'ftp://localhost',
    'localhost.example.com:80',
    'http://127.0.0.1.example.com',
  ])('is not %j', (given) => {
    expect(() => parseTarget(given)).toThrow(ToolFailure);
  });
});

describe('simulated receivers', () => {
  const habits: Habits = { mode: 'ok', delayMs: 5_000, failRate: 0.3, retryAfter: 7 };
  it('behave as their mode says', () => {
    const shown = MODES.map((mode) => behave({ ...habits, mode }, 0.5));
    expect(shown).toEqual([
      { kind: 'answer', status: 200, afterMs: 0, headers: {} },
      { kind: 'answer', status: 200, afterMs: 5_000, headers: {} },
      { kind: 'answer', status: 200, afterMs: 0, headers: {} },
      { kind: 'answer', status: 429, afterMs: 0, headers: { 'retry-after': '7' } },
      { kind: 'answer', status: 410, afterMs: 0, headers: {} },
      { kind: 'answer', status: 500, afterMs: 0, headers: {} },
      { kind: 'garbage' },
      { kind: 'hang' },
      { kind: 'reset' },
    ]);
    expect(behave({ ...habits, mode: 'flaky' }, 0.29)).toMatchObject({ status: 503 });
  });
});

describe('percentiles', () => {
  it('are by nearest rank', () => {
    const hundred = Array.from({ length: 100 }, (_, index) => index + 1);
    expect([
      percentile(hundred, 0.5),
      percentile(hundred, 0.99),
      percentile(hundred, 1),
      percentile([7], 0.5),
    ]).toEqual([50, 99, 100, 7]);
    expect(spreadOf([])).toEqual({ count: 0, p50: null, p95: null, p99: null, max: null });
    expect(spreadOf([3, 1, 2])).toEqual({ count: 3, p50: 2, p95: 3, p99: 3, max: 3 });
  });
});
