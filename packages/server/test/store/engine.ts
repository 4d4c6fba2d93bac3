import pg from 'pg';
import type { DispatchStore } from '../../src/dispatch/port.ts';
import type { IngestStore } from '../../src/ingest/port.ts';
import type { Statements } from '../../src/store/index.ts';
import { createPostgresStore } from '../../src/store/index.ts';
import { pinnedPlans } from '../../src/store/plan.ts';
import type { Database, SqlResult, Statement } from '../../src/store/postgres.ts';
import { openDatabase, sqlTypes } from '../../src/store/postgres.ts';
import { failureAfterSend } from '../../src/store/failure.ts';
import { createModelStore } from './model.ts';
import { autocommit, heldOpen } from './model-run.ts';
import type { World } from './mvcc.ts';
import { Transaction, createWorld } from './mvcc.ts';
import type { State } from './state.ts';
import { modelState, postgresState } from './state.ts';

export type Store = IngestStore & DispatchStore;

export const ORG = 'org_conformance';
export const APP = 'app_conformance';
export const ENDPOINTS = ['ep_a', 'ep_b', 'ep_c', 'ep_d'] as const;
/** All of its deliveries are in one order. */
export const FIFO = 'ep_d';
/** A dead letter stops its order. */
const BLOCKING: readonly string[] = ['ep_b', FIFO];
export const PARTITIONS = 4;

/** Changes from outside of the ports: configuration, and time passing. */
export type Outside = {
  readonly expireLeases: () => Promise<void>;
  readonly expireDraining: () => Promise<void>;
  readonly raiseConfig: () => Promise<void>;
  readonly expunge: (messageId: string) => Promise<void>;
};

/** One implementation under test. */
export type Engine = {
  readonly store: Store;
  readonly outside: Outside;
  readonly reset: () => Promise<void>;
  /** A transaction that stays open over an operation, until it is told how to end. */
  readonly hold: () => Promise<{ readonly store: Store; readonly end: (commit: boolean) => Promise<void> }>;
  /** Whether an operation that has begun waits for a lock; false once it has ended. */
  readonly waits: (ended: () => boolean) => Promise<boolean>;
  readonly state: () => Promise<State>;
  readonly close: () => Promise<void>;
};

// The model ---------------------------------------------------------------------------------------

export const createModelEngine = (startMs: number): Engine => {
  let ticks = 0;
  const nowMs = (): number => startMs + ++ticks;
  let world: World = createWorld(nowMs);
  const change = (body: (tx: Transaction) => void): Promise<void> => {
    const tx = new Transaction(world);
    body(tx);
    tx.end(true);
    return Promise.resolve();
  };
  const update = (tx: Transaction, table: string, with_: (row: never) => object): void => {
    for (const [key, row] of tx.scan(table)) {
      if (!tx.tryLock(table, key)) throw new Error(`${table} ${key} is locked`);
      tx.write(table, key, with_(row as never));
    }
  };
  const outside: Outside = {
    expireLeases: () =>
      change((tx) => {
        update(tx, 'partition', (row: { node: string | null; untilMs: number }) =>
          row.node === null ? row : { ...row, untilMs: startMs - 1000 },
        );
        const longAgo = startMs - 2 * 86_400_000;
        update(tx, 'node', (row: object) => ({ ...row, untilMs: startMs - 1000, joinedMs: longAgo }));
      }),
    expireDraining: () =>
      change((tx) => update(tx, 'draining', (row: object) => ({ ...row, deadlineMs: startMs - 1000 }))),
    raiseConfig: () =>
      change((tx) =>
        update(tx, 'application', (row: { configVersion: number }) => ({
          ...row,
          configVersion: row.configVersion + 1,
        })),
      ),
    expunge: (messageId) =>
      change((tx) => {
        const row = tx.newest('message', messageId);
        if (row === null) return;
        tx.tryLock('message', messageId);
        tx.write('message', messageId, { ...row, payloadGone: true, payload: new Uint8Array() });
      }),
  };
  const current: { store: Store } = { store: createModelStore(autocommit(world)) };
  return {
    get store() {
      return current.store;
    },
    outside,
    reset: () => {
      world = createWorld(nowMs);
      ticks = 0;
      current.store = createModelStore(autocommit(world));
      return change((tx) => {
        for (let id = 0; id < PARTITIONS; id++) {
          tx.insert('partition', String(id).padStart(3, '0'), {
            id,
            epoch: 0,
            node: null,
            untilMs: -Infinity,
          });
        }
        tx.insert('application', APP, { id: APP, orgId: ORG, configVersion: 1 });
        ENDPOINTS.forEach((id, partition) => {
          tx.insert('endpoint', id, {
            id,
            applicationId: APP,
            partition,
            url: 'https://receiver.test/',
            disabled: false,
            paused: null,
            fifo: id === FIFO,
            poisonPolicy: BLOCKING.includes(id) ? 'block' : 'skip',
          });
          tx.insert('lane', id, {
            endpointId: id,
            partition,
            nextDueMs: Infinity,
            version: 0,
            block: null,
            failingSinceMs: null,
            goneSinceMs: null,
          });
        });
      });
    },
    hold: () => {
      const { run, end } = heldOpen(world);
      return Promise.resolve({
        store: createModelStore(run),
        end: (commit) => {
          end(commit);
          return Promise.resolve();
        },
      });
    },
    // Every step of the model is a microtask: once they have run dry, what has not ended waits.
    waits: async (ended) => {
      await new Promise(setImmediate);
      return !ended();
    },
    state: () => Promise.resolve(modelState(world, startMs)),
    close: () => Promise.resolve(),
  };
};

// PostgreSQL --------------------------------------------------------------------------------------

const sealer = {
  seal: (): never => {
    throw new Error('nothing is sealed here');
  },
  isCurrent: (): never => {
    throw new Error('nothing is sealed here');
  },
  open: (): never => {
    throw new Error('nothing is sealed here');
  },
};

/** The plumbing over one connection inside one open transaction. */
const heldDatabase = (client: pg.Client): Database => {
  const run = async <Row>(statement: Statement, params: readonly unknown[]): Promise<SqlResult<Row>> => {
    try {
      const result = await client.query({ ...statement, values: [...params] });
      return { kind: 'done', rows: result.rows as Row[], rowCount: result.rowCount ?? 0 };
    } catch (error) {
      return failureAfterSend(error);
    }
  };
  const rows = async <Row>(statement: Statement, params: readonly unknown[]): Promise<Row[]> => {
    const result = await run<Row>(statement, params);
    if (result.kind !== 'done') throw new Error(result.detail);
    return result.rows;
  };
  return {
    run,
    rows,
    transaction: async (body) => ({ kind: 'done', value: await body({ run: rows }) }),
    script: async (sql) => {
      await client.query(sql);
    },
    connections: () => ({ total: 1, idle: 0, waiting: 0 }),
    close: () => client.end(),
  };
};

export const createPostgresEngine = async (
  url: string,
  startMs: number,
  statements: Partial<Statements> = {},
): Promise<Engine> => {
  const database = openDatabase({
    url,
    applicationName: 'conformance',
    size: 3,
    statementTimeoutMs: 20_000,
    lockTimeoutMs: 20_000,
    connectTimeoutMs: 5000,
    plans: 'pinned',
  });
  const outsideClient = new pg.Client({ connectionString: url, types: sqlTypes });
  await outsideClient.connect();
  const holder = new pg.Client({ connectionString: url, types: sqlTypes });
  await holder.connect();
  await holder.query(pinnedPlans);
  const options = { sealer, leafRetentionDays: 90, statements };
  const sql = async (text: string, values: unknown[] = []): Promise<void> => {
    await outsideClient.query(text, values);
  };
  return {
    store: createPostgresStore({ database, ...options }),
    outside: {
      expireLeases: () =>
        sql(`update partition set lease_until = now() - interval '1 s' where node is not null;
          update node set until = now() - interval '1 s', joined_at = now() - interval '2 days'`),
      expireDraining: () => sql(`update draining set deadline = now() - interval '1 s'`),
      raiseConfig: () => sql('update application set config_version = config_version + 1'),
      expunge: (messageId) => sql('update message set payload = null where id = $1', [messageId]),
    },
    reset: async () => {
      // Not by TRUNCATE: that syncs a file for every leaf and index.
      await sql(
        [
          'live',
          'expansion',
          'application_share',
          'lane',
          'attempt',
          'closed',
          'message',
          'draining',
          'node',
          'endpoint',
          'application',
        ]
          .map((table) => `delete from ${table};`)
          .join('') +
          `delete from partition where id >= ${PARTITIONS};
            update partition set epoch = 0, node = null, lease_until = '-infinity';
            insert into application (id, org_id, name, created_at, updated_at) values ('${APP}', '${ORG}', 'a', now(), now());
            insert into endpoint (id, org_id, app_id, partition, url, keys, created_at, updated_at, fifo, poison_policy)
              select id, '${ORG}', '${APP}', position - 1, 'https://receiver.test/', '[]', now(), now(),
                id = '${FIFO}', case when id in ('${BLOCKING.join("','")}') then 'block' else 'skip' end
              from unnest(array['${ENDPOINTS.join("','")}']) with ordinality as e(id, position);
            insert into lane (endpoint_id, org_id, partition) select id, org_id, partition from endpoint`,
      );
    },
    hold: async () => {
      await holder.query('begin');
      return {
        store: createPostgresStore({ database: heldDatabase(holder), ...options }),
        end: async (commit) => {
          await holder.query(commit ? 'commit' : 'rollback');
        },
      };
    },
    waits: async (ended) => {
      for (;;) {
        await new Promise(setImmediate);
        if (ended()) return false;
        const { rowCount } = await outsideClient.query(
          `select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`,
        );
        if (rowCount !== 0) return true;
      }
    },
    state: () => postgresState(outsideClient, startMs),
    close: async () => {
      await database.close();
      await outsideClient.end();
      await holder.end();
    },
  };
};
