// The API on a database of its own, driven through `fetch`, with everything around it recorded.
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { afterAll, beforeAll } from 'vitest';
import { createApi } from '../../src/api/create-api.ts';
import type { Api } from '../../src/api/create-api.ts';
import type { LetterPath } from '../../src/api/letter-port.ts';
import type { MessageRecord } from '../../src/api/records.ts';
import type { ApiDeps, ApiStore, ConfigChange, PlacedMessage } from '../../src/api/port.ts';
import type { BroadcastPost } from '../../src/api/task-port.ts';
import { createRevocations } from '../../src/api/revocations.ts';
import { taskEvent } from '../../src/api/task-out.ts';
import { createAuthenticator, mintToken } from '../../src/api/tokens.ts';
import { createClock, createRandom } from '../../src/clock.ts';
import { createIdSource } from '../../src/domain/ids.ts';
import type { IdSource } from '../../src/domain/ids.ts';
import { retryWaits } from '../../src/outcome/retry-policy.ts';
import { validateRetryPolicy } from '../../src/outcome/retry-policy-input.ts';
import { createApiStore } from '../../src/store/api-store.ts';
import { databaseFactsOf } from '../../src/store/database-facts.ts';
import { openDatabase } from '../../src/store/postgres.ts';
import type { Database, SqlParam, Statement } from '../../src/store/postgres.ts';
import { createRevocationStore } from '../../src/store/revocations.ts';
import { createSealer } from '../../src/store/sealed.ts';
import { tenantRoleName } from '../../src/store/tenant-role.ts';
import { useTestDatabase } from '../postgres.ts';

export const SECRET = Buffer.from('a-secret-that-is-long-enough-for-a-test');

export type Reply = {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  readonly body: Body;
};

/** Whatever the answer says: tests look at it freely; what they put into paths is text. */
export type Body = {
  readonly id: string;
  readonly iterator: string;
  readonly prevIterator: string;
  readonly token: string;
  // oxlint-disable-next-line typescript/no-explicit-any
  readonly data: any;
  // oxlint-disable-next-line typescript/no-explicit-any
  readonly [name: string]: any;
};

export type Call = {
  readonly token?: string | null;
  readonly body?: unknown;
  /** Sent as it is instead of `body`. */
  readonly raw?: string | Uint8Array<ArrayBuffer>;
  readonly headers?: Record<string, string>;
};

export type Harness = {
  readonly call: (method: string, path: string, call?: Call) => Promise<Reply>;
  readonly api: Api;
  readonly store: ApiStore;
  readonly database: Database;
  readonly pool: pg.Pool;
  /** The role that the API works in for tenants. */
  readonly tenantRole: string;
  /** Works as the API does for this organisation, and takes it back. */
  readonly asTenant: <Result>(
    org: string,
    work: (client: pg.PoolClient) => Promise<Result>,
  ) => Promise<Result>;
  readonly ids: IdSource;
  readonly nowMs: () => number;
  readonly org: string;
  readonly token: string;
  readonly newOrg: () => Promise<{ org: string; token: string }>;
  readonly appToken: (applicationId: string, featureFlags?: readonly string[]) => Promise<string>;
  readonly changes: ConfigChange[];
  readonly woken: string[];
  readonly resent: LetterPath[];
  readonly examples: PlacedMessage[];
  readonly reported: unknown[];
  /** The statements that `work` makes the API send. */
  readonly watch: (work: () => Promise<unknown>) => Promise<readonly Sent[]>;
  /** Works off every task. */
  readonly runTasks: (chunk?: number, post?: BroadcastPost) => Promise<void>;
};

export type Sent = { readonly statement: Statement; readonly params: readonly SqlParam[] };

/** The same database; `tell` hears of what is sent. */
const heard = (database: Database, tell: (sent: Sent) => void): Database => ({
  ...database,
  run: (statement, params) => {
    tell({ statement, params });
    return database.run(statement, params);
  },
  rows: (statement, params) => {
    tell({ statement, params });
    return database.rows(statement, params);
  },
  transaction: (body) =>
    database.transaction(({ run }) =>
      body({
        run: (statement, params) => {
          tell({ statement, params });
          return run(statement, params);
        },
      }),
    ),
});

/** The harness for the tests of a file: made before them, closed after them. */
export const useApi = (overrides: Partial<ApiDeps> = {}): Harness => {
  const testDatabase = useTestDatabase();
  const clock = createClock();
  const random = createRandom();
  const ids = createIdSource(clock.nowMs, random.bytes);
  const org = ids('org');
  const recorded = {
    changes: [] as ConfigChange[],
    woken: [] as string[],
    resent: [] as LetterPath[],
    examples: [] as PlacedMessage[],
    reported: [] as unknown[],
  };
  let made: {
    api: Api;
    store: ApiStore;
    database: Database;
    pool: pg.Pool;
    tenantRole: string;
    token: string;
  };

  let sentOut: Sent[] | null = null;
  const tokenOf = (orgId: string, applicationId: string | null, featureFlags?: readonly string[]) =>
    mintToken({ secret: SECRET, orgId, applicationId, featureFlags, nowMs: clock.nowMs() });

  beforeAll(async () => {
    const pool = new pg.Pool({
      connectionString: testDatabase.url,
      max: 2,
      application_name: 'api-fixtures',
    });
    const { rows } = await pool.query<{ role: string }>(`select ${tenantRoleName} as role`);
    const opened = openDatabase({
      url: testDatabase.url,
      applicationName: 'api-test',
      size: 6,
      statementTimeoutMs: 10_000,
      lockTimeoutMs: 5000,
      connectTimeoutMs: 5000,
      plans: 'standard',
      tenantRole: rows[0]!.role,
    });
    const database = heard(opened, (sent) => sentOut?.push(sent));
    const store = createApiStore(
      database,
      createSealer(['main secret of the tests, 32 bytes long'], randomBytes),
      taskEvent,
    );
    const revocations = createRevocations(createRevocationStore(database), clock.nowMs);
    const api = createApi({
      clock,
      random,
      ids,
      store,
      authenticator: createAuthenticator([SECRET], clock.nowMs, revocations.isRevoked),
      revocations,
      tokenSecret: SECRET,
      publicUrl: 'http://posthorn.test',
      signature: 'hmac256',
      egressIps: ['192.0.2.1'],
      checkEndpointUrl: (url) => (url.hostname === 'blocked.test' ? 'This address is not allowed.' : null),
      parseRetryPolicy: validateRetryPolicy,
      retryWaits,
      onConfigChange: async (change) => {
        recorded.changes.push(change);
      },
      resend: async (path) => {
        recorded.resent.push(path);
      },
      attemptNow: async () => 'busy',
      wake: (endpointId) => recorded.woken.push(endpointId),
      onTask: () => {},
      place: async (example) => {
        recorded.examples.push(example);
        const message: MessageRecord = {
          id: ids('message'),
          eventType: example.eventType,
          eventId: null,
          channels: null,
          tags: null,
          contentType: 'application/json',
          payload: { kind: 'bytes', bytes: example.payload },
          occurredAtMs: null,
          deliverAtMs: null,
          expiresAtMs: null,
          priority: 1,
          orderingKey: null,
          createdAtMs: clock.nowMs(),
        };
        return { kind: 'placed', message };
      },
      createMessages: null,
      sleep: (ms) => sleep(ms),
      about: async () => ({
        version: '1.2.3',
        publicUrl: null,
        node: { id: 'node', name: 'mine', role: 'all' },
        endpoints: { httpsOnly: true, allowSubnets: ['192.0.2.0/24'] },
        database: { ...(await databaseFactsOf(database)), pool: 10 },
      }),
      report: (error) => recorded.reported.push(error),
      ...overrides,
    });
    made = { api, store, database, pool, tenantRole: rows[0]!.role, token: await tokenOf(org, null) };
  });
  afterAll(async () => {
    await made?.pool.end();
    await made?.database.close();
  });

  const call: Harness['call'] = async (method, path, options = {}) => {
    const token = options.token === undefined ? made.token : options.token;
    const body = options.raw ?? (options.body === undefined ? undefined : JSON.stringify(options.body));
    const response = await made.api.fetch(
      new Request(`http://posthorn.test${/^\/(api|ingest)\//.test(path) ? path : `/api/v1${path}`}`, {
        method,
        headers: {
          ...(token === null ? {} : { authorization: `Bearer ${token}` }),
          ...options.headers,
        },
        ...(body === undefined ? {} : { body }),
      }),
    );
    const text = await response.text();
    const type = response.headers.get('content-type') ?? '';
    return {
      status: response.status,
      headers: response.headers,
      text,
      body: (type.includes('json') && text !== '' ? JSON.parse(text) : undefined) as Body,
    };
  };

  return {
    ...recorded,
    call,
    ids,
    nowMs: clock.nowMs,
    org,
    get api() {
      return made.api;
    },
    get store() {
      return made.store;
    },
    get database() {
      return made.database;
    },
    get pool() {
      return made.pool;
    },
    get tenantRole() {
      return made.tenantRole;
    },
    get token() {
      return made.token;
    },
    asTenant: async (tenant, work) => {
      const client = await made.pool.connect();
      try {
        await client.query('begin');
        await client.query(`select set_config('posthorn.org', $1, true), set_config('role', $2, true)`, [
          tenant,
          made.tenantRole,
        ]);
        return await work(client);
      } finally {
        await client.query('rollback');
        client.release();
      }
    },
    newOrg: async () => {
      const other = ids('org');
      return { org: other, token: await tokenOf(other, null) };
    },
    appToken: (applicationId, featureFlags) => tokenOf(org, applicationId, featureFlags),
    watch: async (work) => {
      const sent: Sent[] = (sentOut = []);
      try {
        await work();
      } finally {
        sentOut = null;
      }
      return sent;
    },
    runTasks: async (chunk = 500, post = async () => null) => {
      for (;;) {
        const step = await made.store.tasks.workOne(chunk, post);
        if (step === null) return;
        recorded.woken.push(...step.endpointIds);
      }
    },
  };
};
