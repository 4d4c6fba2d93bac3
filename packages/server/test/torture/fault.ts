import type { Need } from './needs.ts';
import type { World, WorldPlan } from './world.ts';

/** One kind of harm. */
export type Fault = {
  /** In kebab-case. */
  readonly name: string;
  /** What is done, in one line. */
  readonly does: string;
  readonly needs?: readonly Need[];
  /** Begins with the version of --old. */
  readonly isUpgrade?: true;
  /** What it needs of its world. `folder` is a place for files of its own. */
  readonly world?: (asked: { readonly seconds: number; readonly folder: string }) => Partial<WorldPlan>;
  /**
   * Does the harm for as long as the world's time goes on, and ends it: afterwards everything runs. Resolves with
   * what it has seen besides, in a few words; rejects when something did not come to pass that must.
   */
  readonly harm: (world: World) => Promise<string>;
  /** Looks once more when everything has been delivered; rejects like `harm`. */
  readonly after?: (world: World) => Promise<string>;
};

/** What `harm` rejects with when a promise is broken that no count shows. */
export class Broken extends Error {
  override readonly name = 'Broken';
}

/** Asserts a promise. */
export const must = (holds: boolean, promise: string): void => {
  if (!holds) throw new Broken(promise);
};
