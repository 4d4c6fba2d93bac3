import type { ChildProcess } from 'node:child_process';
import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from 'pg';
import { listProcesses } from './process-table.ts';

const organization = 'org_23rb8YdGqMT0qIzpgGwdXfHirMu';
const startTimeoutMs = 60_000;
const stopTimeoutMs = 15_000;

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
