import type { Statements } from '../../src/store/index.ts';
import { statements } from '../../src/store/index.ts';
import type { Options } from './calls.ts';
import type { Engine } from './engine.ts';
import { createHarness } from './harness.ts';
import type { Step, Turn } from './step.ts';

/** Runs a schedule on all engines; the states after its first `quiet` turns are not compared. */
export const follow = async (
  engines: readonly Engine[],
  startMs: number,
  turns: readonly Turn[],
  options: Options = {},
  quiet = 0,
): Promise<void> => {
  const harness = createHarness(engines, startMs, options);
  await harness.start();
  for (const [index, turn] of turns.entries()) await harness.run(turn, index < quiet);
  await harness.expectNothingStuck();
};

export const alone = (step: Step): Turn => ({ kind: 'alone', step });

/** Each alone, and every two of `contenders` at once, one held open. */
export const endingsOf = (contenders: readonly Step[], others: readonly Step[]): readonly Turn[] => [
  ...[...contenders, ...others].map(alone),
  ...contenders.flatMap((first) =>
    contenders.map((second): Turn => ({ kind: 'overlap', first, second, commit: true })),
  ),
];

/** Each ending after each situation: what is wrong with the first that fails, or null. */
export const findInAll = async (
  engines: readonly Engine[],
  startMs: number,
  endings: readonly Turn[],
  befores: readonly (readonly Turn[])[],
  options: Options = {},
): Promise<string | null> => {
  for (const ending of endings) {
    for (const before of befores) {
      try {
        await follow(engines, startMs, [...before, ending], options, before.length);
      } catch (error) {
        return `${(error as Error).message}\n${JSON.stringify((error as { actual?: unknown }).actual)}\n${JSON.stringify((error as { expected?: unknown }).expected)}`;
      }
    }
  }
  return null;
};

type Replace = readonly [find: string, replace: string];

/** A statement with a bug in it. */
export const mutated = (key: keyof Statements, ...replacements: Replace[]): Partial<Statements> => {
  let { text } = statements[key] as { text: string };
  for (const [find, replace] of replacements) {
    if (!text.includes(find)) throw new Error(`statement ${key} has no "${find}"`);
    text = text.replaceAll(find, replace);
  }
  return { [key]: { name: `${statements[key].name}_mutated`, text } };
};
