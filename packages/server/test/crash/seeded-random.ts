import { createHash } from 'node:crypto';
import { setTimeout as wait } from 'node:timers/promises';

/** Uniform in [0, 1), the same sequence for the same seed. */
export type SeededRandom = {
  (): number;
  /** Lets a random time pass, at most `maxMs`: the moment of a fault, not a wait for anything. */
  readonly pause: (maxMs: number) => Promise<void>;
};

export const seededRandom = (seed: string): SeededRandom => {
  let count = 0;
  const next = (): number =>
    createHash('sha256').update(`${seed} ${count++}`).digest().readUInt32BE(0) / 2 ** 32;
  return Object.assign(next, { pause: (maxMs: number) => wait(next() * maxMs) });
};
