import type { World } from './mvcc.ts';
import { Transaction } from './mvcc.ts';

/** Runs the statements of an operation: each begins, reads, locks, writes; who commits is decided here. */
export type Run = <Result>(body: (tx: Transaction) => Promise<Result> | Result) => Promise<Result>;

/** Each operation commits by itself. */
export const autocommit =
  (world: World): Run =>
  async (body) => {
    const tx = new Transaction(world);
    try {
      const result = await body(tx);
      tx.end(true);
      return result;
    } catch (error) {
      tx.end(false);
      throw error;
    }
  };

/** One transaction that is held open over its operations, until `end`. */
export const heldOpen = (world: World): { readonly run: Run; readonly end: (commit: boolean) => void } => {
  const tx = new Transaction(world);
  return {
    run: async (body) => {
      tx.snapshot();
      return body(tx);
    },
    end: (commit) => tx.end(commit),
  };
};
