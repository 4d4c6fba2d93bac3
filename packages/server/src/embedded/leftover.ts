import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type PidFile, parsePidFile, withPid } from './pid-file.ts';
import { answers } from './port.ts';
import { identityOf, isPostgresIn, postgresProcessesIn, sendSignal } from './processes.ts';
import { until } from './wait.ts';

/** What an earlier run left in a cluster. */
export type Leftover =
  | { readonly kind: 'none' }
  /** A pid file that says nothing. */
  | { readonly kind: 'damaged' }
  /** A pid file whose process is gone, or whose number belongs to another program. */
  | { readonly kind: 'stale'; readonly pid: number }
  | ({ readonly kind: 'running' } & PidFile);

export type StopPatience = { readonly fastMs: number; readonly immediateMs: number };
const PATIENCE: StopPatience = { fastMs: 3_000, immediateMs: 5_000 };
/** A server that does not answer will not shut down in order either. Recovery makes the abrupt way safe. */
const NO_PATIENCE: StopPatience = { fastMs: 0, immediateMs: 1_000 };
const POLL_MS = 10;
const ANSWER_MS = 2_000;
const KILLED_MS = 5_000;
const CHANGING_MS = 300_000;
const STOPPING_MS = 10_000;

const pidFilePath = (cluster: string): string => join(cluster, 'postmaster.pid');

/** The text of postmaster.pid; undefined when there is none. */
export const readPidFile = async (cluster: string): Promise<string | undefined> => {
  try {
    return await readFile(pidFilePath(cluster), 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
};

/** Looks at `cluster` (a resolved path) without changing anything. */
export const examineLeftover = async (cluster: string): Promise<Leftover> => {
  const text = await readPidFile(cluster);
  if (text === undefined) return { kind: 'none' };
  const file = parsePidFile(text);
  if (file === undefined) return { kind: 'damaged' };
  if ((await identityOf(file.pid)) === undefined) return { kind: 'stale', pid: file.pid };
  if (await isPostgresIn(file.pid, cluster)) return { kind: 'running', ...file };
  return { kind: 'stale', pid: file.pid };
};

/**
 * Ends a postmaster: fast shutdown (SIGINT), then immediate (SIGQUIT), then SIGKILL. Returns when the
 * process is gone.
 */
export const stopPostmaster = async (pid: number, patience: StopPatience = PATIENCE): Promise<void> => {
  const identity = await identityOf(pid);
  if (identity === undefined) return;
  const gone = async (): Promise<boolean> => (await identityOf(pid)) !== identity;
  const steps: readonly (readonly [NodeJS.Signals, number])[] = [
    ['SIGINT', patience.fastMs],
    ['SIGQUIT', patience.immediateMs],
    ['SIGKILL', KILLED_MS],
  ];
  for (const [signal, timeoutMs] of steps) {
    if (timeoutMs === 0) continue;
    sendSignal(pid, signal);
    if (await until(gone, { timeoutMs, everyMs: POLL_MS })) return;
  }
  throw new Error(`The PostgreSQL server ${pid} does not end, not even by SIGKILL`);
};

/** Ends server processes that outlived their postmaster; a new one refuses to start beside them. */
export const endSurvivors = async (cluster: string): Promise<void> => {
  for (const signal of ['SIGQUIT', 'SIGKILL'] as const) {
    for (const pid of await postgresProcessesIn(cluster)) sendSignal(pid, signal);
    const empty = async (): Promise<boolean> => (await postgresProcessesIn(cluster)).length === 0;
    if (await until(empty, { timeoutMs: 2_000, everyMs: POLL_MS })) return;
  }
};

const clearStalePidFile = async (cluster: string, leftover: Leftover): Promise<void> => {
  await endSurvivors(cluster);
  const text = await readPidFile(cluster);
  if (text === undefined) return;
  if (leftover.kind === 'damaged') await rm(pidFilePath(cluster), { force: true });
  // A number that somebody has (another program, or the dead server that nobody has reaped yet) keeps a new
  // server from starting; the number of its own parent does not.
  else await writeFile(pidFilePath(cluster), withPid(text, process.pid));
};

/**
 * Leaves `cluster` so that a server can start in it, or finds the running one to go on with.
 *
 * A running server is adopted when `mayAdopt` agrees and it answers; otherwise it is stopped. Call under
 * the data directory's lock.
 */
export const settleLeftover = async (
  cluster: string,
  options: {
    readonly mayAdopt: (port: number) => boolean;
    readonly log: (line: string) => void;
    readonly signal: AbortSignal | undefined;
  },
): Promise<
  { readonly kind: 'start' } | { readonly kind: 'adopt'; readonly pid: number; readonly port: number }
> => {
  const { log, signal } = options;
  for (;;) {
    signal?.throwIfAborted();
    const leftover = await examineLeftover(cluster);
    if (leftover.kind === 'none') return { kind: 'start' };
    if (leftover.kind !== 'running') {
      log('The last run did not end in order; PostgreSQL recovers from its write-ahead log');
      await clearStalePidFile(cluster, leftover);
      return { kind: 'start' };
    }
    const { pid, port, status } = leftover;
    const moved = async (): Promise<boolean> => {
      const now = await examineLeftover(cluster);
      return now.kind !== 'running' || now.pid !== pid || now.status !== status;
    };
    switch (status) {
      case 'unknown':
      case 'starting':
        log(`A PostgreSQL that an earlier run started (process ${pid}) is still starting; waiting for it`);
        if (!(await until(moved, { timeoutMs: CHANGING_MS, everyMs: POLL_MS, signal })))
          await stopPostmaster(pid);
        break;
      case 'stopping':
        if (!(await until(moved, { timeoutMs: STOPPING_MS, everyMs: POLL_MS, signal })))
          await stopPostmaster(pid);
        break;
      case 'ready':
      case 'standby': {
        if (!options.mayAdopt(port)) {
          log(
            `Restarting the PostgreSQL that an earlier run left (process ${pid}): it runs with other settings`,
          );
          await stopPostmaster(pid);
        } else if (await answers(port, ANSWER_MS)) {
          return { kind: 'adopt', pid, port };
        } else {
          log(`The PostgreSQL that an earlier run left (process ${pid}) does not answer; restarting it`);
          await stopPostmaster(pid, NO_PATIENCE);
        }
        break;
      }
      default: {
        const never: never = status;
        throw new Error(`Unknown status ${String(never)}`);
      }
    }
  }
};
