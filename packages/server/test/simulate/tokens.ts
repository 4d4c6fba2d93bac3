import type { LiveRow, PartitionRow } from '../store/rows.ts';
import type { Rule } from './check.ts';
import type { Faults } from './faults.ts';
import type { EventOf } from './history.ts';

type Commit = EventOf<'commit'>;
type Tenure = { readonly node: string | null; readonly epoch: number; readonly fromMs: number };

/** Who holds which partition by the database, and since when; and who goes by it. */
export type Tokens = {
  readonly changed: (commit: Commit, before: PartitionRow, after: PartitionRow) => void;
  /** A delivery is held from now on. */
  readonly held: (commit: Commit, key: string, row: LiveRow) => void;
  /** A held delivery was taken from its holder. */
  readonly freed: (commit: Commit, key: string, row: LiveRow) => void;
};

/** Faults that may cost a process its lease, and how long before. */
const COSTLY = ['crash', 'pause', 'sleep', 'cut', 'drain', 'weather', 'database-clock', 'database-restart'];
const BEFORE_MS = 12_000;

export const createTokens = (
  add: (rule: Rule, atMs: number, detail: string) => void,
  faults: Faults,
  /** The process behind a node's id. */
  processOf: (node: string) => string,
): Tokens => {
  const tenures = new Map<number, Tenure[]>();
  const of = (partition: number): readonly Tenure[] =>
    tenures.get(partition) ?? [{ node: null, epoch: 0, fromMs: 0 }];

  /** The tenures of a partition from one moment to another, both included. */
  const between = (partition: number, fromMs: number, toMs: number): readonly Tenure[] => {
    const all = of(partition);
    const first = all.findLastIndex((tenure) => tenure.fromMs <= fromMs);
    // Several may begin at one moment: all of them may have been seen.
    const start = all.findIndex((tenure) => tenure.fromMs === all[first]?.fromMs);
    return all.slice(Math.max(0, start - 1)).filter(({ fromMs: beginMs }, index, rest) => {
      const endMs = rest[index + 1]?.fromMs ?? Infinity;
      return beginMs <= toMs && endMs >= fromMs;
    });
  };

  return {
    changed: (commit, before, after) => {
      if (before.node === after.node && before.epoch === after.epoch) return;
      if (after.node !== null) {
        const isFree = before.node === null || before.untilMs < commit.databaseMs;
        if (!isFree) {
          add(
            'ownership',
            commit.atMs,
            `partition ${after.id} is taken from ${String(before.node)} under its lease`,
          );
        }
        if (after.epoch <= before.epoch) {
          add('ownership', commit.atMs, `partition ${after.id} changes hands without a new epoch`);
        }
      }
      const { node, epoch } = after;
      tenures.set(after.id, [...of(after.id), { node, epoch, fromMs: commit.atMs }]);
    },
    held: (commit, key, { partition, node, epoch }) => {
      const isRight = between(partition, commit.beganMs, commit.atMs).some(
        (tenure) => tenure.node === node && tenure.epoch === epoch,
      );
      if (!isRight) {
        add(
          'fence',
          commit.atMs,
          `${key}: held by ${String(node)} ${String(epoch)} by ${commit.operation}, which does not own ${partition}`,
        );
      }
    },
    freed: (commit, key, { partition, node, epoch }) => {
      const owners = between(partition, commit.beganMs, commit.atMs);
      if (owners.every((tenure) => tenure.node === node && tenure.epoch === epoch)) {
        add('freed', commit.atMs, `${key}: ${commit.operation} takes it from its owner ${String(node)}`);
      }
      const process = processOf(node!);
      if (!faults.hit(process, commit.atMs - BEFORE_MS, commit.atMs, COSTLY)) {
        add(
          'unexplained',
          commit.atMs,
          `${key}: ${commit.operation} finds it left by ${process}, which nothing was done to`,
        );
      }
    },
  };
};
