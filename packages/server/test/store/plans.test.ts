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
        'pollOrdered',
        'unfold',
        'cancelExpired',
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
  insertFurther: insertForLeaf(statements.insertFurther, today),
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

/** How many pages a poll reads; the same settings and plan as the store's. */
const pagesOf = async (statement: Statement, values: string): Promise<number> => {
  await client.query(`prepare counted_${statement.name} as ${statement.text}`);
  const { rows } = await client.query<{ 'QUERY PLAN': { Plan: Record<string, number> }[] }>(
    `explain (analyze, buffers, format json) execute counted_${statement.name}(${values})`,
  );
  await client.query(`deallocate counted_${statement.name}`);
  const { Plan: plan } = rows[0]!['QUERY PLAN'][0]!;
  return plan['Shared Hit Blocks']! + plan['Shared Read Blocks']!;
};

const own = async (): Promise<void> => {
  const lease = { isTaking: true, leaseMs: 60_000, take: 256, seize: false } as const;
  await storeOn(database).heartbeat({ node, name: 'n', role: 'all', ...lease });
};

it('a poll does not read rows that are not due yet, however many there are', async () => {
  await own();
  await client.query(
    `insert into live (msg_id, endpoint_id, app_id, org_id, partition, state, priority, due_at, bytes)
      select 'msg_' || n, $1, $2, $3, 7, 'waiting', n % 3, now() + interval '1 hour' + n * interval '1 ms', 10
      from generate_series(1, 100000) as n`,
    [ENDPOINT, APP, ORG],
  );
  expect(await pagesOf(statements.poll, `'${node}', '{${ENDPOINT}}', '{100}', 1000000, '{2}'`)).toBeLessThan(
    60,
  );
});

describe('a poll of what has an order', () => {
  /** Half of it of one key, half of it each of a key of its own; the first of all waits for its time. */
  beforeAll(async () => {
    await own();
    await client.query('delete from live');
    await client.query(
      `insert into live (msg_id, endpoint_id, app_id, org_id, partition, state, priority, due_at, bytes, order_key, seq,
          attempts)
        select 'msg_' || n, $1, $2, $3, 7, 'waiting', 4, case when n > 1 then now() else now() + interval '1 hour' end, 10,
          case when n <= 500000 then 'one' else 'key ' || n end, n, case when n > 1 then 0 else 1 end
        from generate_series(1, 1000000) as n`,
      [ENDPOINT, APP, ORG],
    );
    await client.query('vacuum analyze live');
  }, 180_000);
  const ask = (after: string, keys: number, timed: number, asked: string): string =>
    `'${node}', '{${ENDPOINT}}', '{"${after}"}', '{${keys}}', '{${timed}}', '{${ENDPOINT}}', '{"${asked}"}', 1000000`;

  it('does not read what stands behind the first of a key', async () => {
    expect(await pagesOf(statements.pollOrdered, ask('', 0, 0, 'one'))).toBeLessThan(60);
    expect(await pagesOf(statements.pollOrdered, ask('', 0, 100, 'no such key'))).toBeLessThan(60);
  });

  it('passes over keys at a few pages each, wherever it goes on', async () => {
    const pages = await pagesOf(statements.pollOrdered, ask('one', 1, 0, 'no such key'));
    expect(pages).toBeLessThan(60);
    const many = await pagesOf(statements.pollOrdered, ask('key 750000', 100, 0, 'no such key'));
    expect(many).toBeLessThan(100 * 60);
  });
});
