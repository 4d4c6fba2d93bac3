import { setTimeout as sleep } from 'node:timers/promises';

/** Repeats a step until its result fits, and returns that. */
export const eventually = async <T>(
  step: () => Promise<T> | T,
  fits: (result: T) => boolean,
  withinMs = 20_000,
): Promise<T> => {
  const deadline = AbortSignal.timeout(withinMs);
  for (;;) {
    const result = await step();
    if (fits(result)) return result;
    if (deadline.aborted) throw new Error(`Still ${JSON.stringify(result)} after ${withinMs} ms`);
    await sleep(5);
  }
};
