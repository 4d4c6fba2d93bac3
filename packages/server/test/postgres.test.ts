import pg from 'pg';
import { describe, expect, it } from 'vitest';
import { createTestDatabase, testServer, useTestDatabase } from './postgres.ts';

const connect = async (url: string): Promise<pg.Client> => {
  const client = new pg.Client({ connectionString: url });
  // A forced drop ends it from the server's side.
  client.on('error', () => {});
  await client.connect();
  return client;
};

const exists = async (name: string): Promise<boolean> => {
  const client = await connect((await testServer()).adminUrl);
  try {
    const { rowCount } = await client.query('select 1 from pg_database where datname = $1', [name]);
    return rowCount === 1;
  } finally {
    await client.end();
  }
};

describe('test databases', () => {
  const shared = useTestDatabase();

  it('are migrated and apart from each other', async () => {
    const other = await createTestDatabase();
    const [left, right] = await Promise.all([connect(shared.url), connect(other.url)]);
    try {
      await left.query('create table only_here (a int)');
      const tables = `select count(*)::int as n from pg_tables where schemaname not in ('pg_catalog', 'information_schema')`;
      const count = async (client: pg.Client): Promise<number> =>
        (await client.query<{ n: number }>(tables)).rows[0]?.n ?? 0;
      expect(await count(right)).toBeGreaterThan(1);
      expect(await count(left)).toBe((await count(right)) + 1);
    } finally {
      await Promise.all([left.end(), right.end()]);
    }
    await other.drop();
    expect(await exists(other.name)).toBe(false);
  });

  it('report connections that a test left open, and are dropped all the same', async () => {
    const database = await createTestDatabase();
    const forgotten = await connect(database.url);
    await forgotten.query('select 4711');
    await expect(database.drop()).rejects.toThrow(/1 connections .* still open[^]*select 4711/);
    expect(await exists(database.name)).toBe(false);
    await forgotten.end();
  });
});
