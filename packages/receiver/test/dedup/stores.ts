// Every store on the real thing, as the suite and the process that is killed open them.
import { createClient } from '@redis/client';
import { DynamoDB } from '@aws-sdk/client-dynamodb';
import { Redis } from 'ioredis';
import pg from 'pg';
import postgres from 'postgres';
import type { DedupStore } from '../../src/contract.ts';
import { dynamodbDedup } from '../../src/dedup/dynamodb.ts';
import { postgresDedup, postgresJs } from '../../src/dedup/postgres.ts';
import { redisDedup } from '../../src/dedup/redis.ts';

export type Opened = { readonly store: DedupStore; readonly close: () => Promise<unknown> };

export const TABLE = 'dedup';

export const dynamoClient = (endpoint: string): DynamoDB =>
  new DynamoDB({
    endpoint,
    region: 'local',
    credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
  });

const openPostgres = (url: string, clock: 'database' | 'caller'): Opened => {
  const pool = new pg.Pool({ connectionString: url, max: 10, application_name: 'dedup test' });
  return { store: postgresDedup(pool, { clock }), close: () => pool.end() };
};

const OPEN = {
  postgres: async (url: string): Promise<Opened> => openPostgres(url, 'database'),
  'postgres by the caller’s clock': async (url: string): Promise<Opened> => openPostgres(url, 'caller'),
  'postgres.js': async (url: string): Promise<Opened> => {
    const sql = postgres(url, { max: 10, onnotice: () => {} });
    return { store: postgresDedup(postgresJs(sql)), close: () => sql.end() };
  },
  ioredis: async (url: string): Promise<Opened> => {
    const redis = new Redis(url);
    return { store: redisDedup(redis), close: () => redis.quit() };
  },
  'node-redis': async (url: string): Promise<Opened> => {
    const client = createClient({ url });
    await client.connect();
    return { store: redisDedup(client), close: () => client.close() };
  },
  dynamodb: async (endpoint: string): Promise<Opened> => {
    const client = dynamoClient(endpoint);
    return { store: dynamodbDedup(client, { table: TABLE }), close: async () => client.destroy() };
  },
} as const;

export type StoreName = keyof typeof OPEN;

export const openStore = (name: StoreName, url: string): Promise<Opened> => OPEN[name](url);
