import { type ChildProcess, spawn } from 'node:child_process';
import { type FileHandle, open, rename, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Account } from './account.ts';
import type { Binaries } from './binaries.ts';
import { CHILD_ENVIRONMENT, openDirectory } from './command.ts';
import { programFailed } from './errors.ts';
import { endSurvivors, readPidFile, stopPostmaster } from './leftover.ts';
import { parsePidFile } from './pid-file.ts';
import { answers, freePorts } from './port.ts';
import { identityOf } from './processes.ts';

/** How a server ended: because {@link Postmaster.stop} was called, or by itself. */
export type PostmasterExit =
  | { readonly kind: 'stopped' }
  /** `reason` is one line: exit code or signal, where it is known. */
  | { readonly kind: 'died'; readonly reason: string };

export type Postmaster = {
  readonly pid: number;
  readonly port: number;
  readonly exited: Promise<PostmasterExit>;
  /** Idempotent; resolves when the process is gone. */
  readonly stop: () => Promise<void>;
};

type Launch = {
  readonly binaries: Binaries;
  readonly account: Account | undefined;
  readonly dataDir: string;
  readonly cluster: string;
  readonly logFile: string;
  readonly serverArguments: readonly string[];
  readonly signal: AbortSignal | undefined;
};

const LOG_LIMIT_BYTES = 8 * 1024 * 1024;
const READY_POLL_MS = 5;
const ANSWER_MS = 1_000;
const ADOPTED_POLL_MS = 250;
const SURVIVOR_ATTEMPTS = 5;

const PORT_TAKEN = /could not bind|Address already in use|could not create any TCP\/IP sockets/;
const SURVIVORS = /pre-existing shared memory block|lock file "postmaster.pid" already exists/;

const openLog = async (path: string): Promise<{ readonly handle: FileHandle; readonly start: number }> => {
  const old = await stat(path).catch(() => undefined);
  if (old !== undefined && old.size > LOG_LIMIT_BYTES) await rename(path, `${path}.old`);
  const handle = await open(path, 'a+', 0o600);
  return { handle, start: (await handle.stat()).size };
};

const readFrom = async (handle: FileHandle, start: number): Promise<string> => {
  const { size } = await handle.stat();
  const buffer = Buffer.alloc(Math.min(size - start, 64 * 1024));
  await handle.read(buffer, 0, buffer.length, start);
  return buffer.toString('utf8');
};

/** One promise of the end of a child, however it ends, usable more than once. */
const endOf = (child: ChildProcess): Promise<string> =>
  new Promise((resolve) => {
    child.once('error', (error) => resolve(error.message));
    child.once('exit', (code, signal) =>
      resolve(signal === null ? `exit code ${String(code)}` : `ended by ${signal}`),
    );
  });

type Attempt =
  | { readonly kind: 'ready'; readonly postmaster: Postmaster }
  | { readonly kind: 'failed'; readonly output: string };

const attemptStart = async (launch: Launch, port: number): Promise<Attempt> => {
  const access = await openDirectory(launch.cluster, launch.account);
  const { handle, start } = await openLog(launch.logFile);
  try {
    const child = spawn(
      join(launch.binaries.directory, 'postgres'),
      ['-D', access.argument, '-p', String(port), ...launch.serverArguments],
      {
        cwd: '/',
        env: CHILD_ENVIRONMENT,
        // A session of its own: Ctrl-C is for us, and we stop the server after our last write to it.
        detached: true,
        stdio: [
          'ignore',
          handle.fd,
          handle.fd,
          ...(access.descriptor === undefined ? [] : [access.descriptor]),
        ],
        ...launch.account,
      },
    );
    const end = endOf(child);
    let ended: string | undefined;
    void end.then((reason) => {
      ended = reason;
    });
    for (;;) {
      if (ended !== undefined || child.pid === undefined) {
        return { kind: 'failed', output: `${await readFrom(handle, start)}\n${await end}` };
      }
      if (launch.signal?.aborted === true) {
        await stopPostmaster(child.pid);
        launch.signal.throwIfAborted();
      }
      const file = parsePidFile((await readPidFile(launch.cluster)) ?? '');
      if (file?.pid === child.pid && file.status === 'ready' && (await answers(port, ANSWER_MS))) {
        return { kind: 'ready', postmaster: superviseChild(child, child.pid, port, end) };
      }
      await sleep(READY_POLL_MS);
    }
  } finally {
    await Promise.all([access.close(), handle.close()]);
  }
};

const supervise = (pid: number, port: number, end: Promise<string>, hold: () => void): Postmaster => {
  let stopping: Promise<void> | undefined;
  return {
    pid,
    port,
    exited: end.then((reason) => (stopping === undefined ? { kind: 'died', reason } : { kind: 'stopped' })),
    stop: () => {
      if (stopping === undefined) {
        hold();
        stopping = stopPostmaster(pid);
      }
      return stopping;
    },
  };
};

const superviseChild = (child: ChildProcess, pid: number, port: number, end: Promise<string>): Postmaster => {
  // The server alone must not keep our process alive; a stop that is under way must.
  child.unref();
  return supervise(pid, port, end, () => child.ref());
};

/** Supervises a server that another process started. */
export const adoptPostmaster = async (pid: number, port: number): Promise<Postmaster> => {
  const identity = await identityOf(pid);
  let timer: NodeJS.Timeout | undefined;
  let holding = false;
  const end = new Promise<string>((resolve) => {
    const look = async (): Promise<void> => {
      if (identity === undefined || (await identityOf(pid)) !== identity) {
        resolve('it is gone');
        return;
      }
      timer = setTimeout(() => void look(), ADOPTED_POLL_MS);
      if (!holding) timer.unref();
    };
    void look();
  });
  return supervise(pid, port, end, () => {
    holding = true;
    timer?.ref();
  });
};

/** Starts the server of a complete cluster at the first free of `ports`; resolves when it accepts connections. */
export const startPostmaster = async (launch: Launch, ports: readonly number[]): Promise<Postmaster> => {
  let survivorAttempts = 0;
  for await (const port of freePorts(ports)) {
    let attempt = await attemptStart(launch, port);
    while (
      attempt.kind === 'failed' &&
      SURVIVORS.test(attempt.output) &&
      survivorAttempts < SURVIVOR_ATTEMPTS
    ) {
      survivorAttempts += 1;
      await endSurvivors(launch.cluster);
      await sleep(200);
      attempt = await attemptStart(launch, port);
    }
    if (attempt.kind === 'ready') return attempt.postmaster;
    if (!PORT_TAKEN.test(attempt.output))
      throw programFailed('starting the server', launch.dataDir, attempt.output);
  }
  throw programFailed('finding a free port', launch.dataDir, 'no loopback port is free');
};
