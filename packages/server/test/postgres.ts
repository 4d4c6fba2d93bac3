// Databases for tests: each one a clone of a migrated template, so that tests never share rows.
import { randomBytes } from 'node:crypto';
import { basename } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { afterAll, beforeAll, expect, inject } from 'vitest';
import { type TestServer, withDatabase } from './test-server.ts';

export type TestDatabase = {
  readonly name: string;
  /** A superuser's. */
  readonly url: string;
  /** Drops the database. Rejects, after dropping it, when connections to it were still open. Idempotent. */
  readonly drop: () => Promise<void>;
};

type Session = {
  readonly pid: number;
  readonly application_name: string;
  readonly state: string | null;
  readonly query: string;
};

/** A backend ends a moment after its client has closed the socket. */
const CLOSING_MS = 2_000;
const POLL_MS = 10;
const MAX_NAME = 63;

let known: Promise<TestServer> | undefined;

const ask = async (): Promise<TestServer> => {
  const response = await fetch(inject('testPostgres'));
  const text = await response.text();
  if (!response.ok) throw new Error(`The tests' PostgreSQL did not start: ${text}`);
  return JSON.parse(text) as TestServer;
};

/** The run's PostgreSQL; the first call of a run starts it. For tests that need more than {@link createTestDatabase}. */
export const testServer = (): Promise<TestServer> => (known ??= ask());

const withAdmin = async <T>(work: (client: pg.Client) => Promise<T>): Promise<T> => {
  const { adminUrl } = await testServer();
  const client = new pg.Client({ connectionString: adminUrl, application_name: 'test-admin' });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
};

const sessionsOf = async (client: pg.Client, database: string): Promise<Session[]> => {
  const { rows } = await client.query<Session>(
    `select pid, application_name, state, left(query, 100) as query from pg_stat_activity
      where datname = $1 and backend_type = 'client backend' order by pid`,
    [database],
  );
  return rows;
};

const drop = (database: string): Promise<void> =>
  withAdmin(async (client) => {
    const deadline = AbortSignal.timeout(CLOSING_MS);
    let open = await sessionsOf(client, database);
    while (open.length > 0 && !deadline.aborted) {
      await sleep(POLL_MS);
      open = await sessionsOf(client, database);
    }
    await client.query(`drop database if exists "${database}" with (force)`);
    if (open.length > 0) {
      const sessions = open.map(
        (one) => `\n  ${one.pid} ${one.application_name} ${one.state ?? ''}: ${one.query}`,
      );
      throw new Error(
        `${open.length} connections to ${database} were still open when its test ended:${sessions.join('')}`,
      );
    }
  });

/** A migrated, empty database of its own. Drop it in `afterAll`; the run fails for databases that are never dropped. */
export const createTestDatabase = async (): Promise<TestDatabase> => {
  const { adminUrl, template, prefix } = await testServer();
  const file = basename(expect.getState().testPath ?? 'unknown', '.test.ts').replace(/\W/g, '_');
  const name = `${prefix}_${randomBytes(4).toString('hex')}_${file}`.slice(0, MAX_NAME);
  await withAdmin((client) => client.query(`create database "${name}" template "${template}"`));
  let dropping: Promise<void> | undefined;
  return { name, url: withDatabase(adminUrl, name), drop: () => (dropping ??= drop(name)) };
};

/**
 * One database for the tests of a file or `describe`: made before them, dropped after them. Call at its
 * top, before hooks that use it, so that their `afterAll` (closing pools) runs first.
 */
export const useTestDatabase = (): { readonly url: string } => {
  let database: TestDatabase | undefined;
  beforeAll(async () => {
    database = await createTestDatabase();
  });
  afterAll(async () => {
    await database?.drop();
  });
  return {
    get url() {
      if (database === undefined) throw new Error('The database exists from beforeAll on');
      return database.url;
    },
  };
};
