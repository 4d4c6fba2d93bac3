// The real commands as child processes, each in an environment of its own, and all of them ended
// whatever a test does.
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chmod, mkdtemp, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect } from 'vitest';
import { layout } from '../../src/embedded/places.ts';
import { postgresProcessesIn } from '../../src/embedded/processes.ts';
import { stopLeftover } from '../../src/embedded/start.ts';
import { freePort } from '../ports.ts';
import { type Posthorn, startProcess } from './child.ts';

export const launcher = fileURLToPath(new URL('../../bin/posthorn.js', import.meta.url));
export const JWT_SECRET = 'the tests of the command line sign tokens with it';
export const MAIN_SECRET = 'the tests of the command line encrypt with it';

export type RunOptions = {
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly uid?: number;
  readonly cwd?: string;
};

const children = new Set<ChildProcess>();
const directories = new Set<string>();
const dataDirs = new Set<string>();

/** What no test's environment may reach the command by. */
const OURS = /^(POSTHORN_|DATABASE_URL|NODE_|VITEST|TEST|PG|XDG_|npm_)/;

const environment = (extra: RunOptions['env'] = {}): Record<string, string> => {
  const inherited = Object.entries(process.env).filter(([name]) => !OURS.test(name));
  const all = { ...Object.fromEntries(inherited), ...extra };
  return Object.fromEntries(
    Object.entries(all).filter((entry): entry is [string, string] => entry[1] !== undefined),
  );
};

/** Starts a command; it is killed in `afterAll` if it still runs. */
export const posthorn = (args: readonly string[], options: RunOptions = {}): Posthorn => {
  const dataDir = options.env?.['POSTHORN_DATA_DIR'];
  if (dataDir !== undefined) dataDirs.add(dataDir);
  const child = spawn(process.execPath, [launcher, ...args], {
    cwd: options.cwd ?? '/',
    env: environment(options.env),
    stdio: ['ignore', 'pipe', 'pipe'],
    ...(options.uid === undefined ? {} : { uid: options.uid, gid: options.uid }),
  });
  children.add(child);
  return startProcess(child, `posthorn ${args.join(' ')}`, () => children.delete(child));
};

/** Runs a command to its end. */
export const run = async (
  args: readonly string[],
  env: RunOptions['env'] = {},
): Promise<{ readonly code: number | null; readonly out: string; readonly err: string }> => {
  const command = posthorn(args, { env });
  const { code } = await command.ended;
  return { code, out: command.out(), err: command.err() };
};

/** What `posthorn dev` prints for people, once it is there to its end. */
export const textOf = (out: string): string | null => (out.includes('--reset wipes it.\n\n') ? out : null);

export type DevFacts = {
  readonly url: string;
  readonly token: string;
  readonly curl: string;
  readonly postgres: { readonly version: string; readonly port: number } | null;
  readonly demo: {
    readonly kind: string;
    readonly messageId: string;
    readonly problem: string;
    readonly verified: boolean;
  };
  readonly movedFrom: string | null;
  readonly startMs: number;
};

/** What `posthorn dev --json` prints. */
export const devFacts = (out: string): DevFacts | null =>
  out.endsWith('\n') ? (JSON.parse(out) as DevFacts) : null;

/** What these tests read of an answer: an object's id, or a list. */
export type Answer = { readonly id: string; readonly data: readonly Readonly<Record<string, unknown>>[] };

/** One call of the API; `path` begins below `/api/v1`. */
export const api = async (
  url: string,
  token: string,
  method: string,
  path: string,
  body?: unknown,
): Promise<{ readonly status: number; readonly body: Answer }> => {
  const response = await fetch(`${url}/api/v1${path}`, {
    method,
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: body === undefined ? null : JSON.stringify(body),
  });
  const text = await response.text();
  return { status: response.status, body: JSON.parse(text === '' ? '{}' : text) as Answer };
};

/** A directory that everybody may search; removed at the end. */
export const temporaryDirectory = async (): Promise<string> => {
  const directory = await realpath(await mkdtemp(join(tmpdir(), 'posthorn-cli-')));
  await chmod(directory, 0o755);
  directories.add(directory);
  return directory;
};

/** An empty data directory and a free address, as the environment of a command. */
export const freshPlace = async (): Promise<{ POSTHORN_DATA_DIR: string; POSTHORN_LISTEN: string }> => ({
  POSTHORN_DATA_DIR: join(await temporaryDirectory(), 'data'),
  POSTHORN_LISTEN: `127.0.0.1:${await freePort()}`,
});

/** Runs a line in bash, as pasted into a terminal. */
export const bash = (line: string): Promise<string> =>
  new Promise((resolve, reject) => {
    execFile('bash', ['-c', line], { env: environment() }, (error, stdout, stderr) => {
      if (error) reject(new Error(`${error.message}\n${stderr}`));
      else resolve(stdout);
    });
  });

/** Waits until it holds; for what no process tells by itself. */
export const eventually = async <T>(
  what: string,
  ask: () => Promise<T | null | undefined | false>,
  withinMs = 20_000,
): Promise<T> => {
  const endMs = performance.now() + withinMs;
  for (;;) {
    const answer = await ask();
    if (answer !== null && answer !== undefined && answer !== false) return answer;
    if (performance.now() > endMs) throw new Error(`Waited ${withinMs} ms in vain for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
};

/** The server processes of the embedded database in a data directory, by pid. */
export const postgresOf = (dataDir: string): Promise<readonly number[]> =>
  postgresProcessesIn(layout(dataDir).cluster);

afterAll(async () => {
  const forgotten = [...children];
  for (const child of forgotten) child.kill('SIGKILL');
  const left = (await Promise.all([...dataDirs].map(postgresOf))).flat();
  await Promise.all([...dataDirs].map((dataDir) => stopLeftover({ dataDir, random: randomBytes })));
  await Promise.all(
    [...directories].map((directory) => rm(directory, { recursive: true, force: true, maxRetries: 3 })),
  );
  expect({ running: forgotten.map(({ spawnargs }) => spawnargs.join(' ')), postgres: left }).toEqual({
    running: [],
    postgres: [],
  });
});

process.once('exit', () => {
  for (const child of children) child.kill('SIGKILL');
});
