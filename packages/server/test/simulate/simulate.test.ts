import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { parseArguments } from './arguments.ts';
import { runSeed, shrinkSeed, type SeedResult } from './one-seed.ts';
import { planOf } from './plan.ts';
import { mutate } from './plant-loader.ts';
import { plants } from './plants.ts';
import { runCampaign, shrinkFailure } from './pool.ts';

const { SIMULATE_SEEDS, CI } = process.env;
const SEEDS = Number(SIMULATE_SEEDS ?? (CI ? 10_000 : 600));
const FRESH = 200;
/** Every planted bug shows within so many seeds. */
const WITHIN = 800;
const MINUTES = 60_000;

const run = (from: number, count: number, twice: number) =>
  runCampaign({ from, count, twice, plant: null, workers: availableParallelism() });

describe('the simulation', () => {
  it(
    `holds ${SEEDS} seeds, the first ones twice with the same history`,
    { timeout: 20 * MINUTES },
    async () => {
      expect(await run(1, SEEDS, 20)).toMatchObject({ done: SEEDS, failure: null });
    },
  );

  const fresh = Math.floor(Math.random() * 2 ** 31);
  it(`holds seeds that nobody has run before (from ${fresh})`, { timeout: 20 * MINUTES }, async () => {
    expect(await run(fresh, FRESH, 0)).toMatchObject({ done: FRESH, failure: null });
  });
});

const failures = new Map<string, SeedResult>();

describe('the simulation finds', () => {
  it.each(Object.keys(plants))('%s', { timeout: 10 * MINUTES }, async (name) => {
    const campaign = { from: 1, count: WITHIN, plant: name, workers: availableParallelism(), twice: 0 };
    const { failure } = await runCampaign(campaign);
    expect(failure).not.toBeNull();
    failures.set(name, failure!);
  });

  it('a seed that fails, the same again and again, and smaller', { timeout: 10 * MINUTES }, async () => {
    const name = 'unfenced-settle';
    const { seed, violations } = failures.get(name)!;
    const [first, second] = [await shrinkFailure(seed, name), await shrinkFailure(seed, name)];
    expect(first.hash).toBe(second.hash);
    expect(first.violations.map(({ rule }) => rule)).toContain(violations[0]!.rule);
    expect(first.trace.some((line) => line.includes('settle'))).toBe(true);
    expect(first.plan.events.length).toBeLessThan(planOf(seed).events.length);
  });
});

describe('a seed', () => {
  it('has one history, here as in a worker', async () => {
    expect((await runSeed(7, true)).violations).toEqual([]);
  });

  it('that holds cannot be made smaller', async () => {
    await expect(shrinkSeed(7)).rejects.toThrow('holds');
  });
});

describe('the planted bugs', () => {
  const repository = fileURLToPath(new URL('../../../../', import.meta.url));

  it.each(Object.entries(plants))('%s fits the sources', (name, edits) => {
    for (const { file } of edits) {
      const source = readFileSync(`${repository}${file}`, 'utf8');
      expect(mutate(name, file, source)).not.toBe(source);
    }
  });

  it('say when they no longer do', () => {
    const { file } = plants['limiter-leak']![0]!;
    expect(() => mutate('limiter-leak', file, 'const nothing = 1;')).toThrow('does not fit');
  });
});

describe('npm run simulate', () => {
  const simulate = (...args: string[]) => {
    const main = fileURLToPath(new URL('main.ts', import.meta.url));
    return spawnSync(process.execPath, [main, ...args], { encoding: 'utf8' });
  };

  it('ends with 0 when all seeds held', { timeout: 2 * MINUTES }, () => {
    const { status, stdout } = simulate('--seeds', '3');
    expect({ status, stdout }).toEqual({
      status: 0,
      stdout: expect.stringContaining('3 seeds held (1 to 3)'),
    });
  });

  it('ends with 1 and the seed when one did not', { timeout: 5 * MINUTES }, () => {
    const { status, stdout } = simulate('--seeds', '30', '--plant', 'limiter-leak', '--json');
    expect(status).toBe(1);
    const { failure } = JSON.parse(stdout) as {
      failure: { seed: number; violations: { rule: string }[]; shrunk: { trace: string[] } };
    };
    expect(failure.violations.map(({ rule }) => rule)).toContain('rate');
    const again = simulate('--seed', String(failure.seed), '--plant', 'limiter-leak');
    expect(again.status).toBe(1);
    expect(again.stdout).toContain(`npm run simulate -- --seed ${failure.seed} --plant limiter-leak`);
  });

  it('ends with 2 when it is asked for something else', { timeout: 2 * MINUTES }, () => {
    const { status, stderr } = simulate('--plant', 'no-such-bug');
    expect(status).toBe(2);
    expect(stderr).toContain('unfenced-settle');
  });

  it.each([
    ['--seeds', '0'],
    ['--seeds', '-1'],
    ['--seeds', 'NaN'],
    ['--seeds', '1.5'],
    ['--seeds', '1e3'],
    ['--seeds', ''],
    ['--seed', '-1'],
    ['--seed', 'x'],
    ['--seed', '99999999999999999999'],
    ['--plant', ''],
    ['--plant', 'toString'],
    ['--sedes', '1'],
    ['more'],
  ])('does not take %s %s', (...args) => {
    expect(parseArguments(args).kind).toBe('wrong');
  });

  it('takes one seed, many from one on, and a bug', () => {
    const of = (...args: string[]) => parseArguments(args);
    const run = { from: 1, count: 1_000, plant: null, json: false };
    expect(of()).toEqual({ kind: 'run', arguments: run });
    expect(of('--seed', '5')).toEqual({ kind: 'run', arguments: { ...run, from: 5, count: 1 } });
    expect(of('--seed', '0', '--seeds', '2', '--json', '--plant', 'lost-sweep')).toEqual({
      kind: 'run',
      arguments: { from: 0, count: 2, plant: 'lost-sweep', json: true },
    });
    expect(of('--help')).toEqual({ kind: 'help' });
  });
});
