import { statfs } from 'node:fs/promises';
import { type Disk, type DiskLevel, diskLevel } from '../domain/disk.ts';

export type DiskWatch = {
  /** Looks how full the disk is, and logs when that is too full: at once when it becomes so, then once a minute. */
  readonly look: () => Promise<void>;
  /** At the last look, in [0, 1] or a little above; null: not looked yet. */
  readonly share: () => number | null;
  /** What whoever runs the server should know now. */
  readonly warnings: () => readonly string[];
};

const AGAIN_MS = 60_000;
const PERCENT = 100;

const words = (share: number, level: DiskLevel): string =>
  `the disk of the database is ${Math.floor(share * PERCENT)} % full` +
  (level === 'nearly_full' ? '; when it is full no message is accepted: make room now' : '');

/** As `df` tells it: what is kept for root is not there for the database. */
const usedOf = async (path: string): Promise<number> => {
  const { blocks, bfree, bavail } = await statfs(path);
  const used = blocks - bfree;
  return used / (used + bavail);
};

/** Watches the disk that the database fills. */
export const createDiskWatch = (deps: {
  readonly disk: Disk;
  /** What the database takes. */
  readonly databaseBytes: () => Promise<number>;
  readonly log: { readonly [Level in 'info' | 'warn' | 'error']: (facts: object, text: string) => void };
  readonly monotonicMs: () => number;
}): DiskWatch => {
  const { disk, log } = deps;
  let share: number | null = null;
  let level: DiskLevel = 'fine';
  let toldMs = -Infinity;

  const tell = (): void => {
    const facts = { usedPercent: Math.floor((share ?? 0) * PERCENT), disk };
    if (level === 'fine') log.info(facts, 'the disk of the database has room again');
    else log[level === 'nearly_full' ? 'error' : 'warn'](facts, words(share ?? 0, level));
  };

  return {
    look: async () => {
      share = disk.kind === 'directory' ? await usedOf(disk.path) : (await deps.databaseBytes()) / disk.bytes;
      const before = level;
      level = diskLevel(share);
      const nowMs = deps.monotonicMs();
      if (level === before && (level === 'fine' || nowMs - toldMs < AGAIN_MS)) return;
      toldMs = nowMs;
      tell();
    },
    share: () => share,
    warnings: () => (share === null || level === 'fine' ? [] : [words(share, level)]),
  };
};
