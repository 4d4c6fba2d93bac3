import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Client } from 'pg';
import {
  endOrphan,
  freePort,
  metricValue,
  readPostmaster,
  request,
  settle,
  signToken,
  stopServer,
  untilReady,
} from '../shared/server.ts';
import type { StoreCounters, Subject } from './subject.ts';

const launcher = fileURLToPath(new URL('../../packages/server/bin/posthorn.js', import.meta.url));

/**
 * Starts the real `posthorn start` with a database of its own in a temporary
 * directory, and makes one application with one endpoint at `target`, over the
 * API as a user would.
 */
export async function startDurable(target: string): Promise<Subject> {
  const home = await mkdtemp(join(tmpdir(), 'posthorn-bench-'));
  // As root the database runs under another account, which must reach its directory.
  await chmod(home, 0o711);
  const dataDir = join(home, 'data');
  const port = await freePort();
  const jwtSecret = randomBytes(24).toString('hex');
  const { child, log } = launch(port, dataDir, jwtSecret);
  const clean = async (): Promise<void> => {
    await stopServer(child);
    await endOrphan(dataDir);
    await rm(home, { recursive: true, force: true });
  };
  try {
    const base = `http://127.0.0.1:${port}`;
    await untilReady(base, child, log);
    const token = signToken(jwtSecret);
    const post = async (path: string, body: unknown): Promise<{ id: string }> =>
      (await request(`${base}${path}`, token, body)) as { id: string };
    const application = await post('/api/v1/app', { name: 'Bench' });
    const path = `/api/v1/app/${application.id}/endpoint`;
    const endpoint = await post(path, { url: target });
    const secret = await request(`${base}${path}/${endpoint.id}/secret`, token);
    const postmaster = await readPostmaster(dataDir);
    const database = new Client({ connectionString: postmaster.url });
    await database.connect();
    return {
      name: 'durable',
      port,
      application: application.id,
      token,
      secret: (secret as { key: string }).key,
      pid: pidOf(child),
      postmaster: () => postmaster.pid,
      storeCounters: () => storeCounters(base, database),
      settle: (timeoutMs) => settle(database, timeoutMs),
      stop: async () => {
        await database.end();
        await clean();
      },
    };
  } catch (error) {
    await clean();
    throw error;
  }
}

function launch(port: number, dataDir: string, jwtSecret: string): { child: ChildProcess; log: string[] } {
  const inherited = Object.entries(process.env).filter(
    ([name]) => !name.startsWith('POSTHORN_') && name !== 'DATABASE_URL',
  );
  const child = spawn(process.execPath, [launcher, 'start', '--listen', `127.0.0.1:${port}`], {
    env: {
      ...Object.fromEntries(inherited),
      POSTHORN_EMBEDDED: 'true',
      POSTHORN_DATA_DIR: dataDir,
      POSTHORN_JWT_SECRET: jwtSecret,
      POSTHORN_MAIN_SECRET: randomBytes(32).toString('hex'),
      POSTHORN_HTTPS_ONLY: 'false',
      POSTHORN_ALLOW_SUBNETS: '127.0.0.0/8',
      // A line of log per attempt is the operator's choice; the relays write none.
      POSTHORN_LOG_LEVEL: 'warn',
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const log: string[] = [];
  const keep = (chunk: Buffer): void => {
    log.push(chunk.toString());
    if (log.length > 200) log.shift();
  };
  child.stdout.on('data', keep);
  child.stderr.on('data', keep);
  return { child, log };
}

async function storeCounters(base: string, database: Client): Promise<StoreCounters> {
  const metrics = await (await fetch(`${base}/metrics`)).text();
  const { rows } = await database.query<{ committed: string }>(
    'select xact_commit as committed from pg_stat_database where datname = current_database()',
  );
  return {
    statements: metricValue(metrics, 'posthorn_db_statements_total'),
    transactions: Number(rows[0]?.committed),
  };
}

function pidOf(child: ChildProcess): number {
  if (child.pid === undefined) throw new Error('posthorn start has no process id');
  return child.pid;
}
