import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { operatorToken } from '../../packages/server/src/cli/sign-token.ts';
import { endOrphan, freePort, readPostmaster, request, signToken, stopServer, untilReady } from './server.ts';

const launcher = fileURLToPath(new URL('../../packages/server/bin/posthorn.js', import.meta.url));

/** One `posthorn start`. */
export interface BenchNode {
  readonly port: number;
  readonly child: ChildProcess;
}

/** One database and the processes on it. */
export interface Place {
  readonly token: string;
  /** The first process brings the embedded database; further ones join it. */
  start(settings?: Readonly<Record<string, string>>): Promise<BenchNode>;
  call(node: BenchNode, path: string, body?: unknown): Promise<unknown>;
  /** As whoever runs the server. */
  ask(node: BenchNode, path: string): Promise<unknown>;
  databaseUrl(): Promise<string>;
  readonly dataDir: string;
  stop(): Promise<void>;
}

/**
 * A directory of its own, nothing in it yet. Everything is ended and removed by `stop`, and on SIGINT and
 * SIGTERM, unless the caller wants to do that itself (`leave`).
 */
export async function openPlace({ onSignal = 'stop' }: { onSignal?: 'stop' | 'leave' } = {}): Promise<Place> {
  const home = await mkdtemp(join(tmpdir(), 'posthorn-bench-'));
  // As root the database runs under another account, which must reach its directory.
  await chmod(home, 0o711);
  const dataDir = join(home, 'data');
  const jwtSecret = randomBytes(24).toString('hex');
  const mainSecret = randomBytes(32).toString('hex');
  const token = signToken(jwtSecret);
  const nodes: BenchNode[] = [];
  const stop = async (): Promise<void> => {
    process.off('SIGINT', interrupted);
    process.off('SIGTERM', interrupted);
    // The first one last: it holds the database.
    for (const { child } of nodes.toReversed()) await stopServer(child);
    await endOrphan(dataDir);
    await rm(home, { recursive: true, force: true });
  };
  const interrupted = (): void => {
    void stop().finally(() => process.exit(130));
  };
  if (onSignal === 'stop') {
    process.once('SIGINT', interrupted);
    process.once('SIGTERM', interrupted);
  }
  const databaseUrl = async (): Promise<string> => (await readPostmaster(dataDir)).url;
  return {
    token,
    databaseUrl,
    dataDir,
    start: async (settings = {}) => {
      const port = await freePort();
      const inherited = Object.entries(process.env).filter(
        ([name]) => !name.startsWith('POSTHORN_') && name !== 'DATABASE_URL',
      );
      const child = spawn(process.execPath, [launcher, 'start'], {
        env: {
          ...Object.fromEntries(inherited),
          ...(nodes.length === 0 ? { POSTHORN_EMBEDDED: 'true' } : { DATABASE_URL: await databaseUrl() }),
          POSTHORN_DATA_DIR: dataDir,
          POSTHORN_LISTEN: `127.0.0.1:${port}`,
          POSTHORN_JWT_SECRET: jwtSecret,
          POSTHORN_MAIN_SECRET: mainSecret,
          POSTHORN_HTTPS_ONLY: 'false',
          POSTHORN_ALLOW_SUBNETS: '127.0.0.0/8',
          POSTHORN_LOG_LEVEL: 'warn',
          ...settings,
        },
        stdio: ['ignore', 'pipe', 'pipe'],
        // In a group of its own the terminal's Ctrl-C does not reach it.
        detached: onSignal === 'leave',
      });
      const log: string[] = [];
      for (const stream of [child.stdout, child.stderr]) {
        stream.on('data', (chunk: Buffer) => {
          log.push(chunk.toString());
          if (log.length > 200) log.shift();
        });
      }
      const node = { port, child };
      nodes.push(node);
      await untilReady(`http://127.0.0.1:${port}`, child, log);
      return node;
    },
    ask: (node, path) =>
      request(`http://127.0.0.1:${node.port}/api/v1${path}`, operatorToken(jwtSecret, Date.now())),
    call: (node, path, body) => request(`http://127.0.0.1:${node.port}/api/v1${path}`, token, body),
    stop,
  };
}

interface Spread {
  readonly nodes: readonly { readonly role: string; readonly partitions: number }[];
  readonly unowned: number;
}

/** Waits until `owners` nodes own everything, evenly. */
export async function untilEven(place: Place, node: BenchNode, owners: number): Promise<void> {
  const giveUpAt = performance.now() + 120_000;
  for (;;) {
    const { nodes, unowned } = (await place.ask(node, '/admin/cluster')) as Spread;
    const held = nodes.map(({ partitions }) => partitions).filter((count) => count > 0);
    if (unowned === 0 && held.length === owners && Math.max(...held) - Math.min(...held) <= 1) return;
    if (performance.now() > giveUpAt) throw new Error(`the partitions did not spread over ${owners} nodes`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
