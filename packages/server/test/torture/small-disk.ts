import { execFile, spawnSync } from 'node:child_process';
import { open, rm, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const MB = 1024 * 1024;
const FILLER = 'filler';

/** A disk of its own for a directory, in memory. Needs root. The returned function takes it away. */
export const mountSmallDisk = async (directory: string, sizeMb: number): Promise<() => Promise<void>> => {
  await run('mount', ['-t', 'tmpfs', '-o', `size=${sizeMb}m,mode=0755`, 'torture', directory]);
  const unmount = (): void => void spawnSync('umount', ['--lazy', directory]);
  // Also when this process ends in the middle.
  process.prependOnceListener('exit', unmount);
  return async () => {
    process.off('exit', unmount);
    await run('umount', ['--lazy', directory]);
  };
};

/** How much of the disk is in use, in [0, 1], as `df` tells it. */
export const usedShare = async (directory: string): Promise<number> => {
  const { blocks, bfree, bavail } = await statfs(directory);
  const used = blocks - bfree;
  return used / (used + bavail);
};

const isFull = (error: unknown): boolean => (error as NodeJS.ErrnoException).code === 'ENOSPC';

/** Writes a file until so much of the disk is in use; 1: until nothing fits any more. */
export const fillUp = async (directory: string, share = 1): Promise<void> => {
  const file = await open(join(directory, FILLER), 'a');
  try {
    for (let bytes = MB; bytes >= 512;) {
      if (share < 1 && (await usedShare(directory)) >= share) return;
      try {
        const { bytesWritten } = await file.write(Buffer.alloc(bytes));
        if (bytesWritten < bytes) bytes /= 2;
      } catch (error) {
        if (!isFull(error)) throw error;
        bytes /= 2;
      }
    }
  } finally {
    await file.close();
  }
};

export const freeUp = (directory: string): Promise<void> => rm(join(directory, FILLER), { force: true });
