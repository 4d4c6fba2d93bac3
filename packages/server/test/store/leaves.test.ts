import pg from 'pg';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { HeldDelivery } from '../../src/dispatch/port.ts';
import { expirePayloads } from '../../src/store/expire-payloads.ts';
import { dayOf, dropOldLeaves, leafSuffix, makeLeavesAhead } from '../../src/store/leaves.ts';
import type { Database } from '../../src/store/postgres.ts';
import { useTestDatabase } from '../postgres.ts';
import { insertOf, newNode, open, seed, storeOn } from './setup.ts';

const server = useTestDatabase();
const DAY_MS = 86_400_000;
const node = newNode();
const A = 'ep_a';
const B = 'ep_b';

let database: Database;
let raw: pg.Client;
let store: ReturnType<typeof storeOn>;
beforeAll(async () => {
  database = open(server.url);
  raw = new pg.Client({ connectionString: server.url });
  await raw.connect();
  await seed(database, [A, B]);
  store = storeOn(database);
  await store.heartbeat({
    node,
    name: 'n',
    role: 'all',
    isTaking: true,
    leaseMs: 600_000,
    take: 256,
    seize: false,
  });
});
afterAll(async () => {
  await database.close();
  await raw.end();
});
beforeEach(() => raw.query('delete from live; delete from attempt; delete from closed'));

const pollAll = (limit = 100, budgetBytes = 1_000_000): Promise<readonly HeldDelivery[]> =>
  store.poll({ node, lanes: [A, B].map((endpointId) => ({ endpointId, limit, upto: 2 })), budgetBytes });
const insert = async (...batch: Parameters<typeof insertOf>[0][]): Promise<string[]> => {
  const items = batch.map(insertOf);
  expect(await store.insertMessages(node, items)).toMatchObject({ kind: 'done' });
  return items.map((item) => item.message.id);
};
const one = async <Row extends pg.QueryResultRow>(text: string, values: unknown[] = []): Promise<Row> =>
  (await raw.query<Row>(text, values)).rows[0]!;

describe('leaves', () => {
  it('are dropped behind, but not under an open delivery', async () => {
    const oldMs = Date.now() - 30 * DAY_MS;
    const [kept] = await insert({ atMs: oldMs, endpoints: [A] });
    await insert({ atMs: oldMs - 5 * DAY_MS, endpoints: [] });
    const names = async (): Promise<number> =>
      (
        await one<{ leaves: number }>(
          `select count(*)::int as leaves from pg_inherits where inhparent = 'message'::regclass`,
        )
      ).leaves;
    const before = await names();
    const dropped = await dropOldLeaves(database, 10);
    expect(dropped.filter((leaf) => leaf.startsWith('message_'))).toHaveLength(3);
    expect(await names()).toBe(before - 3);
    expect(await one('select count(*)::int as kept from message where id = $1', [kept])).toEqual({ kept: 1 });
  });

  it('are not held for ever by what waits at a paused endpoint: it becomes a dead letter', async () => {
    const atMs = Date.now() - 30 * DAY_MS;
    const [waits, late] = [insertOf({ atMs, endpoints: [A] }), insertOf({ atMs, endpoints: [B] })];
    await store.insertMessages(node, [waits, late]);
    await raw.query('update endpoint set disabled = false');
    const ids = [waits.message.id, late.message.id];
    await raw.query(`update live set due_at = now() - interval '11 days' where msg_id = any ($1)`, [ids]);
    const lasts = (): Promise<string[]> =>
      raw
        .query('select msg_id from live where msg_id = any ($1)', [ids])
        .then(({ rows }) => rows.map(({ msg_id }: { msg_id: string }) => msg_id));
    await dropOldLeaves(database, 10);
    expect(await lasts()).toHaveLength(2);
    await raw.query('update endpoint set paused_at = now() where id = $1', [A]);
    try {
      await dropOldLeaves(database, 12);
      expect(await lasts()).toHaveLength(2);
      await dropOldLeaves(database, 10);
      expect(await lasts()).toEqual([late.message.id]);
      expect(
        await one('select state, reason, letter from closed where msg_id = $1', [waits.message.id]),
      ).toEqual({
        state: 'dead',
        reason: 'payload_gone',
        letter: 'open',
      });
    } finally {
      await raw.query('update endpoint set paused_at = null where id = $1', [A]);
    }
  });

  it('keep what is scheduled, and its payload, however long it lies there', async () => {
    const scheduled = insertOf({
      atMs: Date.now() - 30 * DAY_MS,
      deliverAtMs: Date.now() + DAY_MS,
      endpoints: [A],
      retentionHours: 24,
    });
    await store.insertMessages(node, [scheduled]);
    const { id } = scheduled.message;
    // Not even were its payload's time over.
    await raw.query(`update message set payload_until = now() - interval '1 day' where id = $1`, [id]);
    await raw.query('update endpoint set paused_at = now() where id = $1', [A]);
    try {
      await expirePayloads(database);
      await dropOldLeaves(database, 10);
    } finally {
      await raw.query('update endpoint set paused_at = null where id = $1', [A]);
    }
    expect(await one('select payload is not null as kept from message where id = $1', [id])).toEqual({
      kept: true,
    });
    await raw.query('update live set due_at = now() where msg_id = $1', [id]);
    expect((await pollAll()).map(({ messageId }) => messageId)).toEqual([id]);
  });

  describe('that are being dropped', () => {
    const keepDays = 10;
    let days = 40;
    /** A day of its own in the past, with one message; its partition's name and what may be done to it. */
    const oldDay = async (endpoints: readonly string[] = []) => {
      const atMs = Date.now() - ++days * DAY_MS;
      const [id = ''] = await insert({ atMs, endpoints });
      return { id, leaf: `message_${leafSuffix(dayOf(atMs))}` };
    };
    const standing = async (leaf: string): Promise<string> =>
      (
        await one<{ standing: string }>(
          `select case when to_regclass($1) is null then 'gone'
            when exists (select from pg_inherits where inhrelid = to_regclass($1) and not inhdetachpending)
            then 'there' else 'in between' end as standing`,
          [leaf],
        )
      ).standing;
    /** The database as something else sees it in the middle: before it runs a script, this is done. */
    const interrupted = (before: (sql: string) => Promise<unknown>): Database => ({
      ...database,
      script: async (sql) => {
        await before(sql);
        await database.script(sql);
      },
    });

    it('are dropped the next time, when a long transaction was in the way', async () => {
      const { leaf } = await oldDay();
      const reader = new pg.Client({ connectionString: server.url });
      await reader.connect();
      await reader.query('begin isolation level repeatable read');
      await reader.query('select from message limit 1');
      const hasty = open(server.url, { statementTimeoutMs: 500, lockTimeoutMs: 500 });
      await expect(dropOldLeaves(hasty, keepDays)).rejects.toThrow('timeout');
      await hasty.close();
      await reader.query('rollback');
      await reader.end();
      expect(await one('select count(*)::int as pending from pg_inherits where inhdetachpending')).toEqual({
        pending: 1,
      });
      expect(await dropOldLeaves(database, keepDays)).toContain(leaf);
      expect(await standing(leaf)).toBe('gone');
    });

    it('are dropped the next time, when the process was killed before the last step', async () => {
      const { leaf } = await oldDay();
      const killed = interrupted(async (sql) => {
        if (sql === `drop table if exists ${leaf}`) throw new Error('killed');
      });
      await expect(dropOldLeaves(killed, keepDays)).rejects.toThrow('killed');
      expect(await standing(leaf)).toBe('in between');
      expect(await dropOldLeaves(database, keepDays)).toContain(leaf);
      expect(await standing(leaf)).toBe('gone');
    });

    it('are put back, when a letter of theirs was replayed in the last moment', async () => {
      const { id, leaf } = await oldDay();
      const late = interrupted(async (sql) => {
        if (sql !== `alter table message detach partition ${leaf} concurrently`) return;
        await raw.query(
          `insert into live (msg_id, endpoint_id, app_id, org_id, partition, state, due_at, run, bytes)
            values ($1, $2, 'app_1', 'org_1', 7, 'waiting', now(), 1, 10)`,
          [id, A],
        );
        await raw.query(`update lane set next_due = now() where endpoint_id = $1`, [A]);
      });
      expect(await dropOldLeaves(late, keepDays)).not.toContain(leaf);
      expect(await standing(leaf)).toBe('there');
      expect((await pollAll()).map(({ messageId }) => messageId)).toEqual([id]);
      // Once it is delivered, the day goes like any other.
      await raw.query('delete from live');
      expect(await dropOldLeaves(database, keepDays)).toContain(leaf);
    });

    it('are dropped once, by several processes at once', async () => {
      const leaves = [(await oldDay()).leaf, (await oldDay()).leaf];
      const all = await Promise.allSettled([1, 2, 3].map(() => dropOldLeaves(database, keepDays)));
      expect(all.some(({ status }) => status === 'fulfilled')).toBe(true);
      await dropOldLeaves(database, keepDays);
      for (const leaf of leaves) expect(await standing(leaf)).toBe('gone');
    });
  });

  it('are made ahead by several processes at once', async () => {
    await Promise.all([makeLeavesAhead(database, 9), makeLeavesAhead(database, 9)]);
    expect(
      await one(
        `select to_regclass('message_' || to_char(now() at time zone 'UTC' + interval '9 days', 'YYYYMMDD')) is not null as made`,
      ),
    ).toEqual({
      made: true,
    });
  });
});
