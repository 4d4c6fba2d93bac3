// A bounded part of `npm run torture`: what no other test does, each for a few seconds.
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import type { Verdict } from '../crash/scenario.ts';
import { readArguments } from './arguments.ts';
import { faults } from './faults.ts';
import { tableOf } from './report.ts';
import { countsOf, isGood, type Result } from './result.ts';
import { runFault } from './run.ts';

const seed = process.env['TORTURE_SEED'] ?? String(Date.now() % 1_000_000);
const SECONDS = 3;
const isCI = Boolean(process.env['CI']);

/** The others are done to nodes in test/crash and test/nodes. */
const here = [
  'clock-jumps',
  'pool-of-2',
  'postgres-restarts',
  'failover',
  'disk-full',
  'disk-95',
  'spike',
  'receivers-down',
  'upgrade',
];

const run = (name: string, plant: 'ack-before-commit' | null = null): Promise<Result> => {
  const fault = faults.find((one) => one.name === name);
  if (fault === undefined) throw new Error(`There is no fault ${name}`);
  return runFault(fault, { seconds: SECONDS, seed, old: null, plant, log: () => {} });
};

describe(`nothing is lost or stuck (TORTURE_SEED=${seed})`, () => {
  it.each(here)('%s', { timeout: 300_000 }, async (name) => {
    const result = await run(name);
    if (result.end === 'skipped' && !isCI) {
      console.warn(`NOT TRIED: ${name}. ${result.why}`);
      return;
    }
    const why = 'why' in result ? result.why : result.problems;
    expect({ end: result.end, why }).toEqual({ end: 'held', why: '' });
    if (result.end === 'held') {
      expect([result.lost, result.stuck, result.duplicated - result.explained]).toEqual([0, 0, 0]);
      expect(result.acknowledged).toBeGreaterThan(50);
    }
  });
});

it('a planted bug is found', { timeout: 300_000 }, async () => {
  const result = await run('sigkill', 'ack-before-commit');
  expect(result.end).toBe('broke');
  expect(result.end === 'broke' && result.lost > 0).toBe(true);
});

describe('the table', () => {
  const violations: Verdict['violations'] = [
    { rule: 'lost', detail: 'event-1 (msg_1) is acknowledged and not stored' },
    { rule: 'undelivered', detail: 'msg_2 to ep_1 (event-2): 3 requests, none with 2xx' },
    { rule: 'undelivered', detail: 'msg_3 to ep_1 (event-3): 0 requests, none with 2xx' },
    { rule: 'open', detail: 'msg_3 to ep_1 is waiting' },
    { rule: 'duplicate', detail: 'msg_4 to ep_1: 1..2 (200) and 3..4 (200), no fault explains it' },
    { rule: 'altered', detail: 'msg_5 to ep_1: other bytes than posted' },
  ];
  const verdict = {
    violations,
    surprises: ['500 without JSON'],
    duplicates: 3,
    history: { postings: [{ end: 'acknowledged' }, { end: 'refused' }], requests: [{}, {}] },
  } as unknown as Verdict;

  it('counts what is open once, and what a fault explains apart', () => {
    expect(countsOf(verdict, 7)).toEqual({
      acknowledged: 1,
      refused: 7,
      requests: 2,
      lost: 2,
      duplicated: 3,
      explained: 2,
      stuck: 1,
      others: { duplicate: 1, altered: 1, surprises: 1 },
    });
  });

  it('has a line for each fault, also for what could not be done', () => {
    const results: Result[] = [
      { fault: 'one', end: 'held', seconds: 3, note: 'seen', problems: '', ...countsOf(verdict, 0) },
      { fault: 'two', end: 'skipped', why: 'it takes root' },
      { fault: 'three', end: 'failed', why: 'Error: no\nat line 3', seconds: 2 },
    ];
    const [head, ...lines] = tableOf(results).trimEnd().split('\n');
    expect(head).toMatch(
      /^fault +seconds +accepted +503 +requests +lost +duplicated +explained +stuck +seen besides$/,
    );
    expect(lines[0]).toMatch(/^one +3 +1 +0 +2 +2 +3 +2 +1 +DUPLICATE 1, ALTERED 1, SURPRISES 1, seen$/);
    expect(lines[1]).toMatch(/^two( +-){8} +SKIPPED: it takes root$/);
    expect(lines[2]).toMatch(/^three +2( +-){7} +FAILED: Error: no$/);
    expect(results.map(isGood)).toEqual([true, true, false]);
  });
});

describe('the command', () => {
  const main = fileURLToPath(new URL('main.ts', import.meta.url));
  const command = (...args: string[]): Promise<{ code: number; out: string; err: string }> =>
    new Promise((resolve) => {
      execFile(process.execPath, [main, ...args], (error, out, err) =>
        resolve({ code: error === null ? 0 : Number(error.code), out, err }),
      );
    });

  it('reads what it is asked', () => {
    const read = readArguments(['--only', 'sigkill, failover', '--seconds', '7', '--json'], faults, 'x');
    expect(read).toMatchObject({ kind: 'run', seconds: 7, seed: 'x', json: true, old: null, plant: null });
    expect(read.kind === 'run' && read.chosen.map(({ name }) => name)).toEqual(['sigkill', 'failover']);
  });

  it('lists every fault once', async () => {
    const { code, out } = await command('--list');
    expect(code).toBe(0);
    expect(out.trimEnd().split('\n')).toHaveLength(faults.length);
    expect(new Set(faults.map(({ name }) => name)).size).toBe(faults.length);
  });

  it.each([['--only', 'plague'], ['--seconds', '0'], ['--plant', 'nothing'], ['--nonsense'], ['more']])(
    'says what is wrong with %s %s',
    async (...args) => {
      const { code, out, err } = await command(...args);
      expect([code, out]).toEqual([2, '']);
      expect(err).toMatch(/^torture: .*\n\nUsage: npm run torture/);
    },
  );
});
