import type { Claim, DedupStore } from '../contract.ts';
import { createTable, inTransaction, type SqlClient, type SqlPool, tableName } from '../sql/client.ts';
import * as sql from '../sql/dedup.ts';
import { storedKey } from './stored-key.ts';

export type { SqlClient, SqlConnection, SqlPool } from '../sql/client.ts';
export { type PostgresJs, postgresJs } from '../sql/postgres-js.ts';
export { createDedupTable } from '../sql/dedup.ts';

export type PostgresOptions = {
  /** @default 'posthorn_dedup' */
  readonly table?: string;
  /**
   * Whose time leases and expiry follow: the database's, the same for all processes, or each
   * caller's `nowMs`. @default 'database'
   */
  readonly clock?: 'database' | 'caller';
};

export type PostgresDedup = DedupStore & {
  /** Makes the table if there is none. */
  readonly createTable: () => Promise<void>;
  /** Deletes up to so many keys whose time is over; `claim` does it once a minute. @returns how many */
  readonly purge: (limit?: number) => Promise<number>;
};

const TABLE = 'posthorn_dedup';
const PURGE_EVERY_MS = 60_000;
const PURGE_AT_ONCE = 1_000;
/** How soon to come back to a transaction that is still open. */
const OPEN_RETRY_MS = 1_000;

/**
 * Remembers in a table of Postgres, in statements of their own. Where the handler writes to the same
 * database, {@link withDedup} is better: one transaction for both.
 */
export const postgresDedup = (pool: SqlClient, options: PostgresOptions = {}): PostgresDedup => {
  const { clock = 'database' } = options;
  const table = tableName(options.table ?? TABLE);
  let purgedAtMs: number | null = null;
  const purge = async (limit: number, nowMs: number | null): Promise<number> =>
    (await pool.query(sql.purge(table), [nowMs, limit])).rowCount ?? 0;

  return {
    createTable: () => createTable(pool, sql.createDedupTable(table)),
    purge: (limit = PURGE_AT_ONCE) => purge(limit, null),
    claim: async (key, { ttlMs, leaseMs, nowMs }) => {
      const at = clock === 'caller' ? nowMs : null;
      if (purgedAtMs === null) purgedAtMs = nowMs;
      else if (nowMs - purgedAtMs >= PURGE_EVERY_MS) {
        purgedAtMs = nowMs;
        // What it could not delete is deleted a minute later.
        await purge(PURGE_AT_ONCE, at).catch(() => {});
      }
      const token = crypto.randomUUID();
      const stored = await storedKey(key);
      const { rows } = await pool.query(sql.claim(table), [stored, token, leaseMs, ttlMs, at, false]);
      return claimOf(rows[0], token);
    },
    done: async (key, token) => {
      const { rowCount } = await pool.query(sql.done(table), [await storedKey(key), token]);
      return rowCount === 0 ? 'lost' : 'kept';
    },
    forget: async (key, token) => {
      await pool.query(sql.forget(table), [await storedKey(key), token]);
    },
  };
};

export type Handled<T> =
  | { readonly kind: 'first'; readonly value: T }
  | { readonly kind: 'done' }
  | { readonly kind: 'busy'; readonly retryAfterMs: number };

export type WithDedupOptions = {
  /** @default 48 h */
  readonly ttlMs?: number;
  /** @default 'posthorn_dedup' */
  readonly table?: string;
};

const TTL_MS = 48 * 3_600_000;

/**
 * Exactly once: remembers the key in the transaction of the handler's own writes, so both happen or
 * neither. Of concurrent callers one runs the handler; the others get 'busy' at once, without waiting
 * on a lock. A process that dies half way leaves nothing behind.
 *
 * ```ts
 * const result = await withDedup(pool, `stripe:${event.id}`, async (tx) => {
 *   await tx.query('insert into payment …');
 * });
 * ```
 *
 * @throws what the handler throws, after rolling back.
 */
export const withDedup = <T>(
  pool: SqlPool,
  key: string,
  handler: (tx: SqlClient) => Promise<T>,
  { ttlMs = TTL_MS, table = TABLE }: WithDedupOptions = {},
): Promise<Handled<T>> =>
  inTransaction(pool, async (tx) => {
    const token = crypto.randomUUID();
    const values = [await storedKey(key), token, 0, ttlMs, null, true];
    const { rows } = await tx.query(sql.claim(tableName(table)), values);
    const claim = claimOf(rows[0], token);
    return claim.kind === 'first' ? { kind: 'first', value: await handler(tx) } : claim;
  });

const claimOf = (row: Record<string, unknown> | undefined, token: string): Claim => {
  if (row?.['first'] === true) return { kind: 'first', token };
  if (row?.['done'] === true) return { kind: 'done' };
  const busyMs = Number(row?.['busy_ms'] ?? 0);
  return { kind: 'busy', retryAfterMs: busyMs > 0 ? Math.ceil(busyMs) : OPEN_RETRY_MS };
};
