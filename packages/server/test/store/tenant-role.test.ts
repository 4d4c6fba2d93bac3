// The second wall between tenants: who can have it, and what becomes of sessions that work behind it.
import pg from 'pg';
import { beforeAll, describe, expect, it } from 'vitest';
import { SchemaMismatch, migrate } from '../../src/store/migrate.ts';
import { readDatabaseFacts } from '../../src/store/database-facts.ts';
import { tenantStatement } from '../../src/store/tenant-statement.ts';
import type { RowSecurity } from '../../src/store/tenant-role.ts';
import type { Database } from '../../src/store/postgres.ts';
import { as, useOwnedDatabases } from '../owned-databases.ts';
import { holdReplies } from './held-replies.ts';
import { open } from './setup.ts';

const quiet = (): void => {};
const owners = useOwnedDatabases();
const { addUser, addDatabase } = owners;

const prepare = async (url: string): Promise<RowSecurity> => (await migrate({ url, log: quiet })).rowSecurity;

/** Says nothing of whose rows it wants: the wall has to. */
const visible = tenantStatement(
  1,
  'test_visible',
  `select a.id from application a where $1 <> '' order by 1`,
);
const everything = { name: 'test_everything', text: 'select id from application order by 1' };
const failing = tenantStatement(1, 'test_failing', 'select 1 / (length($1) - length($1))');

const fill = (database: Database): Promise<void> =>
  database.script(`insert into application (id, org_id, name, created_at, updated_at)
    values ('app_1', 'org_1', 'a', now(), now()), ('app_2', 'org_2', 'a', now(), now())`);

const using = async <Result>(
  url: string,
  rowSecurity: RowSecurity,
  work: (database: Database) => Promise<Result>,
): Promise<Result> => {
  if (rowSecurity.kind === 'off') throw new Error(rowSecurity.why);
  const database = open(url, { plans: 'standard', tenantRole: rowSecurity.role, size: 1 });
  try {
    return await work(database);
  } finally {
    await database.close();
  }
};

describe('the role of tenants', () => {
  it('is made by a user with CREATEROLE, shared by its databases, also when all begin at once', async () => {
    const user = await addUser('createrole');
    const urls = [await addDatabase(user), await addDatabase(user), await addDatabase(user)];
    const results = await Promise.all([...urls, ...urls].map(prepare));
    expect(results).toEqual(results.map(() => ({ kind: 'on', role: `posthorn_tenant_${user}` })));
    for (const url of urls) {
      await using(url, results[0]!, async (database) => {
        await fill(database);
        expect(await database.rows(visible, ['org_2'])).toEqual([{ id: 'app_2' }]);
      });
      expect((await readDatabaseFacts(url)).rowSecurity).toBe(true);
    }
    const { rows } = await owners.admin.query(
      'select rolcanlogin, rolsuper from pg_roles where rolname = $1',
      [`posthorn_tenant_${user}`],
    );
    expect(rows).toEqual([{ rolcanlogin: false, rolsuper: false }]);
  });

  it('is another for another owner of tables, who could take it', async () => {
    const [one, other] = [await addUser('createrole'), await addUser('createrole')];
    const [first, second] = [await addDatabase(one), await addDatabase(other)];
    const role = await prepare(first);
    expect(await prepare(second)).not.toEqual(role);
    // Whoever has the one may not even read behind the other.
    const stranger = new pg.Client({ connectionString: as(one, second) });
    await stranger.connect();
    await expect(stranger.query(`set role "posthorn_tenant_${other}"`)).rejects.toThrow('permission denied');
    await stranger.query(`set role "posthorn_tenant_${one}"`);
    await expect(stranger.query('select from application')).rejects.toThrow('permission denied');
    await stranger.end();
  });

  it('is missing where the user may make none, which says what an administrator has to run', async () => {
    const user = await addUser();
    const url = await addDatabase(user);
    const off = await prepare(url);
    expect(off).toMatchObject({ kind: 'off' });
    expect((await readDatabaseFacts(url)).rowSecurity).toBe(false);
    const commands = /run: (.*)$/.exec((off as { why: string }).why)![1]!;
    await owners.admin.query(commands);
    expect(await prepare(url)).toEqual({ kind: 'on', role: `posthorn_tenant_${user}` });
    expect((await readDatabaseFacts(url)).rowSecurity).toBe(true);
  });

  it('counts for nothing where the policies do not hold for it', async () => {
    const user = await addUser('createrole');
    const url = await addDatabase(user);
    const on = await prepare(url);
    const owner = new pg.Client({ connectionString: url });
    await owner.connect();
    await owner.query('alter table live disable row level security');
    expect(await prepare(url)).toMatchObject({ kind: 'off', why: expect.stringContaining('disabled') });
    expect((await readDatabaseFacts(url)).rowSecurity).toBe(false);
    await owner.query('alter table live enable row level security');
    expect(await prepare(url)).toEqual(on);
    await owner.end();
    await owners.admin.query(`alter role "posthorn_tenant_${user}" bypassrls`);
    expect(await prepare(url)).toMatchObject({ kind: 'off', why: expect.stringContaining('BYPASSRLS') });
    expect((await readDatabaseFacts(url)).rowSecurity).toBe(false);
  });

  it('is no reason to deliver nothing: who does not own the tables is refused', async () => {
    const [owner, other] = [await addUser('createrole'), await addUser()];
    const url = await addDatabase(owner);
    await prepare(url);
    const client = new pg.Client({ connectionString: url });
    await client.connect();
    await client.query(
      `grant all on all tables in schema public to "${other}"; grant all on schema public to "${other}"`,
    );
    await client.end();
    await expect(prepare(as(other, url))).rejects.toThrow(SchemaMismatch);
    await expect(prepare(as(other, url))).rejects.toThrow(`grant "${owner}" to "${other}"`);
    await owners.admin.query(`grant "${owner}" to "${other}"`);
    expect((await prepare(as(other, url))).kind).not.toBe('refused');
  });
});

describe('a session', () => {
  let url: string;
  let rowSecurity: RowSecurity;
  beforeAll(async () => {
    url = await addDatabase(await addUser('createrole'));
    rowSecurity = await prepare(url);
    await using(url, rowSecurity, fill);
  });

  it('sees what its statement is for, whoever it worked for before', async () => {
    await using(url, rowSecurity, async (database) => {
      const seen = [];
      for (const org of ['org_1', 'org_1', 'org_2', 'org_3', 'org_1'])
        seen.push((await database.rows<{ id: string }>(visible, [org])).map(({ id }) => id).join());
      expect(seen).toEqual(['app_1', 'app_1', 'app_2', '', 'app_1']);
      expect(await database.rows(everything, [])).toHaveLength(2);
      expect(await database.rows(visible, ['org_2'])).toHaveLength(1);
    });
  });

  it('still does after what it was told has been rolled back', async () => {
    await using(url, rowSecurity, async (database) => {
      await database.rows(visible, ['org_1']);
      for (const org of ['org_2', 'org_1']) {
        const failed = await database.transaction(async ({ run }) => {
          await run(visible, [org]);
          await run(failing, [org]);
        });
        expect(failed.kind).not.toBe('done');
        await expect(
          database.transaction(async ({ run }) => {
            await run(visible, [org]);
            throw new Error('not so');
          }),
        ).rejects.toThrow('not so');
        expect(await database.rows(visible, ['org_1'])).toEqual([{ id: 'app_1' }]);
        expect(await database.rows(everything, [])).toHaveLength(2);
      }
    });
  });

  it('cannot write for another', async () => {
    const claim = tenantStatement(
      1,
      'test_claim',
      `insert into application (id, org_id, name, created_at, updated_at) select 'app_3', 'org_2', $1, now(), now()`,
    );
    await using(url, rowSecurity, async (database) => {
      expect(await database.run(claim, ['org_1'])).toMatchObject({ code: '42501' });
      expect(await database.rows(everything, [])).toHaveLength(2);
    });
  });

  it('refuses a statement that names nobody', async () => {
    await using(url, rowSecurity, async (database) => {
      await expect(database.rows(visible, [''])).rejects.toThrow('names no organisation');
      expect(await database.rows(visible, ['org_1'])).toHaveLength(1);
    });
  });

  it('answers nothing that it did not do as whom it should', async () => {
    const user = await addUser('createrole');
    const own = await addDatabase(user);
    await using(own, await prepare(own), async (database) => {
      await fill(database);
      await owners.admin.query(`revoke "posthorn_tenant_${user}" from "${user}"`);
      const result = await database.run(visible, ['org_1']);
      expect(result.kind).toBe('unknown');
      expect(await database.rows(everything, [])).toHaveLength(2);
    });
  });

  it('is told in the same round trip as the statement', async () => {
    const relay = await holdReplies(url);
    await using(relay.url, rowSecurity, async (database) => {
      await database.rows(visible, ['org_1']);
      relay.hold();
      const answer = database.rows(visible, ['org_2']);
      // Nothing is answered before both were sent; a client that waits for the first would wait for ever.
      await relay.sent(['org_2', 'org_2']);
      relay.release();
      expect(await answer).toEqual([{ id: 'app_2' }]);
    });
    await relay.close();
  });
});
