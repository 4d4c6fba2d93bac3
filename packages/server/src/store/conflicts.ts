import { priorities, type Priority } from '../domain/delivery.ts';
import { idFloor } from '../domain/ids.ts';
import type { IdempotencyKey, StoredMessage } from '../domain/message.ts';
import type { IngestStore, InsertOutcome } from '../ingest/port.ts';
import { textArray } from './binary-array.ts';
import { exceptionOf, type StoreFailure } from './failure.ts';
import { dayOf, dayStartMs } from './leaves.ts';
import type { Database, Statement } from './postgres.ts';

type ConflictRow = {
  position: number;
  by_key: boolean;
  same_request: boolean;
  event_exists: boolean;
  id: string;
  org_id: string;
  app_id: string;
  event_type: string;
  event_id: string | null;
  channels: string[] | null;
  tags: string[] | null;
  payload: Buffer | null;
  content_type: string;
  retention_days: number;
  occurred_ms: number | null;
  created_ms: number;
  deliver_ms: number | null;
  expires_ms: number | null;
  priority: Priority | null;
  ordering_key: string | null;
};

const messageOf = (row: ConflictRow): StoredMessage => ({
  id: row.id,
  orgId: row.org_id,
  applicationId: row.app_id,
  eventType: row.event_type,
  eventId: row.event_id,
  channels: row.channels,
  tags: row.tags,
  payload: row.payload,
  contentType: row.content_type,
  payloadRetentionHours: row.retention_days * 24,
  occurredAtMs: row.occurred_ms,
  createdAtMs: row.created_ms,
  deliverAtMs: row.deliver_ms,
  expiresAtMs: row.expires_ms,
  priority: row.priority ?? priorities.normal,
  orderingKey: row.ordering_key,
});

export type Conflict = Extract<InsertOutcome, { kind: 'repeated' | 'key_reused' | 'event_exists' }>;

type Wanted = {
  readonly applicationId: string | null;
  readonly eventId: string | null;
  readonly idempotency: IdempotencyKey | null;
};

type Statements = { readonly explainConflicts: Statement };

const conflictOf = (row: ConflictRow): Conflict | null => {
  if (row.by_key)
    return row.same_request ? { kind: 'repeated', message: messageOf(row) } : { kind: 'key_reused' };
  return row.event_exists ? { kind: 'event_exists' } : null;
};

/**
 * What has the key or else the event id of each, null where nothing has: among messages from the
 * day before `fromMs` on, which is how long both are kept at least.
 */
export const explainConflicts = async (
  database: Database,
  sql: Statements,
  wanted: readonly Wanted[],
  fromMs: number,
): Promise<{ readonly kind: 'done'; readonly conflicts: readonly (Conflict | null)[] } | StoreFailure> => {
  const result = await database.run<ConflictRow>(sql.explainConflicts, [
    idFloor('message', dayStartMs(dayOf(fromMs) - 1)),
    textArray(wanted.map(({ applicationId }) => applicationId)),
    textArray(wanted.map(({ eventId }) => eventId)),
    textArray(wanted.map(({ idempotency }) => idempotency?.scope ?? null)),
    textArray(wanted.map(({ idempotency }) => idempotency?.key ?? null)),
    textArray(wanted.map(({ idempotency }) => idempotency?.requestHash ?? null)),
  ]);
  if (result.kind !== 'done') return result;
  const rows = [...result.rows].sort((a, b) => a.position - b.position);
  return { kind: 'done', conflicts: rows.map(conflictOf) };
};

/** See IngestStore.recall. */
export const createRecall =
  (database: Database, sql: Statements): IngestStore['recall'] =>
  async (idempotency, nowMs) => {
    const wanted = [{ applicationId: null, eventId: null, idempotency }];
    const result = await explainConflicts(database, sql, wanted, nowMs);
    if (result.kind !== 'done') throw exceptionOf(result);
    const [conflict] = result.conflicts;
    return conflict?.kind === 'event_exists' ? null : (conflict ?? null);
  };
