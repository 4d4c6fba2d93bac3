// `posthorn start --workers`: a pool under one address, and `posthorn cluster`.
import { readFile } from 'node:fs/promises';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startReceiver, type Receiver } from '../journey/harness.ts';
import { createTestDatabase, type TestDatabase } from '../postgres.ts';
import { freePort } from '../ports.ts';
import type { Posthorn } from './child.ts';
import {
  api,
  eventually,
  freshPlace,
  JWT_SECRET,
  MAIN_SECRET,
  posthorn,
  postgresOf,
  run,
} from './posthorn.ts';

type LogLine = { readonly msg: string; readonly worker: number; readonly [field: string]: unknown };

const logOf = (command: Posthorn): LogLine[] =>
  command
    .out()
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as LogLine);

const saying = (command: Posthorn, text: string): LogLine[] =>
  logOf(command).filter(({ msg }) => msg === text);

/** Processes of the pool that serve now, oldest first. */
const workersOf = async (command: Posthorn): Promise<number[]> => {
  const pids = saying(command, 'a worker serves').map(({ worker }) => worker);
  const alive = await Promise.all(
    pids.map((pid) =>
      readFile(`/proc/${pid}/stat`, 'utf8')
        .then((stat) => !/\) Z /.test(stat))
        .catch(() => false),
    ),
  );
  return pids.filter((_, index) => alive[index]);
};

const env = {
  POSTHORN_JWT_SECRET: JWT_SECRET,
  POSTHORN_MAIN_SECRET: MAIN_SECRET,
  POSTHORN_HTTPS_ONLY: 'false',
  POSTHORN_ALLOW_SUBNETS: '127.0.0.0/8',
  POSTHORN_GRACE: '3',
};

let token: string;
let receiver: Receiver;
beforeAll(async () => {
  token = (await run(['token', 'create'], env)).out.trim();
  receiver = await startReceiver();
});
afterAll(() => receiver.close());

const stop = async (command: Posthorn): Promise<void> => {
  const workers = await workersOf(command);
  command.signal('SIGTERM');
  expect(await command.ended).toEqual({ code: 0, signal: null });
  for (const pid of workers) expect(() => process.kill(pid, 0)).toThrow('ESRCH');
};

describe('a pool of workers', () => {
  let database: TestDatabase;
  let pool: Posthorn;
  let url: string;
  let client: pg.Client;
  beforeAll(async () => {
    database = await createTestDatabase();
    client = new pg.Client({ connectionString: database.url });
    await client.connect();
    const listen = `127.0.0.1:${await freePort()}`;
    pool = posthorn(['start', '--workers', '2'], {
      env: { ...env, DATABASE_URL: database.url, POSTHORN_LISTEN: listen },
    });
    url = await pool.said(() => saying(pool, 'the pool is ready')[0]?.['url'] as string | undefined);
  });
  afterAll(async () => {
    await stop(pool);
    await client.end();
    await database.drop();
  });

  const held = async (): Promise<number[]> =>
    (
      await client.query<{ held: number }>(
        'select count(*)::int4 as held from partition where node is not null group by node order by held',
      )
    ).rows.map((row) => row.held);

  const deliver = async (): Promise<void> => {
    const app = await api(url, token, 'POST', '/app', { name: 'pool' });
    await api(url, token, 'POST', `/app/${app.body.id}/endpoint`, { url: receiver.url });
    const posted = await api(url, token, 'POST', `/app/${app.body.id}/msg`, {
      eventType: 'a.b',
      payload: {},
    });
    expect(posted.status).toBe(202);
    await receiver.until((all) => all.some(({ headers }) => headers['webhook-id'] === posted.body.id));
  };

  it('shares the address and the partitions', async () => {
    expect(await workersOf(pool)).toHaveLength(2);
    await deliver();
    await eventually('an even spread', async () => (await held()).join() === '128,128', 30_000);
  });

  it('shows itself to posthorn cluster', async () => {
    const asked = await run(['cluster', '--url', url, '--json'], env);
    expect(asked).toMatchObject({ code: 0, err: '' });
    const shown = JSON.parse(asked.out) as {
      nodes: { name: string; role: string; partitions: number }[];
      partitions: { epoch: number; node: string }[];
    };
    expect(shown.nodes.map(({ role, partitions }) => ({ role, partitions }))).toEqual([
      { role: 'all', partitions: 128 },
      { role: 'all', partitions: 128 },
    ]);
    expect(shown).toMatchObject({ unowned: 0, queueAgeMs: 0 });
    expect(shown.partitions).toHaveLength(256);
    expect(shown.partitions.every(({ epoch, node }) => epoch > 0 && node.length === 36)).toBe(true);
    const text = await run(['cluster', '--url', url], env);
    expect(text.out).toMatch(/^node +role +partitions +since\n.*\/\d +all +128 +\d{4}-.*\n.*\/\d +all +128 /);
    expect(text.out).toContain('256 partitions, 0 without an owner');
  });

  it('replaces a worker that was killed; the others have its work at once', async () => {
    const [victim, other] = await workersOf(pool);
    const killedMs = performance.now();
    process.kill(victim!, 'SIGKILL');
    await eventually('all partitions with an owner', async () => {
      const counts = await held();
      return counts.length < 3 && counts.reduce((sum, count) => sum + count, 0) === 256 && counts[0] !== 128;
    });
    // Not when its lease of ten seconds ends.
    expect(performance.now() - killedMs).toBeLessThan(5_000);
    await eventually('two workers', async () => (await workersOf(pool)).length === 2);
    expect(await workersOf(pool)).toContain(other);
    expect(saying(pool, 'a worker ended unexpectedly')).toMatchObject([{ signal: 'SIGKILL' }]);
    await deliver();
  });

  it('replaces all of them on SIGHUP without a refused request', async () => {
    const before = await workersOf(pool);
    const statuses = new Set<number | string>();
    let isDone = false;
    const asking = (async () => {
      while (!isDone) {
        const headers = { connection: 'close', authorization: `Bearer ${token}` };
        const status = await fetch(`${url}/api/v1/app`, { headers }).then(
          (response) => response.status,
          (error: unknown) => String((error as Error).cause),
        );
        statuses.add(status);
      }
    })();
    const earlier = saying(pool, 'all workers are replaced').length;
    pool.signal('SIGHUP');
    await pool.said(() => saying(pool, 'all workers are replaced')[earlier]);
    isDone = true;
    await asking;
    expect([...statuses]).toEqual([200]);
    const after = await workersOf(pool);
    expect(after).toHaveLength(2);
    expect(after.filter((pid) => before.includes(pid))).toEqual([]);
    await deliver();
  });
});

it('runs on one embedded database, which ends with it', async () => {
  const place = await freshPlace();
  const pool = posthorn(['start', '--workers', '2', '--embedded', 'true'], { env: { ...env, ...place } });
  await pool.said(() => saying(pool, 'the pool is ready')[0]);
  expect(await postgresOf(place.POSTHORN_DATA_DIR)).not.toEqual([]);
  await stop(pool);
  expect(await postgresOf(place.POSTHORN_DATA_DIR)).toEqual([]);
});

it('ends with what is wrong when its workers cannot serve', async () => {
  const database = await createTestDatabase();
  const held = await startReceiver();
  try {
    const listen = new URL(held.url).host;
    const pool = await run(['start', '--workers', '2'], {
      ...env,
      DATABASE_URL: database.url,
      POSTHORN_LISTEN: listen,
    });
    expect(pool.code).toBe(2);
    expect(pool.err).toContain(`POSTHORN_LISTEN ${listen} is in use by another program`);
    const bad = await run(['start', '--workers', 'many'], { ...env, DATABASE_URL: database.url });
    expect(bad).toMatchObject({ code: 2 });
    expect(bad.err).toContain('POSTHORN_WORKERS "many" is neither auto nor 1 to 999');
  } finally {
    await held.close();
    await database.drop();
  }
});
