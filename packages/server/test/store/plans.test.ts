import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { statements } from '../../src/store/index.ts';
import { insertForLeaf } from '../../src/store/insert-statement.ts';
import { leafSuffix } from '../../src/store/leaves.ts';
import { pinnedPlans } from '../../src/store/plan.ts';
import type { Database, Statement } from '../../src/store/postgres.ts';
import { withEvents } from '../../src/store/settle.ts';
import { useTestDatabase } from '../postgres.ts';
import { APP, ENDPOINT, ORG, newNode, open, seed, storeOn } from './setup.ts';

const server = useTestDatabase();
let database: Database;
let client: pg.Client;
const node = newNode();

beforeAll(async () => {
  database = open(server.url);
  client = new pg.Client({ connectionString: server.url });
  await client.connect();
  await client.query(pinnedPlans);
  await seed(database);
});
afterAll(async () => {
  await database.close();
  await client.end();
});

const today = `message_${leafSuffix(Math.floor(Date.now() / 86_400_000))}`;

const planOf = async ({ name, text }: Statement): Promise<string> => {
  const numbers = [...text.replaceAll(/\/\*[^]*?\*\//g, '').matchAll(/\$(\d+)/g)].map((match) =>
    Number(match[1]),
  );
  const nulls = Array.from({ length: Math.max(...numbers) }, () => 'null').join(', ');
  await client.query(`prepare planned_${name} as ${text}`);
  const { rows } = await client.query<{ 'QUERY PLAN': string }>(
    `explain (costs off) execute planned_${name}(${nulls})`,
  );
  await client.query(`deallocate planned_${name}`);
  return rows.map((row) => row['QUERY PLAN']).join('\n');
};

const hot = {
  ...Object.fromEntries(
    (
      [
        'settle',
        'settleManual',
        'poll',
        'takeOver',
        'sweep',
        'oldHeld',
        'putBack',
        'raiseHints',
        'repairHints',
        'closeLane',
        'dueLanes',
        'loadLanes',
      ] as const
    ).map((key) => [key, statements[key]]),
  ),
  settleWithEvents: withEvents(statements.settle),
  insertMessages: insertForLeaf(statements.insertMessages, today),
} as Readonly<Record<string, Statement>>;

/** A scan that grows with the table, or a join that compares everything with everything. */
const unbounded =
  /Seq Scan on (live|lane|message|attempt|closed|endpoint|application)|Join Filter|Hash Join|Merge Join/;

describe('plans, made while the tables are as good as empty', () => {
  it.each(Object.entries(hot))('%s probes by key', async (_name, statement) => {
    await client.query('analyze');
    expect(await planOf(statement)).not.toMatch(unbounded);
  });
  it('go by the indexes they are meant for', async () => {
    const poll = await planOf(statements.poll);
    expect(poll).toMatch(
      /Index Scan using live_waiting.*\n\s+Index Cond: \(\(endpoint_id = .*priority = .*due_at <= /,
    );
    expect(await planOf(statements.settle)).toMatch(
      /Index Scan using live_pkey.*\n\s+Index Cond: \(\(msg_id = .*endpoint_id = /,
    );
    expect(await planOf(statements.raiseHints)).toMatch(
      /Limit\n\s+->\s+Index (Only )?Scan using live_waiting/,
    );
    expect(await planOf(statements.takeOver)).toMatch(/Index (Only )?Scan using live_held/);
  });
  it('would not without the settings of these connections', async () => {
    await client.query('reset all');
    await client.query('set plan_cache_mode = force_generic_plan');
    expect(await planOf(statements.settle)).toMatch(unbounded);
    await client.query(pinnedPlans);
  });
});

it('a poll does not read rows that are not due yet, however many there are', async () => {
  const store = storeOn(database);
  await store.heartbeat({
    node,
    name: 'n',
    role: 'all',
    isTaking: true,
    leaseMs: 60_000,
    take: 256,
    seize: false,
  });
  await client.query(
    `insert into live (msg_id, endpoint_id, app_id, org_id, partition, state, priority, due_at, bytes)
      select 'msg_' || n, $1, $2, $3, 7, 'waiting', n % 3, now() + interval '1 hour' + n * interval '1 ms', 10
      from generate_series(1, 100000) as n`,
    [ENDPOINT, APP, ORG],
  );
  // The same connection settings and plan as the store's, with the buffers counted.
  await client.query(`prepare counted as ${statements.poll.text}`);
  const { rows } = await client.query<{ 'QUERY PLAN': { Plan: Record<string, number> }[] }>(
    `explain (analyze, buffers, format json) execute counted('${node}', '{${ENDPOINT}}', '{100}', 1000000, '{2}')`,
  );
  const { Plan: plan } = rows[0]!['QUERY PLAN'][0]!;
  expect(plan['Shared Hit Blocks']! + plan['Shared Read Blocks']!).toBeLessThan(60);
});
