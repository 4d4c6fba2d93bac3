// The client in front of real servers that die: what flush() confirmed is there once.
import pg from 'pg';
import { afterEach, expect, it } from 'vitest';
import { mintToken } from '../../src/api/tokens.ts';
import { createClient } from '../../src/client/index.ts';
import type { Client } from '../../src/client/index.ts';
import { endAll, jwtSecret, startProcess } from '../crash/server-process.ts';
import type { ServerPlan, ServerProcess } from '../crash/server-process.ts';
import { createTestDatabase } from '../postgres.ts';
import { freePort } from '../ports.ts';

const ORG = 'org_23rb8YdGqMT0qIzpgGwdXfHirMu';
const APPLICATIONS = ['first', 'second', 'third'];
const MESSAGES = 1_500;

const servers: ServerProcess[] = [];
const start = (plan: ServerPlan): ServerProcess => {
  const server = startProcess(plan);
  servers.push(server);
  return server;
};

const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  await endAll(servers.splice(0));
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

/** Where the server is to die, one life after the other: the last one lives. */
const lives: readonly (ServerPlan['dieAt'] | undefined)[] = [
  { point: 'after-commit', count: 2 },
  { point: 'before-commit', count: 3 },
  { point: 'after-commit', count: 4 },
  undefined,
];

it(
  'accepts every message once, over servers that die before and after the commit',
  { timeout: 120_000 },
  async () => {
    const database = await createTestDatabase();
    cleanups.push(database.drop);
    const port = await freePort();
    const token = await mintToken({
      secret: Buffer.from(jwtSecret),
      orgId: ORG,
      applicationId: null,
      nowMs: Date.now(),
    });
    const url = `http://127.0.0.1:${port}`;
    const first = start({ databaseUrl: database.url, port });
    await first.ready;
    for (const uid of APPLICATIONS) {
      const made = await fetch(`${url}/api/v1/app`, {
        method: 'POST',
        headers: { authorization: `Bearer ${token}` },
        body: JSON.stringify({ name: uid, uid }),
      });
      expect(made.status).toBe(201);
    }
    first.signal('SIGKILL');
    await first.ended;

    const client: Client = createClient({
      url,
      token,
      timeoutMs: 5_000,
      queue: { batchMessages: 40, lingerMs: 2, flushOnExit: false },
    });
    cleanups.push(() => client.close({ timeoutMs: 0 }));
    // Nobody is there yet, and nobody waits.
    for (let n = 0; n < MESSAGES; n++)
      expect(
        client.enqueue(APPLICATIONS[n % APPLICATIONS.length]!, { eventType: 'a', payload: { n } }),
      ).toEqual({
        ok: true,
      });
    const flushed = client.flush();
    for (const dieAt of lives) {
      const server = start({ databaseUrl: database.url, port, ...(dieAt === undefined ? {} : { dieAt }) });
      if (dieAt === undefined) await server.ready;
      else expect(await server.ended).toMatchObject({ signal: 'SIGKILL' });
    }
    expect(await flushed).toEqual({
      done: true,
      accepted: MESSAGES,
      refused: 0,
      unconfirmed: 0,
      dropped: 0,
      left: 0,
    });
    expect(client.counters().retries).toBeGreaterThanOrEqual(3);

    const pool = new pg.Pool({ connectionString: database.url, max: 1 });
    cleanups.push(() => pool.end());
    const { rows } = await pool.query<{ n: number; times: string }>(
      `select (convert_from(payload, 'utf8')::jsonb ->> 'n')::int as n, count(*) as times
     from message group by 1 order by 1`,
    );
    expect(rows.map(({ n }) => n)).toEqual(Array.from({ length: MESSAGES }, (_, n) => n));
    expect(rows.filter(({ times }) => times !== '1')).toEqual([]);
  },
);
