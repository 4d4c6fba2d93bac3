import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { useTestDatabase } from '../postgres.ts';

const database = useTestDatabase();
let client: pg.Client;
beforeAll(async () => {
  client = new pg.Client({ connectionString: database.url });
  await client.connect();
});
afterAll(() => client.end());

// The days' leaves are left out: they follow from their parents and from the date.
const tables = `
  select c.oid, c.relname as name, coalesce(array_to_string(c.reloptions, ', '), '') as options,
    coalesce(' partition by ' || pg_get_partkeydef(c.oid), '') as partition
  from pg_class c where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p') and not c.relispartition`;

const lines = async (text: string): Promise<string[]> =>
  (await client.query<{ line: string }>({ text })).rows.map(({ line }) => line);

/** The schema in words that are the same on every PostgreSQL from 15 on. */
const describeSchema = async (): Promise<string> => {
  const { rows } = await client.query<{ oid: number; name: string; options: string; partition: string }>(
    `${tables} order by c.relname`,
  );
  const parts: string[] = [
    '-- The schema that the migrations make. Written by test/store/schema.test.ts (vitest -u).',
    '',
  ];
  for (const { oid, name, options, partition } of rows) {
    const columns = await lines(`
      select format('  %s %s%s%s%s', a.attname, format_type(a.atttypid, a.atttypmod),
        case when a.attcollation <> t.typcollation then ' collate ' || quote_ident(co.collname) else '' end,
        case when a.attnotnull then ' not null' else '' end,
        coalesce(' default ' || pg_get_expr(d.adbin, d.adrelid), '')) as line
      from pg_attribute a join pg_type t on t.oid = a.atttypid
      left join pg_collation co on co.oid = a.attcollation
      left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
      where a.attrelid = ${oid} and a.attnum > 0 and not a.attisdropped order by a.attnum`);
    const constraints = await lines(`
      select format('  constraint %s %s', conname, pg_get_constraintdef(oid)) as line
      from pg_constraint where conrelid = ${oid} and contype in ('p', 'u', 'f', 'c') order by contype, conname`);
    const indexes = await lines(`
      select pg_get_indexdef(i.indexrelid) || ';' as line from pg_index i join pg_class c on c.oid = i.indexrelid
      where i.indrelid = ${oid} and not i.indisprimary order by c.relname`);
    const policies = await lines(`
      select format('alter table %I enable row level security;', relname) as line
      from pg_class where oid = ${oid} and relrowsecurity
      union all
      select format('create policy %I on %I using (%s);', p.polname, c.relname, pg_get_expr(p.polqual, p.polrelid))
      from pg_policy p join pg_class c on c.oid = p.polrelid where c.oid = ${oid}`);
    parts.push(
      `create table ${name} (\n${[...columns, ...constraints].join(',\n')}\n)${partition}${options === '' ? '' : ` with (${options})`};`,
      ...indexes,
      ...policies,
      '',
    );
  }
  parts.push(
    ...(await lines(`
      select pg_get_functiondef(p.oid) || ';' || chr(10) as line from pg_proc p
      where p.pronamespace = 'public'::regnamespace order by p.proname`)),
  );
  return parts.join('\n');
};

it('is the committed one', async () => {
  await expect(await describeSchema()).toMatchFileSnapshot('../../schema.sql');
});

it('tells the ids of a day by the same bounds as the ids themselves', async () => {
  const { idFloor } = await import('../../src/domain/ids.ts');
  for (const iso of ['2026-11-22T00:00:00.000Z', '2026-11-22T23:59:59.996Z', '2100-01-01T12:34:56.780Z']) {
    const { rows } = await client.query<{ body: string }>('select id_floor($1::timestamptz) as body', [iso]);
    expect(`msg_${rows[0]!.body}`).toBe(idFloor('message', Date.parse(iso)));
  }
});
