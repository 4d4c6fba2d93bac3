import { createHash } from 'node:crypto';
import { link, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { identityOf } from './processes.ts';

/** The process that uses a data directory. */
export type LockHolder = {
  readonly pid: number;
  /** See {@link identityOf}: a later process with the same number has another identity. */
  readonly identity: string;
};

export type LockAnswer =
  | { readonly kind: 'acquired'; readonly release: () => Promise<void> }
  | { readonly kind: 'held'; readonly holder: LockHolder };

const ATTEMPTS = 400;
const PAUSE_MS = 5;

const read = async (path: string): Promise<string | undefined> => {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
};

/** The holder named by a lock file's text; undefined when the text is damaged. */
export const parseHolder = (text: string): LockHolder | undefined => {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== 'object' || value === null || !('pid' in value) || !('identity' in value))
      return undefined;
    const { pid, identity } = value;
    return typeof pid === 'number' && pid > 0 && typeof identity === 'string' ? { pid, identity } : undefined;
  } catch {
    return undefined;
  }
};

const livingHolder = async (text: string): Promise<LockHolder | undefined> => {
  const holder = parseHolder(text);
  return holder !== undefined && (await identityOf(holder.pid)) === holder.identity ? holder : undefined;
};

/** Creates `path` with the draft's content in one step; false when it exists. */
const claim = async (draft: string, path: string): Promise<boolean> => {
  try {
    await link(draft, path);
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false;
    throw error;
  }
};

/**
 * Removes the lock of a dead process. The right to remove exactly this text is itself claimed, so that of
 * several starters none can remove the lock that another has just taken.
 */
const clearStale = async (path: string, text: string, draft: string): Promise<void> => {
  const right = `${path}.clear-${createHash('sha256').update(text).digest('hex').slice(0, 16)}`;
  if (!(await claim(draft, right))) {
    const other = await read(right);
    if (other !== undefined && (await livingHolder(other)) === undefined) await rm(right, { force: true });
    else await sleep(PAUSE_MS);
    return;
  }
  try {
    if ((await read(path)) === text) await rm(path, { force: true });
  } finally {
    await rm(right, { force: true });
  }
};

/**
 * Makes this process the only user of a data directory, until `release` or its death (by kill -9 too: a
 * lock whose process is gone, or whose number belongs to another process by now, counts for nothing).
 *
 * `unique` names a temporary file beside the lock.
 */
export const acquireLock = async (path: string, unique: string): Promise<LockAnswer> => {
  const identity = await identityOf(process.pid);
  if (identity === undefined) throw new Error('This process cannot find itself in the process table');
  // The unique part keeps two attempts of one process apart.
  const own = `${JSON.stringify({ pid: process.pid, identity, unique })}\n`;
  const draft = `${path}.${unique}`;
  await writeFile(draft, own, { flag: 'wx', mode: 0o600 });
  try {
    for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
      if (await claim(draft, path)) {
        return {
          kind: 'acquired',
          release: async () => {
            if ((await read(path)) === own) await rm(path, { force: true });
          },
        };
      }
      const text = await read(path);
      if (text === undefined) continue;
      const holder = await livingHolder(text);
      if (holder !== undefined) return { kind: 'held', holder };
      await clearStale(path, text, draft);
    }
    throw new Error(`The lock ${path} keeps changing hands`);
  } finally {
    await rm(draft, { force: true });
  }
};

/** Who holds the lock now, and since when (Unix ms); undefined when nobody alive does. */
export const readLock = async (
  path: string,
): Promise<(LockHolder & { readonly sinceMs: number }) | undefined> => {
  const text = await read(path);
  const holder = text === undefined ? undefined : await livingHolder(text);
  if (holder === undefined) return undefined;
  const file = await stat(path).catch(() => undefined);
  return file === undefined ? undefined : { ...holder, sinceMs: file.mtimeMs };
};
