import pg from 'pg';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type FaultProxy, startFaultProxy } from './postgres.ts';
import { useTestDatabase } from '../../packages/server/test/postgres.ts';

describe('the fault proxy', () => {
  const database = useTestDatabase();
  let proxy: FaultProxy;
  let direct: pg.Client;
  let client: pg.Client;

  const insert = (n: number) =>
    client.query({ name: 'insert_note', text: 'insert into note values ($1)', values: [n] });
  const stored = async (): Promise<number[]> =>
    (await direct.query<{ n: number }>('select n from note order by n')).rows.map(({ n }) => n);

  beforeEach(async () => {
    proxy = await startFaultProxy(database.url);
    direct = new pg.Client({ connectionString: database.url });
    client = new pg.Client({ connectionString: proxy.url });
    client.on('error', () => {});
    await Promise.all([direct.connect(), client.connect()]);
    await direct.query('create table note (n int)');
  });
  afterEach(async () => {
    await client.end().catch(() => {});
    await proxy.close();
    await direct.query('drop table note');
    await direct.end();
  });

  it('lets everything through, large things too', async () => {
    await insert(1);
    const { rows } = await client.query<{ text: string }>('select repeat($1, 300000) as text', ['ä']);
    expect(rows[0]?.text.length).toBe(300_000);
    expect(await stored()).toEqual([1]);
  });

  it('lets nothing through while it is silent, and breaks what was on its way', async () => {
    const speak = proxy.silence();
    const lost = insert(1).then(
      () => 'done',
      () => 'broken',
    );
    const late = new pg.Client({ connectionString: proxy.url, connectionTimeoutMillis: 200 });
    await expect(late.connect()).rejects.toThrow('timeout');
    expect(await stored()).toEqual([]);
    speak();
    expect(await lost).toBe('broken');
    client = new pg.Client({ connectionString: proxy.url });
    await client.connect();
    await insert(2);
    expect(await stored()).toEqual([2]);
  });

  it('loses the answer of a statement that was committed', async () => {
    await insert(1);
    const cut = proxy.cut('insert_', 'after');
    await client.query('select 1');
    await expect(insert(2)).rejects.toThrow(/terminated/);
    await cut;
    expect(await stored()).toEqual([1, 2]);
  });

  it('loses the answer of the commit, where the statement stands in a transaction', async () => {
    const cut = proxy.cut('insert_', 'after');
    await client.query('begin');
    await insert(1);
    await expect(client.query('commit')).rejects.toThrow(/terminated/);
    await cut;
    expect(await stored()).toEqual([1]);
  });

  it('loses a statement', async () => {
    const cut = proxy.cut('insert_', 'before');
    await expect(insert(1)).rejects.toThrow(/terminated/);
    await cut;
    expect(await stored()).toEqual([]);
  });
});
