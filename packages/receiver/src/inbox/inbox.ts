import type { ReceivedEvent, Sink } from '../contract.ts';
import { storedKey } from '../dedup/stored-key.ts';
import { KeyFailed } from '../errors.ts';
import { createTable, type SqlClient, type SqlPool, tableName } from '../sql/client.ts';
import * as sql from '../sql/inbox.ts';
import { eventOf, headOf } from './event-head.ts';

export type InboxOptions = {
  /** A pool of `pg`, or `postgresJs(sql)`. With workers it needs one connection more than they work at once. */
  readonly pool: SqlPool;
  /** One table is one inbox. @default 'posthorn_inbox' */
  readonly table?: string;
  /** With so many events waiting or running, `put` answers 'full'. @default 10000 */
  readonly maxOpen?: number;
  /** How long the key of a finished event is known, at least. @default 48 h */
  readonly ttlMs?: number;
  /** Events of the same key are worked on one after the other, oldest first. null: in any order. */
  readonly orderKey?: (event: ReceivedEvent) => string | number | bigint | null | undefined;
  /** For tests: Unix milliseconds. @default the database's clock */
  readonly now?: () => number;
};

export type InboxCounts = {
  readonly waiting: number;
  readonly running: number;
  readonly dead: number;
  /** Since the oldest that waits or runs was stored; 0 when there is none. */
  readonly oldestAgeMs: number;
};

export type DeadEvent = {
  readonly id: string;
  readonly event: ReceivedEvent;
  readonly attempts: number;
  /** Of the last attempt: name and message. */
  readonly error: string;
  readonly deadAtMs: number;
};

export type Inbox = Sink & {
  readonly name: string;
  /** Makes table and indexes if there are none. */
  readonly createTable: () => Promise<void>;
  readonly counts: () => Promise<InboxCounts>;
  /** Dead letters, oldest event first, `after` the id of the last one seen. @default limit 100 */
  readonly dead: (page?: { readonly limit?: number; readonly after?: string }) => Promise<DeadEvent[]>;
  /** Gives dead letters all their attempts again. @returns how many of the ids were dead */
  readonly replay: (ids: readonly string[]) => Promise<number>;
  /** Puts dead letters away; their keys stay known. @returns how many of the ids were dead */
  readonly discard: (ids: readonly string[]) => Promise<number>;
  /** For workers. */
  readonly jobs: Jobs;
};

/** An event that a worker holds. Every change to it is refused once another holds it. */
export type Job = { readonly id: string; readonly attempt: number; readonly event: ReceivedEvent };

export type Jobs = {
  readonly pool: SqlPool;
  readonly claim: (token: string, leaseMs: number, most: number) => Promise<Job[]>;
  /** @returns the ids that the token still holds */
  readonly renew: (token: string, leaseMs: number, ids: readonly string[]) => Promise<Set<string>>;
  /** These four: whether the token still held the job. */
  readonly done: (job: Job, token: string, tx?: SqlClient) => Promise<boolean>;
  readonly retry: (job: Job, token: string, waitMs: number, error: string) => Promise<boolean>;
  readonly bury: (job: Job, token: string, error: string) => Promise<boolean>;
  readonly release: (job: Job, token: string) => Promise<boolean>;
  /** Frees what dead workers held. @returns those that had no attempt left and are dead now */
  readonly reclaim: (maxAttempts: number) => Promise<Pick<Job, 'attempt' | 'event'>[]>;
  /** Forgets finished events whose keys need not be known any more. @returns how many */
  readonly purge: (limit: number) => Promise<number>;
  /** Calls back when this process stored or replayed an event. @returns what ends that */
  readonly onStored: (wake: () => void) => () => void;
};

const FULL_RETRY_MS = 5_000;
const HOUR_MS = 3_600_000;
const NOTHING = new Uint8Array();

/**
 * A durable inbox in a table of Postgres. `put` resolves once the event is committed, so that a
 * receiver may answer 2xx; {@link work} works through it.
 *
 * ```ts
 * const inbox = createInbox({ pool });
 * await inbox.createTable();
 * const workers = work(inbox, async (event) => { … });
 * ```
 */
export const createInbox = (options: InboxOptions): Inbox => {
  const { pool, maxOpen = 10_000, ttlMs = 48 * HOUR_MS, orderKey } = options;
  const name = options.table ?? 'posthorn_inbox';
  const table = tableName(name);
  const now = (): number | null => options.now?.() ?? null;
  const rows = async (text: string, values: unknown[]) => (await pool.query(text, values)).rows;
  const count = async (text: string, values: unknown[]) => (await pool.query(text, values)).rowCount ?? 0;
  const wakers = new Set<() => void>();
  const wakeAll = (): void => wakers.forEach((wake) => wake());
  const held = (job: Job, token: string): unknown[] => [job.id, token, job.attempt];

  return {
    name,
    createTable: () => createTable(pool, sql.createInboxTable(table)),
    put: async (event, key) => {
      const order = orderOf(orderKey, event);
      const [answer] = await rows(sql.put(table), [
        key === null ? null : await storedKey(key),
        order === null ? null : await storedKey(order),
        headOf(event),
        event.body,
        now(),
        maxOpen,
      ]);
      if (answer?.['stored'] === true) {
        wakeAll();
        return { kind: 'stored' };
      }
      if (answer?.['known'] === true || answer?.['room'] === true) return { kind: 'duplicate' };
      return { kind: 'full', retryAfterMs: FULL_RETRY_MS };
    },
    counts: async () => {
      const [row = {}] = await rows(sql.counts(table), [now()]);
      return {
        waiting: Number(row['waiting']),
        running: Number(row['running']),
        dead: Number(row['dead']),
        oldestAgeMs: Math.max(0, Math.round(Number(row['oldest_age_ms']))),
      };
    },
    dead: async ({ limit = 100, after = '0' } = {}) =>
      (await rows(sql.listDead(table), [after, limit])).map((row) => ({
        id: String(row['id']),
        event: storedEvent(row),
        attempts: Number(row['attempts']),
        error: textOf(row['last_error']),
        deadAtMs: Math.round(Number(row['dead_at_ms'])),
      })),
    replay: async (ids) => {
      const replayed = await count(sql.replay(table), [ids.join(','), now()]);
      wakeAll();
      return replayed;
    },
    discard: (ids) => count(sql.discard(table), [ids.join(',')]),
    jobs: {
      pool,
      claim: async (token, leaseMs, most) =>
        (await rows(sql.claim(table), [token, leaseMs, most, now()])).map((row) => ({
          id: String(row['id']),
          attempt: Number(row['attempts']),
          event: storedEvent(row),
        })),
      renew: async (token, leaseMs, ids) =>
        new Set(
          (await rows(sql.renew(table), [ids.join(','), token, leaseMs, now()])).map(({ id }) => String(id)),
        ),
      done: async (job, token, tx = pool) => {
        const { rowCount } = await tx.query(sql.done(table), held(job, token));
        return rowCount === 1;
      },
      retry: async (job, token, waitMs, error) =>
        (await count(sql.retry(table), [...held(job, token), waitMs, clean(error), now()])) === 1,
      bury: async (job, token, error) =>
        (await count(sql.bury(table), [...held(job, token), clean(error)])) === 1,
      release: async (job, token) => (await count(sql.release(table), held(job, token))) === 1,
      reclaim: async (maxAttempts) =>
        (await rows(sql.reclaim(table), [maxAttempts, now()]))
          .filter(({ state }) => state === 'dead')
          .map((row) => ({
            attempt: Number(row['attempts']),
            event: eventOf(textOf(row['head']), NOTHING),
          })),
      purge: (limit) => count(sql.purge(table), [ttlMs, limit, now()]),
      onStored: (wake) => {
        wakers.add(wake);
        return () => wakers.delete(wake);
      },
    },
  };
};

/** @throws KeyFailed, also for what is no key: all such events would stand in one line. */
const orderOf = (orderKey: InboxOptions['orderKey'], event: ReceivedEvent): string | null => {
  let key: unknown;
  try {
    key = orderKey?.(event);
  } catch (cause) {
    throw new KeyFailed('orderKey threw', { cause });
  }
  if (key === null || key === undefined) return null;
  if (typeof key === 'string') return key;
  if (typeof key === 'number' || typeof key === 'bigint') return String(key);
  throw new KeyFailed(`orderKey returned a value of type ${typeof key}. Return text, a number or null.`);
};

const textOf = (value: unknown): string => (typeof value === 'string' ? value : '');

const storedEvent = ({ head, body }: Record<string, unknown>): ReceivedEvent =>
  eventOf(textOf(head), body instanceof Uint8Array ? body : NOTHING);

const MOST_ERROR = 1_000;
/** A text column takes everything but NUL. */
const clean = (error: string): string => error.replaceAll('\0', '').slice(0, MOST_ERROR);
