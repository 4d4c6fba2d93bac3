// For tests of the embedded PostgreSQL: temporary data directories, and starts in a process that can be killed.
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes, randomInt } from 'node:crypto';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import pg from 'pg';
import {
  type EmbeddedOptions,
  type EmbeddedPostgres,
  startEmbedded,
  stopLeftover,
} from '../src/embedded/start.ts';

export const asRoot = process.getuid?.() === 0;

/** A directory that everybody may search, as /var/lib is. */
export const temporaryDirectory = async (): Promise<string> => {
  const directory = await mkdtemp(join(tmpdir(), 'posthorn-embedded-'));
  await chmod(directory, 0o755);
  return directory;
};

const starters = new Set<Starter>();

/** Ends starters that a failed test forgot and the server that runs in the data directory, and removes it. */
export const clean = async (directory: string, dataDir = directory): Promise<void> => {
  await Promise.all([...starters].map((starter) => starter.kill()));
  await stopLeftover({ dataDir, random: randomBytes });
  await rm(directory, { recursive: true, force: true, maxRetries: 3 });
};

export type Started = EmbeddedPostgres & { readonly lines: readonly string[] };

export const start = async (dataDir: string, options: Partial<EmbeddedOptions> = {}): Promise<Started> => {
  const lines: string[] = [];
  const postgres = await startEmbedded({
    dataDir,
    preferredPort: randomInt(20_000, 30_000),
    log: (line) => lines.push(line),
    random: randomBytes,
    ...options,
  });
  return { ...postgres, lines };
};

/** Runs one statement over a connection of its own. */
export const query = async <Row extends pg.QueryResultRow>(url: string, text: string): Promise<Row[]> => {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query<Row>(text)).rows;
  } finally {
    await client.end();
  }
};

export type Starter = {
  readonly process: ChildProcess;
  /** The next line that it prints; rejects when it ends before. */
  readonly line: () => Promise<string>;
  /** Kills the process, not the server, and waits for its end. */
  readonly kill: () => Promise<void>;
};

const program = (dataDir: string): string => `
import { startEmbedded } from ${JSON.stringify(new URL('../src/embedded/start.ts', import.meta.url).href)};
import { randomBytes, randomInt } from 'node:crypto';
const say = (value) => process.stdout.write(JSON.stringify(value) + '\\n');
try {
  const { pid, port, url, freshlyStarted } = await startEmbedded({
    dataDir: ${JSON.stringify(dataDir)},
    preferredPort: randomInt(20000, 30000),
    log: (log) => say({ log }),
    random: randomBytes,
  });
  say({ pid, port, url, freshlyStarted });
  setInterval(() => {}, 1000);
} catch (error) {
  say({ problem: error.problem, message: error.message });
}`;

/** Starts a server from another process, optionally as another user. */
export const startElsewhere = (dataDir: string, uid?: number): Starter => {
  const child = spawn(process.execPath, ['--input-type=module', '-e', program(dataDir)], {
    cwd: '/',
    stdio: ['ignore', 'pipe', 'inherit'],
    ...(uid === undefined ? {} : { uid, gid: uid }),
  });
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const starter: Starter = {
    process: child,
    line: async () => {
      const next = await lines.next();
      if (next.done === true) throw new Error('The starter ended');
      return next.value;
    },
    kill: async () => {
      child.kill('SIGKILL');
      await ended;
      starters.delete(starter);
    },
  };
  starters.add(starter);
  return starter;
};

/** The first line of a starter that has the key, parsed. */
export const lineWith = async <Key extends string>(
  starter: Starter,
  key: Key,
): Promise<Record<string, unknown>> => {
  for (;;) {
    const value = JSON.parse(await starter.line()) as Record<string, unknown>;
    if (key in value) return value;
  }
};
