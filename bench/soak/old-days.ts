import { randomBytes } from 'node:crypto';
import type { Client } from 'pg';
import { createIdSource } from '../../packages/server/src/domain/ids.ts';

const DAY_MS = 86_400_000;
/** Messages are kept for 90 days: these are of the days before. */
const FIRST_AGE_DAYS = 92;
const ROWS = 5_000;
/** Every so many days there is one whose work is not done yet. */
const HELD_EVERY = 3;

export interface OldDay {
  /** `YYYYMMDD`, as in the names of its partitions. */
  readonly day: string;
  /** A delivery of it is still scheduled: retention must leave it alone. */
  readonly isHeld: boolean;
}

/** For whom the messages of old were. */
export interface Owner {
  readonly applicationId: string;
  readonly endpointId: string;
}

const suffixOf = (timeMs: number): string => new Date(timeMs).toISOString().slice(0, 10).replaceAll('-', '');

/**
 * Puts in the `number`-th (from 0) day of long ago, as it would lie there: delivered messages with their
 * attempts, and in some days one delivery that is scheduled for later. The running server drops such days by
 * itself once an hour; what stands in for waiting 90 days is only where the rows come from.
 */
export async function putOldDay(database: Client, owner: Owner, number: number): Promise<OldDay> {
  const startMs = Math.floor(Date.now() / DAY_MS) * DAY_MS - (FIRST_AGE_DAYS + number) * DAY_MS;
  const day = suffixOf(startMs);
  const isHeld = number % HELD_EVERY === HELD_EVERY - 1;
  let atMs = startMs;
  const ids = createIdSource(() => (atMs += DAY_MS / (2 * ROWS + 1)), randomBytes);
  const rows = Array.from({ length: ROWS }, () => [ids('message'), ids('attempt')] as const);
  const messages = rows.map(([message]) => message);
  await database.query('begin');
  await database.query('select leaf_make($1::date)', [new Date(startMs).toISOString().slice(0, 10)]);
  await database.query(
    `insert into message (id, app_id, org_id, event_type, payload, content_type, retention_days, created_at)
     select t.id, a.id, a.org_id, 'invoice.paid', convert_to(repeat('x', 600), 'UTF8'), 'application/json', 90, $3
     from unnest($1::text[]) as t(id), application a where a.id = $2`,
    [messages, owner.applicationId, new Date(startMs)],
  );
  await database.query(
    `insert into attempt (id, org_id, app_id, msg_id, endpoint_id, run, status, final, trigger, response_status,
       duration_ms, url, event_type, created_at)
     select t.id, a.org_id, a.id, t.msg_id, $4, 0, 0, 'succeeded', 0, 200, 3, 'http://127.0.0.1/', 'invoice.paid', $5
     from unnest($1::text[], $2::text[]) as t(id, msg_id), application a where a.id = $3`,
    [rows.map(([, attempt]) => attempt), messages, owner.applicationId, owner.endpointId, new Date(startMs)],
  );
  if (isHeld) {
    await database.query(
      `insert into live (msg_id, endpoint_id, app_id, org_id, partition, state, priority, due_at, bytes)
       select $1, e.id, e.app_id, e.org_id, e.partition, 'waiting', 1, now() + interval '30 days', 600
       from endpoint e where e.id = $2`,
      [messages[0], owner.endpointId],
    );
  }
  await database.query('commit');
  return { day, isHeld };
}

/** Which of these days still have their messages. */
export async function stillThere(database: Client, days: readonly OldDay[]): Promise<ReadonlySet<string>> {
  const { rows } = await database.query<{ day: string }>(
    `select right(relname, 8) as day from pg_class where relkind = 'r' and relname = any ($1)`,
    [days.map(({ day }) => `message_${day}`)],
  );
  return new Set(rows.map(({ day }) => day));
}
