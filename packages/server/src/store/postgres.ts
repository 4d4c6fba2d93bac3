import pg from 'pg';
import type { StoreFailure } from './failure.ts';
import { exceptionOf, failureAfterSend, failureBeforeSend } from './failure.ts';
import { pinnedPlans } from './plan.ts';
import { createTenancy } from './tenancy.ts';
import { timestampMs } from './timestamps.ts';

/**
 * Parameters: Buffers travel in PostgreSQL's binary format (see binary-array.ts), everything else
 * as text. A `Date` is not accepted: hand times as ISO text or as arrays of milliseconds.
 */
export type SqlParam = Buffer | string | number | boolean | null;

/**
 * A statement: prepared once per connection under `name`, which must be unique for its text. `org`: the number of
 * the parameter that names the organisation which it is for (see tenant-statement.ts).
 */
export type Statement = { readonly name: string; readonly text: string; readonly org?: number };

export type SqlResult<Row> =
  | { readonly kind: 'done'; readonly rows: Row[]; readonly rowCount: number }
  | StoreFailure;

/** One transaction over several statements; each `run` throws the failure's exception. */
export type Transaction = {
  readonly run: <Row>(statement: Statement, params: readonly SqlParam[]) => Promise<Row[]>;
};

/** The plumbing under every operation. */
export type Database = {
  /** One statement, one round trip, one transaction. Never rejects. */
  readonly run: <Row>(statement: Statement, params: readonly SqlParam[]) => Promise<SqlResult<Row>>;
  /** The same; throws StoreUnavailable or StoreRejected instead of returning a failure. */
  readonly rows: <Row>(statement: Statement, params: readonly SqlParam[]) => Promise<Row[]>;
  /**
   * Several statements in one transaction. Rolled back when `body` throws. `kind: 'done'` only
   * after the COMMIT was answered; what `body` throws that is no failure of the database is rethrown.
   */
  readonly transaction: <Result>(
    body: (transaction: Transaction) => Promise<Result>,
  ) => Promise<{ readonly kind: 'done'; readonly value: Result } | StoreFailure>;
  /** Statements as one simple query; for maintenance only. Throws like `rows`. */
  readonly script: (sql: string) => Promise<void>;
  /** Connections: in all, idle, and callers that wait for one. */
  readonly connections: () => { readonly total: number; readonly idle: number; readonly waiting: number };
  readonly close: () => Promise<void>;
};

export type DatabaseOptions = {
  readonly url: string;
  readonly applicationName: string;
  /** Connections at most. */
  readonly size: number;
  /** The database cancels a statement after this; the client gives up (outcome unknown) 2 s later. */
  readonly statementTimeoutMs: number;
  readonly lockTimeoutMs: number;
  readonly connectTimeoutMs: number;
  /**
   * `standard`: PostgreSQL's planner as it is. `pinned`: for statements that spell out their plan:
   * generic plans, made once, of keyed probes only. See plan.ts.
   */
  readonly plans: 'standard' | 'pinned';
  /** The role that statements for one organisation run in; null or absent: the user's own. See tenant-role.ts. */
  readonly tenantRole?: string | null;
  /** Told of each statement sent: one call is one round trip. */
  readonly onStatement?: (name: string) => void;
  /** Told of connections that broke while idle; they are replaced by themselves. */
  readonly onConnectionLost?: (error: Error) => void;
};

const parsers = new Map<number, (text: string) => unknown>([
  [20, Number], // int8: nothing of ours passes 2^53
  [1184, timestampMs],
]);

/** How values come back: int8 as number, timestamptz as Unix milliseconds. */
export const sqlTypes: pg.CustomTypesConfig = {
  getTypeParser: (oid: number, format?: 'text' | 'binary') =>
    (format !== 'binary' && parsers.get(oid)) || pg.types.getTypeParser(oid, format),
};

const READ_SLACK_MS = 2000;
/** Who the statement is for; null: for nobody in particular. @throws Error where it should name one. */
const organisationOf = ({ name, org }: Statement, params: readonly SqlParam[]): string | null => {
  if (org === undefined) return null;
  const named = params[org - 1];
  if (typeof named === 'string' && named !== '') return named;
  throw new Error(`statement ${name} names no organisation`);
};

const begin: Statement = { name: 'begin', text: 'begin' };
const commit: Statement = { name: 'commit', text: 'commit' };
const rollback: Statement = { name: 'rollback', text: 'rollback' };

/** Opens a pool of connections. Connects lazily: a database that is away is a failure of the first statement. */
export const openDatabase = (options: DatabaseOptions): Database => {
  const { tenantRole = null } = options;
  const tenancy = createTenancy(tenantRole);
  const settings = [
    `set statement_timeout = ${Math.ceil(options.statementTimeoutMs)};`,
    `set lock_timeout = ${Math.ceil(options.lockTimeoutMs)};`,
    `set idle_in_transaction_session_timeout = ${Math.ceil(options.statementTimeoutMs)};`,
    `set timezone = 'UTC'; set datestyle = 'ISO'; set jit = off;`,
    options.plans === 'pinned' ? pinnedPlans : '',
  ].join('\n');
  const setUp = async (client: pg.ClientBase): Promise<void> => {
    // A checked-out client that loses its connection emits this beside failing the statement.
    client.on('error', () => {});
    await client.query(settings);
  };
  const pool = new pg.Pool({
    connectionString: options.url,
    application_name: options.applicationName,
    max: options.size,
    connectionTimeoutMillis: options.connectTimeoutMs,
    query_timeout: options.statementTimeoutMs + READ_SLACK_MS,
    idleTimeoutMillis: 60_000,
    keepAlive: true,
    types: sqlTypes,
    // What makes a session a tenant's goes with the statement, not before it.
    pipeline: tenantRole !== null,
    // By SET and not as startup parameters: poolers refuse those they do not know.
    // oxlint-disable-next-line typescript/no-misused-promises -- pg waits for it, its types do not say so
    onConnect: setUp,
  });
  pool.on('error', (error) => options.onConnectionLost?.(error));

  const connect = async (): Promise<pg.PoolClient | StoreFailure> => {
    try {
      return await pool.connect();
    } catch (error) {
      return failureBeforeSend(error);
    }
  };
  const query = (client: pg.PoolClient, { name, text }: Statement, params: readonly SqlParam[]) => {
    options.onStatement?.(name);
    return client.query({ name, text, values: params as SqlParam[] });
  };
  const send = async (client: pg.PoolClient, statement: Statement, params: readonly SqlParam[]) => {
    const entering = tenancy.enter(client, organisationOf(statement, params));
    const result = query(client, statement, params);
    if (entering === null) return result;
    // What it answered counts only if it ran as whom it should.
    const [entered, answered] = await Promise.allSettled([entering, result]);
    if (entered.status === 'rejected') throw entered.reason;
    if (answered.status === 'rejected') throw answered.reason;
    return answered.value;
  };
  /** A connection is kept only if the database answered on it and did not end the session. */
  const giveBack = (client: pg.PoolClient, failure: StoreFailure): void =>
    client.release(failure.kind === 'unknown' || failure.code === null);

  const run: Database['run'] = async <Row>(statement: Statement, params: readonly SqlParam[]) => {
    const client = await connect();
    if ('kind' in client) return client;
    try {
      const result = await send(client, statement, params);
      client.release();
      return { kind: 'done' as const, rows: result.rows as Row[], rowCount: result.rowCount ?? 0 };
    } catch (error) {
      const failure = failureAfterSend(error);
      giveBack(client, failure);
      return failure;
    }
  };

  /** Ends a transaction that must not commit; the connection survives only if it answers. */
  const abandon = async (client: pg.PoolClient): Promise<void> => {
    try {
      await query(client, rollback, []);
      tenancy.forget(client);
      client.release();
    } catch {
      client.release(true);
    }
  };

  const transaction: Database['transaction'] = async (body) => {
    const client = await connect();
    if ('kind' in client) return client;
    let failed: StoreFailure | null = null;
    const guarded = async <Result>(sent: Promise<Result>): Promise<Result> => {
      try {
        return await sent;
      } catch (error) {
        // Before the COMMIT is sent, a lost connection means that nothing was written.
        const failure = failureAfterSend(error);
        failed = failure.kind === 'unknown' ? { ...failure, kind: 'unavailable' } : failure;
        throw exceptionOf(failed);
      }
    };
    const step = async <Row>(statement: Statement, params: readonly SqlParam[]): Promise<Row[]> =>
      (await guarded(send(client, statement, params))).rows as Row[];
    let value;
    try {
      await guarded(query(client, begin, []));
      value = await body({ run: step });
    } catch (error) {
      await abandon(client);
      if (failed !== null) return failed;
      throw error;
    }
    try {
      await query(client, commit, []);
    } catch (error) {
      tenancy.forget(client);
      const failure = failureAfterSend(error);
      giveBack(client, failure);
      return failure;
    }
    client.release();
    return { kind: 'done', value };
  };

  return {
    run,
    transaction,
    rows: async <Row>(statement: Statement, params: readonly SqlParam[]) => {
      const result = await run<Row>(statement, params);
      if (result.kind !== 'done') throw exceptionOf(result);
      return result.rows;
    },
    script: async (sql) => {
      const client = await connect();
      if ('kind' in client) throw exceptionOf(client);
      try {
        options.onStatement?.('script');
        await tenancy.enter(client, null);
        await client.query(sql);
        client.release();
      } catch (error) {
        client.release(true);
        throw exceptionOf(failureAfterSend(error));
      }
    },
    connections: () => ({ total: pool.totalCount, idle: pool.idleCount, waiting: pool.waitingCount }),
    close: () => pool.end(),
  };
};
