// What has outlived its use is deleted; what has not stays.
import { randomBytes } from 'node:crypto';
import { expect, it } from 'vitest';
import { createIdSource, type IdKind } from '../../src/domain/ids.ts';
import { createPrune, pruneStatements } from '../../src/store/prune.ts';
import { addApplication, addClosed, addEndpoint } from './fixtures.ts';
import { useApi } from './harness.ts';

const harness = useApi();
const DAY_MS = 86_400_000;
const HOUR_MS = 3_600_000;
const prune = () => createPrune(harness.database, harness.nowMs)();
const idAt = (kind: IdKind, atMs: number) => createIdSource(() => atMs, randomBytes)(kind);
const iso = (ms: number): string => new Date(ms).toISOString();

it('hourly counts are kept for 401 days', async () => {
  const now = harness.nowMs();
  const add = (atMs: number, type: string, count = 1) =>
    harness.pool.query(
      `insert into statistic_hour (endpoint_id, hour, event_type, app_id, org_id, ok, failed, delivered, dead, canceled)
       select 'ep_' || n, date_trunc('hour', $1::timestamptz), $2, 'app_1', 'org_1', 1, 0, 1, 0, 0 from generate_series(1, $3) n`,
      [iso(atMs), type, count],
    );
  await add(now - 401 * DAY_MS + HOUR_MS, 'kept');
  await add(now - 401 * DAY_MS - HOUR_MS, 'old', 4500);
  await add(now - 3000 * DAY_MS, 'ancient');
  await prune();
  const { rows } = await harness.pool.query('select event_type from statistic_hour');
  expect(rows).toEqual([{ event_type: 'kept' }]);
});

it('background tasks and what they found are kept for 90 days', async () => {
  const now = harness.nowMs();
  const add = async (atMs: number): Promise<string> => {
    const id = idAt('task', atMs);
    await harness.pool.query(
      `insert into task (id, org_id, kind, status, input, created_at, updated_at)
       values ($1, $2, 'application.stats', 'finished', '{"sinceMs":0,"untilMs":null}', $3, $3)`,
      [id, harness.org, iso(atMs)],
    );
    await harness.pool.query(
      `insert into task_item (task_id, key, value) select $1, n::text, '{}' from generate_series(1, 3000) n`,
      [id],
    );
    return id;
  };
  const kept = await add(now - 89 * DAY_MS);
  await add(now - 91 * DAY_MS);
  await prune();
  const listed = await harness.call('GET', '/background-task?');
  expect(listed.body.data.map(({ id }: { id: string }) => id)).toEqual([kept]);
  const { rows } = await harness.pool.query('select distinct task_id from task_item');
  expect(rows).toEqual([{ task_id: kept }]);
});

it('dead letters are kept as long as their messages', async () => {
  const app = await addApplication(harness);
  const endpoint = await addEndpoint(harness, app);
  const { rows: leaves } = await harness.pool.query<{ day: Date }>(
    `select min(to_date(right(c.relname, 8), 'YYYYMMDD'))::timestamp at time zone 'UTC' as day
     from pg_inherits i join pg_class c on c.oid = i.inhrelid where i.inhparent = 'message'::regclass`,
  );
  const oldest = leaves[0]!.day.getTime();
  const kept = idAt('message', oldest + 1000);
  await addClosed(harness, app, endpoint, kept);
  await addClosed(harness, app, endpoint, idAt('message', oldest - 1000));
  await prune();
  const { rows } = await harness.pool.query('select msg_id from closed where app_id = $1', [app]);
  expect(rows).toEqual([{ msg_id: kept }]);
});

it('a dead letter that blocks a key is kept until somebody has dealt with it, or the endpoint is gone', async () => {
  const app = await addApplication(harness);
  const stays = await addEndpoint(harness, app);
  const goes = await addEndpoint(harness, app);
  const old = idAt('message', harness.nowMs() - 1000 * DAY_MS);
  for (const endpoint of [stays, goes]) await addClosed(harness, app, endpoint, old);
  await harness.pool.query(`update closed set blocks = true, order_key = 'k', seq = 1 where app_id = $1`, [
    app,
  ]);
  await harness.call('DELETE', `/app/${app}/endpoint/${goes}`);
  const left = async (): Promise<unknown> => {
    await prune();
    const { rows } = await harness.pool.query('select endpoint_id from closed where app_id = $1', [app]);
    return rows;
  };
  expect(await left()).toEqual([{ endpoint_id: stays }]);
  await harness.call('POST', `/app/${app}/endpoint/${stays}/blocked-key/release`, {});
  expect(await left()).toEqual([]);
});

it('nothing is searched through for it', async () => {
  await harness.pool.query('analyze');
  const client = await harness.pool.connect();
  try {
    // Small tables would be gone through; large ones must have a way.
    await client.query('set enable_seqscan = off');
    const params: Record<keyof typeof pruneStatements, readonly unknown[]> = {
      statistics: [iso(0), 10],
      taskItems: ['qtask_0', 10],
      tasks: ['qtask_0', 10],
      closed: [10],
      shares: [10],
    };
    for (const [name, statement] of Object.entries(pruneStatements)) {
      const { rows } = await client.query(`explain ${statement.text}`, [
        ...params[name as keyof typeof pruneStatements],
      ]);
      const plan = rows.map((row) => String(row['QUERY PLAN'])).join('\n');
      expect(plan).not.toMatch(/Seq Scan on (statistic_hour|task|closed)/);
      expect(plan).not.toContain('Sort');
    }
  } finally {
    client.release(true);
  }
});
