import pg from 'pg';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { HeldDelivery } from '../../src/dispatch/port.ts';
import { expirePayloads } from '../../src/store/expire-payloads.ts';
import { dropOldLeaves, makeLeavesAhead } from '../../src/store/leaves.ts';
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
  store.poll({ node, lanes: [A, B].map((endpointId) => ({ endpointId, limit })), budgetBytes });
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
