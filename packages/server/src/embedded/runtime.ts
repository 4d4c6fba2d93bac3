import { readFile, rename, writeFile } from 'node:fs/promises';
import { DATABASE } from './cluster.ts';
import { examineLeftover } from './leftover.ts';
import { type LockHolder, readLock } from './lock.ts';
import { type Layout, layout } from './places.ts';

/** What the last start wrote down for the next one. */
export type RunRecord = {
  readonly port: number;
  readonly version: string;
  /** The server's settings, without place and port. */
  readonly arguments: readonly string[];
};

/** Who uses a data directory, and the server in it. */
export type Runtime = {
  /** The Posthorn process, since when in Unix ms. */
  readonly holder: (LockHolder & { readonly sinceMs: number }) | undefined;
  readonly postmaster: { readonly pid: number; readonly port: number } | undefined;
  /** With the password; undefined while no server runs. */
  readonly url: string | undefined;
};

const readOrUndefined = async (path: string): Promise<string | undefined> => {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
};

/** Replaces a file in one step; only its owner may read it. */
export const replaceFile = async (path: string, text: string, unique: string): Promise<void> => {
  const draft = `${path}.${unique}`;
  await writeFile(draft, text, { mode: 0o600, flag: 'wx', flush: true });
  await rename(draft, path);
};

/** Undefined when there is none or it is damaged: it only saves work, it decides nothing. */
export const readRecord = async (path: string): Promise<RunRecord | undefined> => {
  try {
    const value: unknown = JSON.parse((await readOrUndefined(path)) ?? 'null');
    if (typeof value !== 'object' || value === null) return undefined;
    const { port, version, arguments: settings } = value as Partial<Record<keyof RunRecord, unknown>>;
    if (typeof port !== 'number' || typeof version !== 'string' || !Array.isArray(settings)) return undefined;
    return { port, version, arguments: settings.map(String) };
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
};

export const readPassword = async (path: string): Promise<string | undefined> => {
  const text = (await readOrUndefined(path))?.trim();
  return text === undefined || !/^[\w-]+$/.test(text) ? undefined : text;
};

export const databaseUrl = (port: number, password: string): string =>
  `postgres://${DATABASE}:${password}@127.0.0.1:${port}/${DATABASE}`;

/** Looks at a data directory (a resolved path) without changing anything. */
export const readRuntime = async (dataDir: string): Promise<Runtime> => {
  const places: Layout = layout(dataDir);
  const [holder, leftover, password] = await Promise.all([
    readLock(places.lock),
    examineLeftover(places.cluster),
    readPassword(places.password),
  ]);
  if (leftover.kind !== 'running') return { holder, postmaster: undefined, url: undefined };
  const { pid, port } = leftover;
  return {
    holder,
    postmaster: { pid, port },
    url: password === undefined ? undefined : databaseUrl(port, password),
  };
};
