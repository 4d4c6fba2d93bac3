import { type ChildProcess, spawn } from 'node:child_process';
import { createHmac, randomBytes } from 'node:crypto';
import { chmod, mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Client } from 'pg';
import { listProcesses } from './process-table.ts';
import type { StoreCounters, Subject } from './subject.ts';

const launcher = fileURLToPath(new URL('../../packages/server/bin/posthorn.js', import.meta.url));
const organization = 'org_23rb8YdGqMT0qIzpgGwdXfHirMu';
const startTimeoutMs = 60_000;
const stopTimeoutMs = 15_000;

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

export async function untilReady(base: string, child: ChildProcess, log: string[]): Promise<void> {
  const giveUpAt = performance.now() + startTimeoutMs;
  const said = (): string => log.join('').slice(-3000) || '(it wrote nothing)';
  for (;;) {
    if (child.exitCode !== null || child.signalCode !== null) {
      throw new Error(`posthorn start ended before it was ready. It said:\n${said()}`);
    }
    const answer = await fetch(`${base}/readyz`).catch(() => undefined);
    if (answer?.ok === true) return;
    if (performance.now() > giveUpAt) {
      throw new Error(`posthorn start was not ready within 60 s. It said:\n${said()}`);
    }
    await sleep(50);
  }
}

export async function request(url: string, token: string, body?: unknown): Promise<unknown> {
  const answer = await fetch(url, {
    method: body === undefined ? 'GET' : 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${url} answered ${answer.status}: ${text.slice(0, 500)}`);
  return JSON.parse(text);
}

/** An HS256 JWT for the default organization, signed with the secret's raw bytes. */
export function signToken(secret: string): string {
  const part = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const text = `${part({ alg: 'HS256', typ: 'JWT' })}.${part({ sub: organization })}`;
  return `${text}.${createHmac('sha256', secret).update(text).digest('base64url')}`;
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

/** Sum of a metric over its labels, from the Prometheus text format; NaN when it is not there. */
export function metricValue(text: string, name: string): number {
  const samples = text
    .split('\n')
    .filter((line) => line.startsWith(`${name} `) || line.startsWith(`${name}{`));
  if (samples.length === 0) return Number.NaN;
  return samples.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
}

/** Waits until no delivery is open and none has died; says what is left when it gives up. */
export async function settle(database: Client, timeoutMs: number): Promise<string | undefined> {
  const giveUpAt = performance.now() + timeoutMs;
  for (;;) {
    const { rows } = await database.query<{ open: number; closed: number }>(
      `select (select count(*)::int from live) as open, (select count(*)::int from closed) as closed`,
    );
    const { open, closed } = rows[0] ?? { open: Number.NaN, closed: Number.NaN };
    if (closed > 0) return `${closed} deliveries are dead or canceled in the store`;
    if (open === 0) return undefined;
    if (performance.now() > giveUpAt) return `${open} deliveries are still open in the store`;
    await sleep(5);
  }
}

interface RunningPostmaster {
  readonly pid: number;
  readonly url: string;
}

/** The embedded database as its own files describe it; line 4 of postmaster.pid is the port. */
export async function readPostmaster(dataDir: string): Promise<RunningPostmaster> {
  const lines = (await readFile(join(dataDir, 'postgres', 'postmaster.pid'), 'utf8')).split('\n');
  const password = (await readFile(join(dataDir, 'postgres.password'), 'utf8')).trim();
  const [pid, port] = [Number(lines[0]), Number(lines[3])];
  return { pid, url: `postgres://posthorn:${password}@127.0.0.1:${port}/posthorn` };
}

/** Ends the database of a server that had to be killed. */
export async function endOrphan(dataDir: string): Promise<void> {
  const postmaster = await readPostmaster(dataDir).catch(() => undefined);
  if (postmaster === undefined) return;
  const runs = (): boolean => listProcesses().some(({ pid }) => pid === postmaster.pid);
  if (runs()) process.kill(postmaster.pid, 'SIGINT');
  while (runs()) await sleep(50);
}

function pidOf(child: ChildProcess): number {
  if (child.pid === undefined) throw new Error('posthorn start has no process id');
  return child.pid;
}

export async function stopServer(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, 'exit');
  child.kill('SIGTERM');
  const hardly = setTimeout(() => child.kill('SIGKILL'), stopTimeoutMs);
  await gone;
  clearTimeout(hardly);
}

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  if (address === null || typeof address === 'string') throw new Error('no free port');
  return address.port;
}
