import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { SchemaMismatch, migrate } from '../../src/store/migrate.ts';
import { useTestDatabase } from '../postgres.ts';

const database = useTestDatabase();
const quiet = (): void => {};
let folder: string;
let client: pg.Client;

const write = (name: string, sql: string): Promise<void> => writeFile(join(folder, name), sql);
const run = (log: (line: string) => void = quiet) => migrate({ url: database.url, log, folder });

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'posthorn-migrations-'));
  client = new pg.Client({ connectionString: database.url });
  await client.connect();
  await client.query('drop table if exists schema_migration, a, b');
  await write('001_a.sql', 'create table a (id int);');
});
afterEach(async () => {
  await client.end();
  await rm(folder, { recursive: true });
});

describe('migrate', () => {
  it('applies each file once, also from many processes at once', async () => {
    await write('002_b.sql', 'create table b (id int);');
    const results = await Promise.all([run(), run(), run()]);
    expect(results.flatMap((result) => result.applied).sort()).toEqual(['001_a', '002_b']);
    expect((await run()).applied).toEqual([]);
  });

  it('leaves nothing of a file that failed, and goes on after it was mended', async () => {
    await write('002_b.sql', 'create table b (id int); select 1 / 0;');
    await expect(run()).rejects.toThrow('002_b failed: division by zero');
    expect((await client.query(`select to_regclass('b') as b`)).rows).toEqual([{ b: null }]);
    await write('002_b.sql', 'create table b (id int);');
    expect((await run()).applied).toEqual(['002_b']);
  });

  it('builds indexes outside of a transaction, again where a killed build left an invalid one', async () => {
    await run();
    await client.query('insert into a values (1), (1)');
    await expect(client.query('create unique index concurrently a_id on a (id)')).rejects.toThrow(
      'could not create',
    );
    await client.query('delete from a');
    await write(
      '002_index.sql',
      '--! no-transaction\ncreate unique index concurrently if not exists a_id on a (id);\n',
    );
    await run();
    const { rows } = await client.query(
      `select indisvalid from pg_index where indexrelid = 'a_id'::regclass`,
    );
    expect(rows).toEqual([{ indisvalid: true }]);
  });

  it('waits its turn for a lock instead of standing in front of the traffic', async () => {
    await run();
    const other = new pg.Client({ connectionString: database.url });
    await other.connect();
    await other.query('begin; lock table a');
    await write('002_b.sql', 'alter table a add column b int;');
    const lines: string[] = [];
    const done = run((line) => {
      lines.push(line);
      if (line.includes('could not get its lock')) void other.query('commit');
    });
    expect((await done).applied).toEqual(['002_b']);
    expect(lines.join()).toContain('try 1');
    await other.end();
  });

  it('runs on a newer schema that is compatible, and refuses a breaking one', async () => {
    await write('002_b.sql', 'create table b (id int);');
    await run();
    await rm(join(folder, '002_b.sql'));
    expect(await run()).toMatchObject({ applied: [], version: 2, newer: 1 });
    await write('003_c.sql', '-- Why.\n--! breaking\ndrop table b;');
    await write('002_b.sql', 'create table b (id int);');
    await run();
    await rm(join(folder, '003_c.sql'));
    await expect(run()).rejects.toThrow(SchemaMismatch);
    await expect(run()).rejects.toThrow('newer version of posthorn (003_c, a breaking change)');
  });

  it('refuses a file that changed after it was applied', async () => {
    await run();
    await write('001_a.sql', 'create table a (id bigint);');
    await expect(run()).rejects.toThrow('other content');
  });

  it('refuses unknown markers and numbers used twice', async () => {
    await write('001_b.sql', 'select 1;');
    await expect(run()).rejects.toThrow('number 1');
    await rm(join(folder, '001_b.sql'));
    await write('002_b.sql', '--! braking\nselect 1;');
    await expect(run()).rejects.toThrow('braking');
  });
});
