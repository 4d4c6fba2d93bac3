import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it, onTestFinished } from 'vitest';
import { judge } from './flat.ts';
import { readOptions } from './options.ts';
import { problemsOf, type SoakResult } from './result.ts';

const main = fileURLToPath(new URL('main.ts', import.meta.url));
const run = (...args: string[]): Promise<{ code: number; out: string; err: string }> =>
  new Promise((resolve) => {
    execFile(process.execPath, [main, ...args], (error, out, err) =>
      resolve({ code: error === null ? 0 : Number(error.code), out, err }),
    );
  });

const course = (count: number, value: (index: number) => number): number[] =>
  Array.from({ length: count }, (_, index) => value(index));

describe('a series is flat', () => {
  const allowance = { share: 0.2, amount: 10 };
  const isFlat = (values: readonly number[]) => judge('x', 'MB', values, allowance)?.isFlat;

  it('when it stays, however much single values jump', () => {
    expect(isFlat(course(60, (at) => 100 + (at % 7)))).toBe(true);
    expect(isFlat(course(60, (at) => (at % 9 === 0 ? 5_000 : 100)))).toBe(true);
  });

  it('also when it rose at first, or falls', () => {
    expect(isFlat(course(60, (at) => (at < 6 ? at * 15 : 100)))).toBe(true);
    expect(isFlat(course(60, (at) => 1_000 - at))).toBe(true);
  });

  it('but not when it rises steadily, or in steps', () => {
    expect(isFlat(course(60, (at) => 100 + at))).toBe(false);
    expect(isFlat(course(60, (at) => (at < 35 ? 100 : 140)))).toBe(false);
  });

  it('or nobody can say', () => {
    expect(
      judge(
        'x',
        'MB',
        course(9, () => 1),
        allowance,
      ),
    ).toBeNull();
    expect(
      judge(
        'x',
        'MB',
        course(90, () => Number.NaN),
        allowance,
      ),
    ).toBeNull();
  });
});

describe('the options', () => {
  it('cut every run into pieces enough to be judged', () => {
    const pieces = (hours: string): number => {
      const parsed = readOptions(['--hours', hours], 0.5);
      if (parsed.kind !== 'ok') throw new Error(parsed.kind);
      return (parsed.options.hours * 3600) / parsed.options.pieceSeconds;
    };
    expect([pieces('0.01'), pieces('3')]).toEqual([12, 180]);
  });

  it.each([
    ['--rate', '0'],
    ['--rate', 'fast'],
    ['--hours', '-1'],
    ['--seed', '1.5'],
    ['--nonsense'],
    ['more'],
  ])('say what is wrong with %s %s', async (...args) => {
    expect(await run(...args)).toMatchObject({ code: 2, out: '', err: expect.stringContaining('Usage: ') });
  });
});

const good: Omit<SoakResult, 'problems'> = {
  seed: 1,
  rate: 10,
  seconds: 10,
  accepted: 100,
  refused: 0,
  delivered: 100,
  lost: 0,
  duplicates: 0,
  retried: 3,
  troubled: { accepted: 10, succeeded: 9, dead: 1, open: 0 },
  oldDays: { putIn: 6, dropped: 4, droppedWithWork: 0, overdue: 0 },
  auditFindings: 0,
  verdicts: [],
  machine: {},
  samples: [],
};

it('no broken promise passes', () => {
  expect(problemsOf(good)).toEqual([]);
  const rose = { series: 'x', unit: 'MB', first: 1, last: 9, limit: 2, isFlat: false };
  const broken: readonly Partial<SoakResult>[] = [
    { accepted: 0 },
    { lost: 1 },
    { duplicates: 1 },
    { refused: 1 },
    { troubled: { ...good.troubled, open: 1 } },
    { troubled: { ...good.troubled, succeeded: 8 } },
    { oldDays: { ...good.oldDays, droppedWithWork: 1 } },
    { oldDays: { ...good.oldDays, overdue: 1 } },
    { auditFindings: 1 },
    { verdicts: [rose] },
  ];
  for (const one of broken) expect(problemsOf({ ...good, ...one })).toHaveLength(1);
});

it('a short run counts everything', { timeout: 240_000 }, async () => {
  const folder = await mkdtemp(join(tmpdir(), 'soak-test-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  const samples = join(folder, 'samples.jsonl');
  const { code, out, err } = await run(
    '--rate',
    '50',
    '--hours',
    '0.004',
    '--seed',
    '4',
    '--json',
    '--samples',
    samples,
  );
  const result = JSON.parse(out) as SoakResult;
  // How flat a few seconds are is the machine's affair.
  const isLate = (problem: string): boolean => / rose from /.test(problem);
  expect({ problems: result.problems.filter((problem) => !isLate(problem)), err }).toEqual({
    problems: [],
    err,
  });
  expect(code).toBe(result.problems.length === 0 ? 0 : 1);
  expect(result.accepted).toBeGreaterThan(50);
  expect(result.delivered).toBe(result.accepted);
  expect(result.troubled.accepted).toBeGreaterThan(0);
  expect(result.oldDays.putIn).toBeGreaterThanOrEqual(3);
  const lines = (await readFile(samples, 'utf8')).trim().split('\n');
  expect(lines.map((line) => JSON.parse(line) as unknown)).toEqual(result.samples);
});
