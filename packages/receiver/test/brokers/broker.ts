// Starts a broker for the tests of one file, on ports of its own, and ends it after them.
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll } from 'vitest';

const START_MS = 60_000;
const POLL_MS = 50;

export type Program = {
  readonly command: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
};

/** What a broker's start is given; what it starts or makes here is ended and removed by {@link broker}. */
export type Stage = {
  /** A new directory under the system's for temporary files. */
  readonly directory: string;
  readonly start: (program: Program) => ChildProcess;
  /** Runs a program to its end. */
  readonly run: (program: Program) => Promise<void>;
  /** Resolves when something listens on the loopback port. */
  readonly listening: (port: number) => Promise<void>;
};

/** Repeats a step until it resolves; rejects with its last error when time is up. */
export const until = async <T>(step: () => Promise<T>, withinMs = START_MS): Promise<T> => {
  const deadline = AbortSignal.timeout(withinMs);
  for (;;)
    try {
      return await step();
    } catch (error) {
      if (deadline.aborted) throw error;
      await sleep(POLL_MS);
    }
};

const dial = (port: number): Promise<void> =>
  new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port });
    socket.once('connect', () => {
      socket.destroy();
      resolve();
    });
    socket.once('error', reject);
  });

const ended = (child: ChildProcess): Promise<void> =>
  new Promise((resolve) => {
    if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) resolve();
    else child.once('exit', () => resolve());
  });

const stageIn = (
  directory: string,
): Stage & { readonly end: () => Promise<void>; readonly log: () => string } => {
  const children: ChildProcess[] = [];
  const lines: string[] = [];
  const launch = (args: readonly [string, ...string[]], env: Program['env']): ChildProcess => {
    const [command, ...rest] = args;
    const child = spawn(command, rest, {
      cwd: directory,
      env: { ...process.env, ...env },
      // A group of its own, because some of them are scripts that start the real one.
      detached: true,
    });
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk: Buffer) => lines.push(chunk.toString()));
    child.on('error', (error) => lines.push(error.message));
    children.push(child);
    return child;
  };
  // Its input ends with this process, however that ends.
  const start = ({ command, args, env }: Program): ChildProcess =>
    launch(['/bin/sh', '-c', '"$@" </dev/null & read -r _; kill -9 0', 'sh', command, ...args], env);
  const emergency = (): void => {
    for (const { pid } of children)
      try {
        if (pid !== undefined) process.kill(-pid, 'SIGKILL');
      } catch {
        // It has ended.
      }
  };
  process.once('exit', emergency);
  return {
    directory,
    start,
    run: async ({ command, args, env }) => {
      const child = launch([command, ...args], env);
      await ended(child);
      if (child.exitCode !== 0) throw new Error(`${command} failed`);
    },
    listening: (port) => until(() => dial(port)),
    log: () => lines.join('').slice(-2_000),
    end: async () => {
      emergency();
      await Promise.all(children.map(ended));
      process.off('exit', emergency);
      await rm(directory, { recursive: true, force: true, maxRetries: 3 });
    },
  };
};

/**
 * A running broker, or null, with the reason printed, where it cannot be had; with CI=true that is a
 * failure. Call at the top of a test file.
 */
export const broker = async <T>(name: string, start: (stage: Stage) => Promise<T>): Promise<T | null> => {
  const stage = stageIn(await mkdtemp(join(tmpdir(), 'posthorn-broker-')));
  afterAll(stage.end);
  try {
    return await start(stage);
  } catch (error) {
    await stage.end();
    const reason = `${String(error)}\n${stage.log()}`;
    if (process.env['CI'] === 'true')
      throw new Error(`${name} could not be started: ${reason}`, { cause: error });
    console.warn(`SKIPPED: the tests against ${name}, which could not be started: ${reason}`);
    return null;
  }
};
