import { createHash } from 'node:crypto';
import { idFloor, idTimeMs } from '../domain/ids.ts';
import type { InsertOutcome, InsertReply, MessageInsert } from '../ingest/port.ts';
import { int8Array } from './binary-array.ts';
import { explainConflicts } from './conflicts.ts';
import { furtherParams, needsFurther } from './insert-further.ts';
import { type InsertBounds, insertParams } from './insert-params.ts';
import type { InsertStatements } from './insert-statement.ts';
import { insertForLeaf } from './insert-statement.ts';
import { dayOf, dayOfId, dayStartMs, leafSuffix, runWithLeaves } from './leaves.ts';
import type { Database, SqlParam, SqlResult, Statement } from './postgres.ts';

/**
 * Unique keys hold across two leaves because an insert under a day's id ends while nobody can yet
 * insert under the next day's: outside of this distance from midnight (by the ids' time) …
 */
const BOUNDARY_MS = 6 * 60_000;
/** … and only if the statement starts no later than this after its oldest id was made. Inside, the keys are locked. */
const LATEST_START_MS = 4 * 60_000;

const DEADLOCK = '40P01';
const TRIES = 3;

type InsertRow = {
  stale: number[] | null;
  seen: number;
  inserted: number;
  conflicts: number[] | null;
  not_held: number[] | null;
};

const isKeyed = (item: MessageInsert): boolean => item.message.eventId !== null || item.idempotency !== null;

const timeOf = (item: MessageInsert): number => {
  const timeMs = idTimeMs(item.message.id);
  if (timeMs === null) throw new Error(`not a message id: ${item.message.id}`);
  return timeMs;
};

/** One order for all writers of the same keys, so that two batches cannot wait for each other. */
const sortKey = (item: MessageInsert): string =>
  item.message.eventId === null
    ? `i${item.idempotency?.scope ?? ''}\0${item.idempotency?.key ?? ''}`
    : `e${item.message.applicationId}\0${item.message.eventId}`;

/**
 * The order in which a batch takes its unique keys (what has none keeps its place). Where two
 * messages of one batch have the same key, the first in this order gets it.
 */
export const inKeyOrder = (batch: readonly MessageInsert[]): readonly MessageInsert[] => {
  if (!batch.some(isKeyed)) return batch;
  const keys = new Map(batch.map((item) => [item, sortKey(item)]));
  return [...batch].sort((a, b) => (keys.get(a)! < keys.get(b)! ? -1 : keys.get(a) === keys.get(b) ? 0 : 1));
};

const lockNumber = (text: string): number => createHash('sha256').update(text).digest().readUIntBE(0, 6);

const lockNumbers = (batch: readonly MessageInsert[]): number[] => {
  const numbers = new Set<number>();
  for (const { message, idempotency } of batch) {
    if (message.eventId !== null)
      numbers.add(lockNumber(`event\0${message.applicationId}\0${message.eventId}`));
    if (idempotency !== null) numbers.add(lockNumber(`key\0${idempotency.scope}\0${idempotency.key}`));
  }
  return [...numbers].sort((a, b) => a - b);
};

const nearBoundary = (timeMs: number): boolean => {
  const into = timeMs - dayStartMs(dayOf(timeMs));
  return into < BOUNDARY_MS || into > dayStartMs(1) - BOUNDARY_MS;
};

const groupByDay = (batch: readonly MessageInsert[]): Map<number, MessageInsert[]> => {
  const days = new Map<number, MessageInsert[]>();
  for (const item of batch) {
    const day = dayOfId(item.message.id);
    const group = days.get(day);
    if (group === undefined) days.set(day, [item]);
    else group.push(item);
  }
  return days;
};

const stale = { kind: 'stale' } as const;

export type InsertOptions = { readonly leafRetentionDays: number };

/** See IngestStore.insertMessages. */
export const createInsertMessages = (
  database: Database,
  sql: InsertStatements & { readonly insertFurther: Statement },
  options: InsertOptions,
) => {
  const { leafRetentionDays } = options;

  const statementFor = (
    batch: readonly MessageInsert[],
    arrived: readonly MessageInsert[],
    leaf: string,
    bounds: InsertBounds,
  ): [Statement, SqlParam[]] => {
    const params = insertParams(batch, bounds);
    return batch.some(needsFurther)
      ? [insertForLeaf(sql.insertFurther, leaf), [...params, ...furtherParams(batch, arrived)]]
      : [insertForLeaf(sql.insertMessages, leaf), params];
  };

  const run = (
    node: string,
    batch: readonly MessageInsert[],
    arrived: readonly MessageInsert[],
    keyed: boolean,
  ): Promise<SqlResult<InsertRow>> => {
    const firstMs = Math.min(...batch.map(timeOf));
    const previous = `message_${leafSuffix(dayOf(firstMs) - 1)}`;
    const notAfter = keyed ? new Date(firstMs + LATEST_START_MS).toISOString() : null;
    return database.run<InsertRow>(
      ...statementFor(batch, arrived, previous, { node, notAfter, probeFrom: '', leafRetentionDays }),
    );
  };

  /** Around midnight: one transaction that locks the keys, then inserts day by day, each seeing what came before. */
  const runLocked = async (
    node: string,
    batch: readonly MessageInsert[],
    arrived: readonly MessageInsert[],
  ) => {
    const days = [...groupByDay(batch)].sort(([a], [b]) => a - b);
    return database.transaction(async (transaction) => {
      await transaction.run(sql.lockKeys, [int8Array(lockNumbers(batch))]);
      const results: { readonly items: readonly MessageInsert[]; readonly row: InsertRow }[] = [];
      for (const [day, items] of days) {
        const probeFrom = idFloor('message', dayStartMs(day - 1));
        const [row] = await transaction.run<InsertRow>(
          ...statementFor(items, arrived, 'message', { node, notAfter: null, probeFrom, leafRetentionDays }),
        );
        results.push({ items, row: row! });
      }
      return results;
    });
  };

  /** Only after a real conflict, so after its owner committed. Where it cannot be told any more, the answer is to insert again. */
  const explain = async (items: readonly MessageInsert[]): Promise<readonly InsertOutcome[]> => {
    const fromMs = Math.min(...items.map(timeOf));
    const wanted = items.map(({ message: { applicationId, eventId }, idempotency }) => {
      return { applicationId, eventId, idempotency };
    });
    const found = await explainConflicts(database, sql, wanted, fromMs);
    return found.kind === 'done' ? found.conflicts.map((one) => one ?? stale) : items.map(() => stale);
  };

  const outcomes = async (
    results: readonly { readonly items: readonly MessageInsert[]; readonly row: InsertRow }[],
  ): Promise<Map<MessageInsert, InsertOutcome>> => {
    const found = new Map<MessageInsert, InsertOutcome>();
    const conflicts: MessageInsert[] = [];
    for (const { items, row } of results) {
      for (const position of row.stale ?? []) found.set(items[position - 1]!, { kind: 'stale' });
      for (const position of row.conflicts ?? []) conflicts.push(items[position - 1]!);
      const conflicting = new Set(row.conflicts ?? []);
      const notHeld = new Set(row.not_held ?? []);
      let position = 0;
      items.forEach((item, index) => {
        const held: string[] = [];
        for (const delivery of item.unfoldedBy === null ? item.deliveries : []) {
          position++;
          if (delivery.holdEpoch !== null && !notHeld.has(position)) held.push(delivery.endpointId);
        }
        if (!found.has(item) && !conflicting.has(index + 1)) found.set(item, { kind: 'accepted', held });
      });
    }
    if (conflicts.length > 0) {
      const explained = await explain(conflicts);
      conflicts.forEach((item, index) => found.set(item, explained[index] ?? { kind: 'stale' }));
    }
    return found;
  };

  const insertOnce = async (node: string, batch: readonly MessageInsert[]): Promise<InsertReply> => {
    const items = inKeyOrder(batch);
    const ids = (): string[] => batch.map((item) => item.message.id);
    const locked = batch.some(isKeyed) && batch.some((item) => nearBoundary(timeOf(item)));
    const reply = await runWithLeaves(database, ids, async () => {
      if (locked) {
        const done = await runLocked(node, items, batch);
        return done.kind === 'done' ? { kind: 'done', rows: done.value, rowCount: 0 } : done;
      }
      const done = await run(node, items, batch, batch.some(isKeyed));
      return done.kind === 'done' ? { ...done, rows: [{ items, row: done.rows[0]! }] } : done;
    });
    if (reply.kind !== 'done') return reply;
    if (reply.rows.some(({ items: asked, row }) => row.seen < asked.length)) {
      return { kind: 'unavailable', detail: 'the messages waited too long to be stored under their ids' };
    }
    const found = await outcomes(reply.rows);
    return { kind: 'done', outcomes: batch.map((item) => found.get(item) ?? { kind: 'stale' }) };
  };

  return async (node: string, batch: readonly MessageInsert[]): Promise<InsertReply> => {
    if (batch.length === 0) return { kind: 'done', outcomes: [] };
    for (let tries = 1; ; tries++) {
      const reply = await insertOnce(node, batch);
      const again = reply.kind === 'unavailable' && 'code' in reply && reply.code === DEADLOCK;
      if (!again || tries === TRIES) return reply;
    }
  };
};
