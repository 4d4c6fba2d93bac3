import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { useTestDatabase } from '../../../server/test/postgres.ts';
import { postgresDedup } from '../../src/dedup/postgres.ts';
import { memoryDedup } from '../../src/dedup/memory.ts';
import { broker } from '../brokers/broker.ts';
import { startDynamo } from '../brokers/dynamodb.ts';
import { startRedis } from '../brokers/redis.ts';
import { startChild } from '../child.ts';
import { eventually } from '../eventually.ts';
import { dynamoClient, type Opened, openStore, type StoreName, TABLE } from './stores.ts';
import { dedupSuite } from './suite.ts';

const redis = await broker('Redis', startRedis);
const dynamo = await broker('DynamoDB', startDynamo);

/** The suite, and a process that dies, on a store that outlives processes. */
const durable = (name: StoreName, url: () => string, handedClock: boolean): void => {
  let opened: Opened;
  beforeAll(async () => {
    opened = await openStore(name, url());
  });
  afterAll(() => opened.close());

  dedupSuite({ store: () => opened.store, handedClock });

  it('gives the key of a killed process to the next one, once its lease is over', async () => {
    const key = `killed:${name}`;
    const leaseMs = 1_500;
    const claim = () => opened.store.claim(key, { ttlMs: 3_600_000, leaseMs, nowMs: Date.now() });
    const child = startChild(new URL('half-way.ts', import.meta.url), [name, url(), key, String(leaseMs)]);
    let held: { kind: string; token: string };
    let heldAtMs: number;
    try {
      held = (await child.line()) as typeof held;
      heldAtMs = performance.now();
    } finally {
      await child.kill();
    }
    expect(held.kind).toBe('first');
    expect((await claim()).kind).toBe('busy');
    const next = await eventually(claim, ({ kind }) => kind === 'first');
    // Its clock began at most as long before as its answer took.
    expect(performance.now() - heldAtMs).toBeGreaterThan(leaseMs / 2);
    expect(await opened.store.done(key, held.token)).toBe('lost');
    expect(await opened.store.done(key, next.kind === 'first' ? next.token : '')).toBe('kept');
  });
};

describe('memory', () => {
  const store = memoryDedup();
  dedupSuite({ store: () => store, handedClock: true });
});

describe('Postgres', () => {
  const database = useTestDatabase();
  beforeAll(async () => {
    const pool = new pg.Pool({ connectionString: database.url });
    // Processes that start together.
    await Promise.all(Array.from({ length: 8 }, () => postgresDedup(pool).createTable()));
    await pool.end();
  });
  for (const [name, handedClock] of [
    ['postgres', false],
    ['postgres by the caller’s clock', true],
    ['postgres.js', false],
  ] as const)
    describe(name, () => durable(name, () => database.url, handedClock));
});

describe.skipIf(redis === null)('Redis', () => {
  for (const name of ['ioredis', 'node-redis'] as const)
    describe(name, () => durable(name, () => redis?.url ?? '', false));
});

describe.skipIf(dynamo === null)('DynamoDB', () => {
  beforeAll(async () => {
    const client = dynamoClient(dynamo ?? '');
    await client.createTable({
      TableName: TABLE,
      AttributeDefinitions: [{ AttributeName: 'key', AttributeType: 'S' }],
      KeySchema: [{ AttributeName: 'key', KeyType: 'HASH' }],
      BillingMode: 'PAY_PER_REQUEST',
    });
    client.destroy();
  });
  durable('dynamodb', () => dynamo ?? '', true);
});
