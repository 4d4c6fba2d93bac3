import pg from 'pg';
import { readMigrations } from './migration-files.ts';
import type { Database, Statement } from './postgres.ts';
import { policiesAreOn, tenantRoleName } from './tenant-role.ts';

/** What a check-up wants to know of a database that can be reached. */
export type DatabaseFacts = {
  readonly serverVersion: string;
  /** Unix milliseconds by the database's clock. */
  readonly nowMs: number;
  /** The newest migration in it, or null where there is none yet; and the newest of this program. */
  readonly schemaVersion: number | null;
  readonly programVersion: number;
  readonly connections: number;
  readonly maxConnections: number;
  /** Whether the user may work in the role that the policies between tenants hold for, and they are in force. */
  readonly rowSecurity: boolean;
};

const CONNECT_TIMEOUT_MS = 5_000;

const state: Statement = {
  name: 'facts_state',
  text: `select current_setting('server_version') as version, current_setting('max_connections')::int as most,
     to_regclass('schema_migration') is not null as migrated,
     (select count(*)::int from pg_stat_activity where backend_type = 'client backend') as connections,
     extract(epoch from clock_timestamp())::float8 * 1000 as "nowMs",
     coalesce((select not (r.rolsuper or r.rolbypassrls) and ${policiesAreOn} and pg_has_role(current_user, r.oid,
         case when current_setting('server_version_num')::int >= 160000 then 'SET' else 'MEMBER' end)
       from pg_roles r where r.rolname = ${tenantRoleName}), false) as "rowSecurity"`,
};

const newest: Statement = {
  name: 'facts_schema',
  text: 'select max(version) as version from schema_migration',
};

type State = {
  readonly version: string;
  readonly connections: number;
  readonly most: number;
  readonly migrated: boolean;
  readonly nowMs: number;
  readonly rowSecurity: boolean;
};

const factsBy = async (
  rows: <Row extends object>(statement: Statement) => Promise<Row[]>,
): Promise<DatabaseFacts> => {
  const { version, nowMs, connections, most, migrated, rowSecurity } = (await rows<State>(state))[0]!;
  const schema = migrated ? await rows<{ version: number | null }>(newest) : [];
  return {
    serverVersion: version,
    nowMs,
    schemaVersion: schema[0]?.version ?? null,
    programVersion: (await readMigrations()).at(-1)?.version ?? 0,
    connections,
    maxConnections: most,
    rowSecurity,
  };
};

/** Over a connection of its own. Rejects when the database cannot be reached: ask checkDatabase before. */
export const readDatabaseFacts = async (url: string): Promise<DatabaseFacts> => {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: CONNECT_TIMEOUT_MS });
  client.on('error', () => {});
  await client.connect();
  try {
    return await factsBy(
      async <Row extends object>({ text }: Statement) => (await client.query<Row>(text)).rows,
    );
  } finally {
    await client.end();
  }
};

/** By a server that has it open. */
export const databaseFactsOf = (database: Database): Promise<DatabaseFacts> =>
  factsBy((statement) => database.rows(statement, []));
