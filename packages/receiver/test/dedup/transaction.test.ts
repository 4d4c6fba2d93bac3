import pg from 'pg';
import postgres from 'postgres';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { useTestDatabase } from '../../../server/test/postgres.ts';
import { postgresDedup, postgresJs, type SqlPool, withDedup } from '../../src/dedup/postgres.ts';
import { startChild } from '../child.ts';
import { eventually } from '../eventually.ts';

const database = useTestDatabase();
let pool: pg.Pool;
let sql: postgres.Sql;

beforeAll(async () => {
  pool = new pg.Pool({ connectionString: database.url, max: 20 });
  sql = postgres(database.url, { max: 20, onnotice: () => {} });
  await postgresDedup(pool).createTable();
  await pool.query('create table effect (key text not null, part int not null)');
});
afterAll(async () => {
  await pool.end();
  await sql.end();
});

const effects = async (key: string): Promise<unknown[]> =>
  (await pool.query('select part from effect where key = $1 order by part', [key])).rows.map(
    ({ part }: { part: number }) => part,
  );

const drivers: readonly (readonly [string, () => SqlPool])[] = [
  ['pg', () => pool],
  ['postgres.js', () => postgresJs(sql)],
];

describe.each(drivers)('withDedup on %s', (driver, on) => {
  const handle = (key: string) =>
    withDedup(on(), key, async (tx) => {
      await tx.query('insert into effect (key, part) values ($1, 1)', [key]);
      return 'value';
    });

  it('has the effect once, of 200 at once', async () => {
    const key = `${driver}:race`;
    const results = await Promise.all(Array.from({ length: 200 }, () => handle(key)));
    expect(results.filter(({ kind }) => kind === 'first')).toEqual([{ kind: 'first', value: 'value' }]);
    expect(await effects(key)).toEqual([1]);
    expect(await handle(key)).toEqual({ kind: 'done' });
  });

  it('leaves no trace of a handler that throws', async () => {
    const key = `${driver}:throws`;
    const failing = withDedup(on(), key, async (tx) => {
      await tx.query('insert into effect (key, part) values ($1, 1)', [key]);
      throw new RangeError('half way');
    });
    await expect(failing).rejects.toThrow(RangeError);
    expect(await effects(key)).toEqual([]);
    expect((await handle(key)).kind).toBe('first');
  });

  it('does not call done what Postgres rolled back because the handler went on after an error', async () => {
    const key = `${driver}:swallows`;
    const swallowing = withDedup(on(), key, async (tx) => {
      await tx.query('insert into effect (key, part) values ($1, 1)', [key]);
      await tx.query('select 1 / 0').catch(() => {});
    });
    await expect(swallowing).rejects.toThrow('rolled back');
    expect((await handle(key)).kind).toBe('first');
    expect(await effects(key)).toEqual([1]);
  });

  it('says busy at once while another is at it, also to claims of the same table', async () => {
    const key = `${driver}:open`;
    let release: (() => void) | undefined;
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    let begun: (() => void) | undefined;
    const started = new Promise<void>((resolve) => {
      begun = resolve;
    });
    const slow = withDedup(on(), key, async () => {
      begun?.();
      await held;
    });
    await started;
    expect((await handle(key)).kind).toBe('busy');
    const claim = { ttlMs: 1_000, leaseMs: 1_000, nowMs: Date.now() };
    expect((await postgresDedup(on()).claim(key, claim)).kind).toBe('busy');
    release?.();
    expect((await slow).kind).toBe('first');
    expect((await handle(key)).kind).toBe('done');
  });
});

it('takes up what a killed process left, without its half', async () => {
  const key = 'killed';
  const child = startChild(new URL('transaction.ts', import.meta.url), [database.url, key]);
  const handle = () =>
    withDedup(pool, key, async (tx) => {
      await tx.query('insert into effect (key, part) values ($1, 2)', [key]);
    });
  try {
    expect(await child.line()).toBe('half');
    expect((await handle()).kind).toBe('busy');
  } finally {
    await child.kill();
  }
  // No lease: the lock ends with the connection.
  await eventually(handle, ({ kind }) => kind === 'first');
  expect(await effects(key)).toEqual([2]);
});

describe('the table', () => {
  it('forgets what is over once a minute', async () => {
    const store = postgresDedup(pool, { clock: 'caller' });
    const claim = async (key: string, nowMs: number) =>
      store.claim(key, { ttlMs: 1_000, leaseMs: 1_000, nowMs });
    await claim('old', 0);
    await claim('young', 60_000);
    const { rows } = await pool.query(`select key from posthorn_dedup where key in ('old', 'young')`);
    expect(rows).toEqual([{ key: 'young' }]);
    expect(await store.purge()).toBe(1);
  });

  it('is refused under a name that would be a statement', () => {
    expect(() => postgresDedup(pool, { table: 'a; drop table b' })).toThrow(TypeError);
  });
});
