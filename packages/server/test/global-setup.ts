// One PostgreSQL for the whole test run, started when the first test asks for it: a run of pure unit
// tests starts none. POSTHORN_TEST_DATABASE_URL (a superuser's) puts another server in its place. The
// project `newest-postgres` takes npm's binaries although the system has some.
import { randomBytes, randomInt } from 'node:crypto';
import { existsSync, rmSync } from 'node:fs';
import { access, chmod, mkdtemp, readdir, rm } from 'node:fs/promises';
import { type Server, createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import type { TestProject } from 'vitest/node';
import {
  type EmbeddedOptions,
  type EmbeddedPostgres,
  startEmbedded,
  stopLeftover,
} from '../src/embedded/start.ts';
import { type TestServer, withDatabase } from './test-server.ts';

type Running = TestServer & { readonly end: () => Promise<void> };

const PREFIX = 'posthorn-test-';
const EXTERNAL = process.env['POSTHORN_TEST_DATABASE_URL'];
const quiet = (): void => {};

const query = async <Row extends pg.QueryResultRow>(
  url: string,
  text: string,
  values: unknown[] = [],
): Promise<Row[]> => {
  const client = new pg.Client({ connectionString: url, application_name: 'global-setup' });
  await client.connect();
  try {
    return (await client.query<Row>(text, values)).rows;
  } finally {
    await client.end();
  }
};

/** Removes what runs left that were killed: their lock is there, but its holder is not. */
const sweep = async (): Promise<void> => {
  for (const name of await readdir(tmpdir())) {
    if (!name.startsWith(PREFIX)) continue;
    const dataDir = join(tmpdir(), name);
    try {
      await access(join(dataDir, 'posthorn.lock'));
      const leftover = await stopLeftover({ dataDir, random: randomBytes });
      if (leftover.kind !== 'held') await rm(dataDir, { recursive: true, force: true, maxRetries: 3 });
    } catch {
      // Another user's, or gone meanwhile.
    }
  }
};

type Sources = NonNullable<EmbeddedOptions['sources']>;

const startOwn = async (
  sources: Sources,
): Promise<{
  readonly postgres: EmbeddedPostgres;
  readonly end: () => Promise<void>;
}> => {
  await sweep();
  const dataDir = await mkdtemp(join(tmpdir(), PREFIX));
  // As root the server runs as nobody, who must get through.
  await chmod(dataDir, 0o711);
  const lines: string[] = [];
  const postgres = await startEmbedded({
    dataDir,
    preferredPort: randomInt(20_000, 30_000),
    log: (line) => lines.push(line),
    random: randomBytes,
    settings: { max_connections: '200' },
    sources,
  });
  // Ctrl-C ends the run without a teardown, and an exit handler cannot await.
  const emergency = (): void => {
    try {
      process.kill(postgres.pid, 'SIGQUIT');
    } catch {
      // It has ended.
    }
    const pidFile = join(dataDir, 'postgres/postmaster.pid');
    const pause = new Int32Array(new SharedArrayBuffer(4));
    for (let tries = 0; tries < 200 && existsSync(pidFile); tries += 1) Atomics.wait(pause, 0, 0, 10);
    rmSync(dataDir, { recursive: true, force: true, maxRetries: 3 });
  };
  process.once('exit', emergency);
  return {
    postgres,
    end: async () => {
      await postgres.stop();
      await rm(dataDir, { recursive: true, force: true, maxRetries: 3 });
      process.off('exit', emergency);
    },
  };
};

const migrateTemplate = async (url: string): Promise<void> => {
  const { migrate } = await import('../src/store/migrate.ts');
  await migrate({ url, log: quiet });
};

const start = async (sources: Sources): Promise<Running> => {
  const own = EXTERNAL === undefined || EXTERNAL === '' ? await startOwn(sources) : undefined;
  const adminUrl = own?.postgres.url ?? String(EXTERNAL);
  const prefix = `test_${randomBytes(4).toString('hex')}`;
  const template = `${prefix}_template`;
  const end = async (): Promise<void> => {
    try {
      const left = await query<{ datname: string }>(
        adminUrl,
        `select datname from pg_database where starts_with(datname, $1) order by 1`,
        [prefix],
      );
      for (const { datname } of left) await query(adminUrl, `drop database "${datname}" with (force)`);
      const forgotten = left.map(({ datname }) => datname).filter((name) => name !== template);
      if (forgotten.length > 0) {
        throw new Error(
          `Test databases that were never dropped (call drop() in afterAll): ${forgotten.join(', ')}`,
        );
      }
    } finally {
      await own?.end();
    }
  };
  try {
    await query(adminUrl, `create database "${template}"`);
    await migrateTemplate(withDatabase(adminUrl, template));
  } catch (error) {
    await end();
    throw error;
  }
  return { adminUrl, template, prefix, end };
};

const listen = (answer: () => Promise<TestServer>): Promise<Server> =>
  new Promise((resolve, reject) => {
    const server = createServer((_request, response) => {
      answer().then(
        ({ adminUrl, template, prefix }) => response.end(JSON.stringify({ adminUrl, template, prefix })),
        (error: unknown) => {
          response.statusCode = 500;
          response.end(error instanceof Error ? (error.stack ?? error.message) : String(error));
        },
      );
    });
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => resolve(server));
  });

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  let running: Promise<Running> | undefined;
  const sources: Sources = project.name === 'newest-postgres' ? ['package'] : ['system', 'package'];
  const server = await listen(() => (running ??= start(sources)));
  const address = server.address();
  if (typeof address !== 'object' || address === null) throw new Error('No address to provide');
  project.provide('testPostgres', `http://127.0.0.1:${address.port}`);
  return async () => {
    server.closeAllConnections();
    server.close();
    // A start that failed has told the tests that asked for it.
    const started = await running?.catch(() => undefined);
    await started?.end();
  };
}
