import { availableParallelism } from 'node:os';
import { parseArguments, usage, type Arguments } from './arguments.ts';
import type { SeedResult, Shrunk } from './one-seed.ts';
import { runCampaign, shrinkFailure } from './pool.ts';
import { failureText } from './report.ts';

/** So many of the first seeds are run twice. */
const TWICE = 10;
const PROGRESS_EVERY = 500;

const say = (text: string): void => void process.stderr.write(`${text}\n`);

const simulate = async ({ from, count, plant, json }: Arguments): Promise<number> => {
  const workers = availableParallelism();
  const startedMs = Date.now();
  const campaign = await runCampaign({
    from,
    count,
    plant,
    workers,
    twice: TWICE,
    onProgress: (done) => {
      if (done % PROGRESS_EVERY === 0 && done < count) say(`${done} of ${count} seeds held`);
    },
  });
  const seconds = (Date.now() - startedMs) / 1000;
  const { done, steps, failure } = campaign;
  let shrunk: Shrunk | null = null;
  if (failure !== null) {
    say(`seed ${failure.seed} does not hold; looking for the smallest run that fails like it`);
    const mayShrink = failure.violations.every(({ rule }) => rule !== 'hung' && rule !== 'determinism');
    shrunk = mayShrink ? await shrinkFailure(failure.seed, plant) : null;
  }
  const summary = { from, seeds: done, seconds, seedsPerSecond: done / seconds, workers, steps, plant };
  if (json)
    process.stdout.write(`${JSON.stringify({ ...summary, failure: failureJson(failure, shrunk) })}\n`);
  else if (failure !== null) process.stdout.write(failureText(failure, shrunk, plant));
  else {
    const rate = `${seconds.toFixed(1)} s, ${summary.seedsPerSecond.toFixed(0)} a second on ${workers} processors`;
    process.stdout.write(`${done} seeds held (${from} to ${from + count - 1}) in ${rate}, ${steps} steps.\n`);
  }
  return failure === null ? 0 : 1;
};

const failureJson = (failure: SeedResult | null, shrunk: Shrunk | null): object | null =>
  failure === null ? null : { seed: failure.seed, violations: failure.violations, shrunk };

const parsed = parseArguments(process.argv.slice(2));
switch (parsed.kind) {
  case 'help':
    process.stdout.write(usage);
    break;
  case 'wrong':
    say(`${parsed.problem}\n\n${usage}`);
    process.exitCode = 2;
    break;
  case 'run':
    process.exitCode = await simulate(parsed.arguments);
    break;
  default:
    parsed satisfies never;
}
