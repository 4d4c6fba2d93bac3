import { setTimeout as wait } from 'node:timers/promises';
import pg from 'pg';
import type { Migration } from './migration-files.ts';
import { prepareTenantRole } from './tenant-role.ts';
import type { RowSecurity } from './tenant-role.ts';
import { concurrentIndexesOf, migrationsFolder, readMigrations, statementsOf } from './migration-files.ts';

export type MigrateOptions = {
  readonly url: string;
  /** One line per step, for people. */
  readonly log: (line: string) => void;
  /** Where the files are; the package's own by default. */
  readonly folder?: string;
};

export type MigrateResult = {
  /** File names without extension of what this call applied, in order. */
  readonly applied: readonly string[];
  /** The database's highest version afterwards. */
  readonly version: number;
  /** Versions in the database that this process does not know, all of them compatible. */
  readonly newer: number;
  /** Whether tenants' statements can run in a role of their own. */
  readonly rowSecurity: RowSecurity;
};

/** The database's schema and this process do not fit; the message says why and what to do. */
export class SchemaMismatch extends Error {
  override readonly name = 'SchemaMismatch';
}

type AppliedRow = { version: number; name: string; checksum: string; breaking: boolean };

// Any constant will do; it names "somebody migrates this database".
const LOCK = 7_367_726_417_203;
const LOCK_POLL_MS = 100;
const LOCK_TIMEOUT_MS = 3000;
const LOCK_TRIES = 20;
const LOCK_NOT_AVAILABLE = '55P03';
const DEADLOCK = '40P01';

/**
 * By asking again, not by waiting inside the database: a session that waits for the lock holds a
 * snapshot, and the other's `create index concurrently` would wait for that.
 */
const takeLock = async (client: pg.Client, log: MigrateOptions['log']): Promise<void> => {
  for (let told = false; ; told = true) {
    const { rows } = await client.query<{ got: boolean }>(`select pg_try_advisory_lock(${LOCK}) as got`);
    if (rows[0]?.got === true) return;
    if (!told) log('another process is migrating this database; waiting for it');
    await wait(LOCK_POLL_MS);
  }
};

const nameOf = (migration: Pick<Migration, 'version' | 'name'>): string =>
  `${String(migration.version).padStart(3, '0')}_${migration.name}`;

/** Throws SchemaMismatch unless what the database has applied fits what this process knows. */
const compare = (known: readonly Migration[], applied: readonly AppliedRow[]): void => {
  const byVersion = new Map(known.map((migration) => [migration.version, migration]));
  const newest = known.at(-1)?.version ?? 0;
  for (const row of applied) {
    const migration = byVersion.get(row.version);
    if (migration !== undefined && migration.checksum !== row.checksum) {
      throw new SchemaMismatch(
        `migration ${nameOf(row)} was applied to this database with other content than this version of posthorn has. ` +
          'A migration never changes once it is released: run the version of posthorn that migrated this database, or a newer one.',
      );
    }
    if (migration === undefined && (row.breaking || row.version < newest)) {
      throw new SchemaMismatch(
        `this database was migrated by ${row.version > newest ? 'a newer' : 'another'} version of posthorn ` +
          `(${nameOf(row)}${row.breaking ? ', a breaking change' : ''}); this one knows versions up to ${newest}. ` +
          'Upgrade this process to the version that migrated the database.',
      );
    }
  }
};

const insertRow = `insert into schema_migration (version, name, checksum, breaking) values ($1, $2, $3, $4)`;
const rowOf = (migration: Migration): unknown[] => [
  migration.version,
  migration.name,
  migration.checksum,
  migration.breaking,
];

const applyInTransaction = async (client: pg.Client, migration: Migration): Promise<void> => {
  await client.query('begin');
  try {
    await client.query(`set local lock_timeout = ${LOCK_TIMEOUT_MS}`);
    await client.query(migration.sql);
    await client.query(insertRow, rowOf(migration));
    await client.query('commit');
  } catch (error) {
    await client.query('rollback').catch(() => {});
    throw error;
  }
};

const applyStatements = async (client: pg.Client, migration: Migration): Promise<void> => {
  for (const index of concurrentIndexesOf(migration)) {
    const { rows } = await client.query(
      'select from pg_index where indexrelid = to_regclass($1) and not indisvalid',
      [index],
    );
    if (rows.length > 0) await client.query(`drop index concurrently if exists "${index}"`);
  }
  await client.query(`set lock_timeout = ${LOCK_TIMEOUT_MS}`);
  try {
    for (const statement of statementsOf(migration)) await client.query(statement);
  } finally {
    await client.query('reset lock_timeout').catch(() => {});
  }
  await client.query(insertRow, rowOf(migration));
};

/** A migration waits for a lock for seconds only, so that it never queues up the traffic behind it; then it tries again. */
const apply = async (client: pg.Client, migration: Migration, log: MigrateOptions['log']): Promise<void> => {
  for (let tries = 1; ; tries++) {
    try {
      await (migration.transactional ? applyInTransaction : applyStatements)(client, migration);
      return;
    } catch (error) {
      const code = (error as { code?: unknown }).code;
      if ((code !== LOCK_NOT_AVAILABLE && code !== DEADLOCK) || tries === LOCK_TRIES) {
        throw new Error(`migration ${nameOf(migration)} failed: ${(error as Error).message}`, {
          cause: error,
        });
      }
      log(
        `migration ${nameOf(migration)} could not get its lock (try ${tries} of ${LOCK_TRIES}); trying again`,
      );
      await wait(LOCK_POLL_MS * tries);
    }
  }
};

const bookkeeping = `
  create table if not exists schema_migration (
    version integer primary key,
    name text not null,
    checksum text not null,
    breaking boolean not null,
    applied_at timestamptz not null default now()
  )`;

/** Row-level security is for tenants: somebody for whom it hides all rows would deliver nothing, without a word. */
const refuseHidden = async (client: pg.Client): Promise<void> => {
  const { rows } = await client.query<{ user: string; owner: string }>(
    `select current_user as user, pg_get_userbyid(c.relowner) as owner from pg_class c
     where c.oid = to_regclass('live') and row_security_active(c.oid)`,
  );
  const [hidden] = rows;
  if (hidden === undefined) return;
  const { user, owner } = hidden;
  throw new SchemaMismatch(
    `row-level security hides all rows of this database from the user ${user}, who does not own its tables. ` +
      `Connect as ${owner}, or have an administrator run: grant "${owner}" to "${user}";`,
  );
};

/**
 * Brings a database to this version's schema: applies what is missing, in order, each file in its
 * own transaction. Safe to call from many processes at once and after a kill at any point.
 *
 * @throws SchemaMismatch when the database is ahead by a breaking change, or was migrated with
 *   other content.
 */
export const migrate = async ({
  url,
  log,
  folder = migrationsFolder,
}: MigrateOptions): Promise<MigrateResult> => {
  const known = await readMigrations(folder);
  const client = new pg.Client({
    connectionString: url,
    application_name: 'posthorn migrate',
    connectionTimeoutMillis: 10_000,
    keepAlive: true,
  });
  client.on('error', () => {});
  await client.connect();
  try {
    await takeLock(client, log);
    await client.query(bookkeeping);
    const { rows } = await client.query<AppliedRow>(
      'select version, name, checksum, breaking from schema_migration order by version',
    );
    compare(known, rows);
    const done = new Set(rows.map((row) => row.version));
    const applied: string[] = [];
    for (const migration of known) {
      if (done.has(migration.version)) continue;
      await apply(client, migration, log);
      log(`applied migration ${nameOf(migration)}`);
      applied.push(nameOf(migration));
    }
    const newest = known.at(-1)?.version ?? 0;
    const newer = rows.filter((row) => row.version > newest).length;
    if (newer > 0) log(`the database is ${newer} compatible migration(s) ahead of this process`);
    await refuseHidden(client);
    const rowSecurity = await prepareTenantRole(client);
    return { applied, version: Math.max(newest, rows.at(-1)?.version ?? 0), newer, rowSecurity };
  } finally {
    await client.end().catch(() => {});
  }
};
