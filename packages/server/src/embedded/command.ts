import { spawn } from 'node:child_process';
import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { type Account, canReach } from './account.ts';
import { sendSignal } from './processes.ts';

/**
 * The environment of every PostgreSQL program: nothing of ours leaks in (PGDATA, PGPORT, a broken LANG),
 * messages are in English so that they can be sorted, and initdb need not guess the time zone.
 */
export const CHILD_ENVIRONMENT = { PATH: '/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' };

/** How a program that runs as another user names a directory. */
export type DirectoryAccess = {
  readonly argument: string;
  /** An open directory that must become the child's descriptor 3. */
  readonly descriptor: number | undefined;
  readonly close: () => Promise<void>;
};

const CHILD_DESCRIPTOR = 3;

/**
 * Lets `account` work in `directory` even below a directory that it may not search, such as root's home:
 * the child inherits the open directory and reaches it through /proc, so nobody's home is loosened.
 */
export const openDirectory = async (
  directory: string,
  account: Account | undefined,
): Promise<DirectoryAccess> => {
  if (process.platform !== 'linux' || (await canReach(directory, account))) {
    return { argument: directory, descriptor: undefined, close: async () => {} };
  }
  const handle = await open(directory, constants.O_RDONLY | constants.O_DIRECTORY);
  return {
    argument: `/proc/self/fd/${CHILD_DESCRIPTOR}`,
    descriptor: handle.fd,
    close: () => handle.close(),
  };
};

export type CommandResult =
  | { readonly kind: 'exited'; readonly code: number | null; readonly output: string }
  | { readonly kind: 'not_started'; readonly code: string; readonly output: string };

/**
 * Runs a program to its end and keeps what it printed. Aborting kills it and everything it started
 * (rejects with the signal's reason).
 */
export const runCommand = (
  program: string,
  commandArguments: readonly string[],
  options: {
    readonly account?: Account | undefined;
    readonly descriptor?: number | undefined;
    readonly stdin?: string;
    readonly signal?: AbortSignal | undefined;
  },
): Promise<CommandResult> =>
  new Promise((resolve, reject) => {
    options.signal?.throwIfAborted();
    const child = spawn(program, commandArguments, {
      cwd: '/',
      env: CHILD_ENVIRONMENT,
      // A group of its own: the terminal's Ctrl-C must not reach it, and an abort must reach its children.
      detached: true,
      stdio: ['pipe', 'pipe', 'pipe', ...(options.descriptor === undefined ? [] : [options.descriptor])],
      ...options.account,
    });
    let output = '';
    const collect = (chunk: Buffer): void => {
      output += chunk.toString('utf8');
    };
    child.stdout?.on('data', collect);
    child.stderr?.on('data', collect);
    // A program that dies early closes its input; its exit code says why.
    child.stdin?.on('error', () => {});
    child.stdin?.end(options.stdin ?? '');
    const abort = (): void => {
      if (child.pid !== undefined) sendSignal(-child.pid, 'SIGKILL');
    };
    options.signal?.addEventListener('abort', abort, { once: true });
    child.once('error', (error: NodeJS.ErrnoException) => {
      options.signal?.removeEventListener('abort', abort);
      resolve({ kind: 'not_started', code: error.code ?? 'UNKNOWN', output: error.message });
    });
    child.once('close', (code) => {
      options.signal?.removeEventListener('abort', abort);
      if (options.signal?.aborted === true) reject(options.signal.reason as Error);
      else resolve({ kind: 'exited', code, output });
    });
  });
