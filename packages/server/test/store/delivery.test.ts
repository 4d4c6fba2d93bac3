import { evidenceOf } from '../../src/store/evidence.ts';
import pg from 'pg';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Priority } from '../../src/domain/delivery.ts';
import type { EndpointKey } from '../../src/domain/configuration.ts';
import type { HeldDelivery } from '../../src/dispatch/port.ts';
import { sealHeaders, sealKeys } from '../../src/store/endpoint-row.ts';
import { StoreUnavailable } from '../../src/store/failure.ts';
import type { Database } from '../../src/store/postgres.ts';
import { useTestDatabase } from '../postgres.ts';
import {
  APP,
  ORG,
  idAt,
  insertOf,
  newNode,
  open,
  reportOf,
  sealer,
  seed,
  settlementOf,
  storeOn,
} from './setup.ts';

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

const pollAll = (
  limit = 100,
  budgetBytes = 1_000_000,
  upto: Priority = 2,
): Promise<readonly HeldDelivery[]> =>
  store.poll({ node, lanes: [A, B].map((endpointId) => ({ endpointId, limit, upto })), budgetBytes });
const insert = async (...batch: Parameters<typeof insertOf>[0][]): Promise<string[]> => {
  const items = batch.map(insertOf);
  expect(await store.insertMessages(node, items)).toMatchObject({ kind: 'done' });
  return items.map((item) => item.message.id);
};
const one = async <Row extends pg.QueryResultRow>(text: string, values: unknown[] = []): Promise<Row> =>
  (await raw.query<Row>(text, values)).rows[0]!;

describe('a poll', () => {
  it('goes by priority, then by time, within the limit of each lane', async () => {
    const [bulk, normal1, normal2, critical] = await insert(
      { endpoints: [A], priority: 2 },
      { endpoints: [A] },
      { endpoints: [A, B] },
      { endpoints: [A], priority: 0 },
    );
    await raw.query(
      `update live set due_at = now() - interval '1 min' where msg_id = $1 and endpoint_id = $2`,
      [normal2, A],
    );
    const taken = await pollAll(3);
    expect(taken.filter(({ endpointId }) => endpointId === A).map(({ messageId }) => messageId)).toEqual([
      critical,
      normal2,
      normal1,
    ]);
    expect(taken.filter(({ endpointId }) => endpointId === B).map(({ messageId }) => messageId)).toEqual([
      normal2,
    ]);
    expect((await pollAll(3)).map(({ messageId }) => messageId)).toEqual([bulk]);
  });

  it('keeps to its bytes, but takes at least one', async () => {
    await insert(...[1, 2, 3].map(() => ({ endpoints: [A], payload: Buffer.alloc(1000) })));
    expect(await pollAll(100, 10)).toHaveLength(1);
    expect(await pollAll(100, 1001)).toHaveLength(2);
    expect(await pollAll(100, 1001)).toHaveLength(0);
  });

  it('brings everything that an attempt needs, the payload byte for byte', async () => {
    const payload = Buffer.from(Array.from({ length: 256 }, (_, index) => index));
    const [messageId] = await insert({ endpoints: [A], payload });
    await raw.query(
      `update live set attempts = 3, throttled = 2, unknowns = 1, policy = '{"kind":"list","waitsSeconds":[0.5]}'`,
    );
    expect(await pollAll()).toEqual([
      {
        orgId: ORG,
        applicationId: APP,
        endpointId: A,
        messageId,
        partition: 7,
        epoch: 1,
        priority: 1,
        attemptsUsed: 3,
        throttled: 2,
        unknowns: 1,
        run: 0,
        policy: { kind: 'list', waitsSeconds: [0.5] },
        eventType: 'a.b',
        channels: ['x y', '"'],
        tags: null,
        payload,
        openSlot: null,
        orderKey: null,
        expiresAtMs: null,
        contentType: 'application/json',
      },
    ]);
  });
});

describe('a settlement', () => {
  it('writes down all of the attempt', async () => {
    await insert({ endpoints: [A] });
    const [held] = await pollAll();
    const settlement = settlementOf(held!, { verdict: { kind: 'dead', reason: 'exhausted' } });
    const failed = { ...settlement, attempt: { ...settlement.attempt, report: reportOf(503) } };
    expect(await store.settle(node, [failed])).toEqual({ kind: 'done', outcomes: ['settled'] });
    expect(await one('select * from attempt')).toMatchObject({
      id: failed.attempt.id,
      org_id: ORG,
      app_id: APP,
      msg_id: held!.messageId,
      endpoint_id: A,
      run: 0,
      status: 2,
      final: 'dead',
      trigger: 0,
      cause: 'http_503',
      response_status: 503,
      response: Buffer.from([0, 255, 128]),
      duration_ms: 5,
      next_at: null,
      event_type: 'a.b',
      channels: ['x y', '"'],
      evidence: evidenceOf(failed.attempt.report),
    });
    expect(await one('select state, reason, letter, event_type from closed')).toEqual({
      state: 'dead',
      reason: 'exhausted',
      letter: 'open',
      event_type: 'a.b',
    });
    expect(await store.settle(node, [failed])).toEqual({ kind: 'done', outcomes: ['lost'] });
  });

  it('makes the leaf of attempts that nobody prepared', async () => {
    await insert({ endpoints: [A] });
    const [held] = await pollAll();
    const far = settlementOf(held!, {}, Date.now() + 60 * DAY_MS);
    expect(await store.settle(node, [far])).toEqual({ kind: 'done', outcomes: ['settled'] });
  });

  it('is rejected for its data alone, and unavailable when nobody listens', async () => {
    await insert({ endpoints: [A] });
    const [held] = await pollAll();
    const settlement = settlementOf({ ...held!, eventType: 'a\0' });
    expect(await store.settle(node, [settlement])).toMatchObject({ kind: 'rejected' });
    const nobody = open('postgres://nobody@127.0.0.1:1/none');
    expect(await storeOn(nobody).settle(node, [settlement])).toMatchObject({ kind: 'unavailable' });
    await expect(storeOn(nobody).loadEndpoints([A])).rejects.toThrow(StoreUnavailable);
    await nobody.close();
  });
});

it('takes the third unknown attempt in a row for one that counts', async () => {
  await insert({ endpoints: [A] });
  for (const [unknowns, attempts] of [
    [1, 0],
    [2, 0],
    [3, 1],
    [4, 2],
  ]) {
    await pollAll();
    await raw.query(`update live set epoch = 0`);
    expect(await store.sweep({ attemptIds: [idAt('attempt', Date.now())] })).toBe(1);
    expect(await one('select state, unknowns, attempts from live')).toEqual({
      state: 'waiting',
      unknowns,
      attempts,
    });
  }
  expect(
    await one(
      `select count(*)::int as unknown, min(url) as url, min(event_type) as type from attempt where cause = 'unknown'`,
    ),
  ).toEqual({
    unknown: 4,
    url: 'https://receiver.test/',
    type: 'a.b',
  });
});

it('frees no more rows in one call than it has ids for', async () => {
  await insert({ endpoints: [A, B] }, { endpoints: [A] });
  await pollAll();
  await raw.query('update live set epoch = 0');
  const ids = (count: number): string[] => Array.from({ length: count }, () => idAt('attempt', Date.now()));
  expect(await store.takeOver({ node, attemptIds: ids(2) })).toBe(2);
  expect(await store.takeOver({ node: newNode(), attemptIds: ids(2) })).toBe(0);
  expect(await store.takeOver({ node, attemptIds: ids(2) })).toBe(1);
});

it('closes a lane, in chunks, waiting and held', async () => {
  await raw.query(
    `insert into live (msg_id, endpoint_id, app_id, org_id, partition, state, due_at, bytes)
      select 'msg_' || n, $1, $2, $3, 7, 'waiting', now(), 1 from generate_series(1, 2500) n`,
    [A, APP, ORG],
  );
  await insert({ endpoints: [A, B], holdEpoch: 1 });
  expect(await store.closeLane({ node: newNode(), endpointId: A, reason: 'endpoint_deleted' })).toBe(0);
  expect(await store.closeLane({ node, endpointId: A, reason: 'endpoint_deleted' })).toBe(2501);
  expect(await one('select count(*)::int as open, min(endpoint_id) as endpoint from live')).toEqual({
    open: 1,
    endpoint: B,
  });
  expect(await one(`select count(*)::int as dead from closed where reason = 'endpoint_deleted'`)).toEqual({
    dead: 2501,
  });
});

it('does not close what an owner before still has in flight', async () => {
  await insert({ endpoints: [A], holdEpoch: 1 });
  await raw.query('update live set epoch = 0');
  expect(await store.closeLane({ node, endpointId: A, reason: 'endpoint_deleted' })).toBe(0);
});

it('pages through due lanes without hiding one', async () => {
  await raw.query(`update lane set next_due = '2026-01-01 00:00:00.123457Z'`);
  const seen: string[] = [];
  let after: { endpointId: string; nextDueMs: number } | null = null;
  for (;;) {
    const [lane] = await store.dueLanes({ node, untilMs: Date.now(), after, limit: 1 });
    if (lane === undefined) break;
    seen.push(lane.endpointId);
    after = { endpointId: lane.endpointId, nextDueMs: lane.nextDueMs! };
  }
  expect(seen).toEqual([A, B]);
  expect(await store.dueLanes({ node: newNode(), untilMs: Date.now(), after: null, limit: 10 })).toEqual([]);
});

it('loads applications by id and uid and endpoints with their secrets opened', async () => {
  const keys: EndpointKey[] = [
    {
      key: { kind: 'ed25519', seed: Buffer.alloc(32, 1), publicKey: Buffer.alloc(32, 2) },
      expiresAtMs: null,
    },
    { key: { kind: 'hmac256', key: Buffer.from('old key') }, expiresAtMs: 1_800_000_000_000 },
  ];
  await raw.query(
    `update endpoint set keys = $2, headers = $3, event_types = '{a.b}', retry_policy = $4 where id = $1`,
    [
      B,
      sealKeys(B, keys, sealer),
      sealHeaders(B, [['x-a', 'ü']], sealer),
      '{"kind":"list","waitsSeconds":[]}',
    ],
  );
  await raw.query(`update application set uid = 'mine' where id = $1`, [APP]);
  const loaded = await store.loadApplication(ORG, 'mine');
  expect(loaded).toMatchObject({ id: APP, uid: 'mine', configVersion: 1 });
  expect(loaded).toEqual(await store.loadApplication(ORG, APP));
  expect(await store.loadApplication('org_other', APP)).toBeNull();
  const endpoint = loaded!.endpoints.find(({ id }) => id === B)!;
  expect(endpoint).toMatchObject({
    headers: [['x-a', 'ü']],
    eventTypes: ['a.b'],
    retryPolicy: { waitsSeconds: [] },
    keys,
  });
  expect(await store.loadEndpoints([B])).toEqual([endpoint]);

  await store.disableEndpoint({ endpointId: B, reason: 'gone' });
  await store.disableEndpoint({ endpointId: B, reason: 'failing' });
  expect(await store.loadApplication(ORG, APP)).toMatchObject({ configVersion: 2 });
  expect(await one('select disabled, disabled_reason from endpoint where id = $1', [B])).toEqual({
    disabled: true,
    disabled_reason: 'gone',
  });
  await raw.query('update application set deleted_at = now()');
  expect(await store.loadApplication(ORG, 'mine')).toBeNull();
  await raw.query('update application set deleted_at = null, config_version = 1');
});

describe('the plumbing', () => {
  it('rolls back when the body of a transaction throws, and keeps the connection', async () => {
    const small = open(server.url, { size: 1 });
    const make = { name: 'make', text: 'create temporary table t (id int)' };
    await expect(
      small.transaction(async (transaction) => {
        await transaction.run(make, []);
        throw new Error('changed my mind');
      }),
    ).rejects.toThrow('changed my mind');
    expect(await small.transaction((transaction) => transaction.run(make, []))).toMatchObject({
      kind: 'done',
    });
    const bad = { name: 'bad', text: 'select 1 / 0' };
    expect(await small.transaction((transaction) => transaction.run(bad, []))).toMatchObject({
      kind: 'rejected',
      code: '22012',
    });
    await small.close();
  });

  it('counts statements, and gets over connections that are gone', async () => {
    const sent: string[] = [];
    const lost: Error[] = [];
    const small = open(server.url, {
      size: 1,
      applicationName: 'to be cut',
      onStatement: (name) => sent.push(name),
      onConnectionLost: (error) => lost.push(error),
    });
    const look = { name: 'look', text: 'select $1::int8 as number, $2::timestamptz as time' };
    const params = ['9007199254740991', '2026-11-22T00:00:00.123456Z'];
    const rows = [{ number: 9007199254740991, time: Date.UTC(2026, 10, 22) + 123.456 }];
    expect(await small.rows(look, params)).toEqual(rows);
    await raw.query(
      `select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'to be cut'`,
    );
    while (lost.length === 0) await new Promise(setImmediate);
    expect(await small.rows(look, params)).toEqual(rows);
    expect(sent).toEqual(['look', 'look']);
    await small.close();
  });
});
