// docs/receiver/deduplication.md: its stores are made as they stand there, and asked.
import type { DedupStore } from '@posthorn/receiver';
import { createDedupTable } from '@posthorn/receiver/dedup/postgres';
import pg from 'pg';
import { afterAll, beforeAll, expect, vi } from 'vitest';
import { broker } from '../../packages/receiver/test/brokers/broker.ts';
import { startRedis } from '../../packages/receiver/test/brokers/redis.ts';
import { eventOf } from '../../packages/receiver/test/events.ts';
import { useTestDatabase } from '../../packages/server/test/postgres.ts';
import { evaluate } from './evaluate.ts';
import { describePage } from './page.ts';

const redis = await broker('Redis (for the snippets)', startRedis);
const database = useTestDatabase();
let pool: pg.Pool;
beforeAll(async () => {
  vi.stubEnv('DATABASE_URL', database.url);
  vi.stubEnv('REDIS_URL', redis?.url ?? '');
  vi.stubEnv('AWS_REGION', 'local');
  pool = new pg.Pool({ connectionString: database.url });
  await pool.query('create table payment (invoice int, event text)');
});
afterAll(async () => {
  await pool.end();
  vi.unstubAllEnvs();
});

const handlesOnce = async (value: unknown): Promise<void> => {
  const store = value as DedupStore;
  const key = `once:${crypto.randomUUID()}`;
  const options = { ttlMs: 60_000, leaseMs: 60_000, nowMs: Date.now() };
  const claim = await store.claim(key, options);
  expect(claim.kind).toBe('first');
  if (claim.kind === 'first') await store.done(key, claim.token);
  expect(await store.claim(key, options)).toEqual({ kind: 'done' });
};
const end = (client: unknown): Promise<void> => (client as pg.Pool).end();

describePage('docs/receiver/deduplication.md', {
  'memoryDedup({': async (text) => handlesOnce((await evaluate(text, {}, ['store'])).store),

  'const store = postgresDedup(pool)': async (text) => {
    const { store, pool: made } = await evaluate(text, {}, ['store', 'pool']);
    await handlesOnce(store);
    await end(made);
  },

  'redisDedup(': async (text) => {
    if (redis === null) return;
    const { Redis } = await import('ioredis');
    const clients: InstanceType<typeof Redis>[] = [];
    class Kept extends Redis {
      constructor(url: string) {
        super(url);
        clients.push(this);
      }
    }
    const own = text.replace(/^import \{ Redis \}.*$/m, '');
    await handlesOnce((await evaluate(own, { Redis: Kept }, ['store'])).store);
    for (const client of clients) await client.quit();
  },

  'dynamodbDedup(': async (text) => {
    const { store } = await evaluate(text, {}, ['store']);
    expect(store).toMatchObject({ claim: expect.any(Function) });
  },

  postgresJs: async (text) => {
    const { store, sql } = await evaluate(text, {}, ['store', 'sql']);
    await handlesOnce(store);
    await end(sql);
  },

  withDedup: async (text) => {
    const { handle, pool: made } = await evaluate(text, {}, ['handle', 'pool']);
    const event = eventOf('e1', { body: new TextEncoder().encode('{"invoice":7}') });
    const again = handle as (event: unknown) => Promise<unknown>;
    expect(await again(event)).toEqual({});
    expect(await again(event)).toEqual({});
    expect((await pool.query('select * from payment')).rows).toEqual([{ invoice: 7, event: 'e1' }]);
    await end(made);
  },

  'create table if not exists posthorn_dedup': (text) => {
    expect(text.trim()).toBe(createDedupTable('posthorn_dedup'));
  },
});
