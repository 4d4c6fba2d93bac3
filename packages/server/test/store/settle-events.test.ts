// What settling notes for an organisation that listens, and that it costs the others nothing.
import pg from 'pg';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { HeldDelivery, Settlement } from '../../src/dispatch/port.ts';
import { operationalOrgId } from '../../src/domain/operational.ts';
import type { Database } from '../../src/store/postgres.ts';
import { useTestDatabase } from '../postgres.ts';
import { ENDPOINT, ORG, insertOf, newNode, open, reportOf, seed, settlementOf, storeOn } from './setup.ts';

const server = useTestDatabase();
const node = newNode();
const sent: string[] = [];
let database: Database;
let raw: pg.Client;
let store: ReturnType<typeof storeOn>;
beforeAll(async () => {
  database = open(server.url, { onStatement: (name) => sent.push(name) });
  raw = new pg.Client({ connectionString: server.url });
  await raw.connect();
  await seed(database);
  store = storeOn(database);
  const name = 'n';
  await store.heartbeat({
    node,
    name,
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

const listen = async (): Promise<void> => {
  await raw.query(
    `insert into application (id, org_id, uid, name, created_at, updated_at) values ('app_o', $1, $2, 'o', now(), now())`,
    [operationalOrgId, ORG],
  );
  await raw.query(
    `insert into endpoint (id, org_id, app_id, partition, url, keys, created_at, updated_at)
      values ('ep_o', $1, 'app_o', 7, 'https://operator.test/', '[]', now(), now())`,
    [operationalOrgId],
  );
};
beforeEach(async () => {
  await raw.query(`delete from endpoint where id = 'ep_o'`);
  await raw.query(`delete from application where id = 'app_o'`);
  await raw.query('delete from operational_event');
});

const held = async (): Promise<HeldDelivery> => {
  await store.insertMessages(node, [insertOf()]);
  const [delivery] = await store.poll({
    node,
    lanes: [{ endpointId: ENDPOINT, limit: 1, upto: 2 }],
    budgetBytes: 1000,
  });
  return delivery!;
};
const noted = async (): Promise<string[]> =>
  (await raw.query('select type from operational_event order by id')).rows.map(({ type }) => type);
const settle = async (delivery: HeldDelivery, more: Partial<Settlement> = {}, by = node) => {
  sent.length = 0;
  const settlement = settlementOf(delivery, more);
  const status = settlement.verdict.kind === 'succeeded' ? 200 : 500;
  const attempt = { ...settlement.attempt, report: reportOf(status) };
  const reply = await store.settle(by, [{ ...settlement, attempt }]);
  return reply.kind === 'done' ? reply.outcomes[0] : reply;
};
const dead: Partial<Settlement> = { verdict: { kind: 'dead', reason: 'exhausted' } };
const later = { verdict: { kind: 'retry', atMs: Date.now(), countsAsAttempt: true } } as const;

describe('settling', () => {
  it('is the same single statement for what is worth nothing, whoever listens', async () => {
    await listen();
    for (const more of [{}, { ...later, attemptsUsed: 1 }, { attemptsUsed: 4 }]) {
      expect(await settle(await held(), more)).toBe('settled');
      expect(sent).toEqual(['settle']);
      await raw.query('delete from live');
    }
    expect(await noted()).toEqual([]);
  });

  it('is one statement also for what is worth an event', async () => {
    await listen();
    for (const more of [dead, { ...later, attemptsUsed: 4 }, { attemptsUsed: 5 }]) {
      expect(await settle(await held(), more)).toBe('settled');
      expect(sent).toEqual(['settle_events']);
      await raw.query('delete from live');
    }
    expect(await noted()).toEqual([
      'message.attempt.exhausted',
      'message.attempt.failing',
      'message.attempt.recovered',
    ]);
  });

  it('notes nothing where nobody listens', async () => {
    expect(await settle(await held(), dead)).toBe('settled');
    expect(await noted()).toEqual([]);
  });

  it('notes once however often it is repeated, and nothing that it does not write', async () => {
    await listen();
    const delivery = await held();
    expect(await settle(delivery, dead, newNode())).toBe('lost');
    expect(await noted()).toEqual([]);
    expect(await settle(delivery, dead)).toBe('settled');
    expect(await settle(delivery, dead)).toBe('lost');
    expect(await noted()).toEqual(['message.attempt.exhausted']);
  });

  it('knows a later run as a recovery only if an earlier one has died', async () => {
    await listen();
    const [fine, replayed] = [await held(), await held()];
    expect(await settle({ ...fine, run: 1 })).toBe('settled');
    expect(await noted()).toEqual([]);
    await raw.query(
      `insert into closed (msg_id, endpoint_id, run, app_id, org_id, event_type, state, reason, letter, closed_at, changed_at)
        values ($1, $2, 0, $3, $4, 'a.b', 'dead', 'exhausted', 'replayed', now(), now())`,
      [replayed.messageId, ENDPOINT, replayed.applicationId, ORG],
    );
    expect(await settle({ ...replayed, run: 1 })).toBe('settled');
    expect(await noted()).toEqual(['message.attempt.recovered']);
  });
});
