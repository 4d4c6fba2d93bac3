import type pg from 'pg';

/** Whether the second wall between tenants stands; if not, why, for people. */
export type RowSecurity =
  | { readonly kind: 'on'; readonly role: string }
  | { readonly kind: 'off'; readonly why: string };

/**
 * The name of the role, in SQL. A role is known to all databases of a PostgreSQL, and its rights in one are those of
 * everybody who may take it: so it is one for each owner of tables, whose databases share it.
 */
export const tenantRoleName = `('posthorn_tenant_' || current_user)::name`;

/** What the API does to tables on behalf of a tenant, and nothing more. */
const PRIVILEGES: Readonly<Record<string, readonly string[]>> = {
  application: ['select', 'insert', 'update'],
  endpoint: ['select', 'insert', 'update'],
  event_type: ['select', 'insert', 'update', 'delete'],
  environment: ['select', 'insert', 'update'],
  task: ['select', 'insert', 'update'],
  task_item: ['select', 'insert'],
  message: ['select', 'update'],
  attempt: ['select', 'update'],
  live: ['select', 'insert', 'update', 'delete'],
  lane: ['select', 'insert', 'update'],
  closed: ['select', 'insert', 'update'],
  operational_event: ['insert'],
  poll_consumer: ['select', 'insert', 'update'],
  statistic_hour: ['select'],
  statistic_minutes: ['select'],
  statistic_mark: ['select'],
  live_seq: ['update'],
};
/** Of no organisation, and without a policy: where statistics end, and the sequence that places in orders are drawn from. */
const UNGUARDED = new Set(['statistic_mark', 'live_seq']);

const granted = Object.entries(PRIVILEGES).flatMap(([table, privileges]) =>
  privileges.map((privilege) => ({ table, privilege })),
);

/** In SQL, a condition: row-level security is switched on wherever a tenant's statement goes. */
export const policiesAreOn = `not exists (
  select from unnest('{${Object.keys(PRIVILEGES)
    .filter((table) => !UNGUARDED.has(table))
    .join()}}'::text[]) as t (name)
  left join pg_class c on c.oid = to_regclass(t.name) where c.relrowsecurity is not true)`;

const lacking = `
  select g.name, g.privilege from unnest($2::text[], $3::text[]) as g (name, privilege)
  where not has_table_privilege($1, g.name, g.privilege)`;
const wanted = [granted.map(({ table }) => table), granted.map(({ privilege }) => privilege)];

/**
 * 42710, 23505: another database made it meanwhile. XX000: two did something with it at once. 42501: not allowed.
 * 42704: so it was not made.
 */
const EXPECTED = new Set(['42710', '23505', 'XX000', '42501', '42704']);
const TRIES = 5;

type Names = { readonly user: string; readonly role: string; readonly name: string };

/** What stands in the way of working in the role; null: nothing. */
const obstacle = async (client: pg.ClientBase, { name, role, user }: Names): Promise<string | null> => {
  await client.query('begin');
  try {
    await client.query(`select set_config('role', $1, true)`, [name]);
    const { rows } = await client.query<{ guarded: boolean }>(
      `select not (rolsuper or rolbypassrls) and ${policiesAreOn} as guarded from pg_roles where rolname = $1`,
      [name],
    );
    return rows[0]?.guarded === true
      ? null
      : `the policies do not hold for the role ${role}: it is a superuser or has BYPASSRLS, or row level security was disabled on a table`;
  } catch (error) {
    return `${(error as Error).message}. Have an administrator of the database run: create role ${role} nologin; grant ${role} to ${user};`;
  } finally {
    await client.query('rollback');
  }
};

/** Runs something that another database's process may do at the same moment, and that the user may not be allowed. */
const attempt = async (client: pg.ClientBase, sql: string): Promise<void> => {
  try {
    await client.query(sql);
  } catch (error) {
    if (!EXPECTED.has(String((error as { code?: unknown }).code))) throw error;
  }
};

/** Makes the role and takes it. Of many databases that do so at once, each may lose a race, but not every time. */
const takeRole = async (client: pg.ClientBase, names: Names): Promise<string | null> => {
  for (let tries = 1; ; tries++) {
    const problem = await obstacle(client, names);
    if (problem === null || tries > TRIES) return problem;
    const { rows } = await client.query('select from pg_roles where rolname = $1', [names.name]);
    if (rows.length === 0) await attempt(client, `create role ${names.role} nologin`);
    await attempt(client, `grant ${names.role} to ${names.user}`);
  }
};

/** Whether the role has what it needs in this database, now. */
const grantAll = async (client: pg.ClientBase, { name, role }: Names): Promise<boolean> => {
  const missing = async () =>
    (await client.query<{ name: string; privilege: string }>(lacking, [name, ...wanted])).rows;
  for (const { name: table, privilege } of await missing())
    await attempt(client, `grant ${privilege} on ${table} to ${role}`);
  return (await missing()).length === 0;
};

/**
 * Makes the role that tenants' statements run in, where the database's user may, and grants it what they need. Safe
 * to repeat; one process of a database at a time. Rejects only when the database cannot be reached.
 */
export const prepareTenantRole = async (client: pg.ClientBase): Promise<RowSecurity> => {
  const named = await client.query<Names>(
    `select r.name, quote_ident(r.name) as role, quote_ident(current_user) as user from (select ${tenantRoleName} as name) r`,
  );
  const names = named.rows[0]!;
  const problem = await takeRole(client, names);
  if (problem !== null) return { kind: 'off', why: problem };
  if (await grantAll(client, names)) return { kind: 'on', role: names.name };
  return {
    kind: 'off',
    why: `the user ${names.user} may not grant rights on Posthorn's tables to ${names.role}`,
  };
};
