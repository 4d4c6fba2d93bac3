import { check, type Violation } from './check.ts';
import { planOf, type Plan } from './plan.ts';
import { runPlan, type RunResult } from './run.ts';
import { shrink } from './shrink.ts';
import { hashOf, traceOf } from './trace.ts';

export type SeedResult = {
  readonly seed: number;
  readonly violations: readonly Violation[];
  readonly steps: number;
};

/** The smallest plan found that still fails, and what happens in it. */
export type Shrunk = {
  readonly plan: Plan;
  readonly violations: readonly Violation[];
  readonly trace: readonly string[];
  readonly hash: string;
  readonly runs: number;
};

const rejections: unknown[] = [];

/** From now on a promise that nobody handles is what it is: a violation of the run that it belongs to. */
export const watchRejections = (): void => {
  process.on('unhandledRejection', (reason) => void rejections.push(reason));
};

const judge = async (
  plan: Plan,
): Promise<{ readonly result: RunResult; readonly violations: readonly Violation[] }> => {
  rejections.length = 0;
  const result = await runPlan(plan);
  const unhandled = rejections.map((reason): Violation => ({
    rule: 'broken',
    atMs: Infinity,
    detail: `nobody handles ${String(reason)}`,
  }));
  return { result, violations: [...check(result), ...unhandled] };
};

/** @param twice Runs it again, which must give the same history. */
export const runSeed = async (seed: number, twice: boolean): Promise<SeedResult> => {
  const { result, violations } = await judge(planOf(seed));
  const { steps } = result;
  if (!twice) return { seed, violations, steps };
  const [first, second] = [hashOf(result), hashOf((await judge(planOf(seed))).result)];
  if (first === second) return { seed, violations, steps };
  const detail = `one run has the history ${first}, the next ${second}`;
  return { seed, violations: [...violations, { rule: 'determinism', atMs: Infinity, detail }], steps };
};

/** Makes a failing seed smaller as long as it breaks the same rule. */
export const shrinkSeed = async (seed: number): Promise<Shrunk> => {
  const first = await judge(planOf(seed));
  if (first.violations.length === 0) throw new Error(`seed ${seed} holds`);
  const { rule } = first.violations[0]!;
  const { plan, runs } = await shrink(planOf(seed), async (smaller) =>
    (await judge(smaller)).violations.some((violation) => violation.rule === rule),
  );
  const { result, violations } = await judge(plan);
  return { plan, violations, trace: traceOf(result), hash: hashOf(result), runs };
};
