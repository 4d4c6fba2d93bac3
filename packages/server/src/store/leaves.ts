import { idFloor, idTimeMs } from '../domain/ids.ts';
import { textArray } from './binary-array.ts';
import type { StoreFailure } from './failure.ts';
import type { Database, SqlResult, Statement } from './postgres.ts';

const DAY_MS = 86_400_000;
const CHECK_VIOLATION = '23514';
const UNDEFINED_TABLE = '42P01';

/** The UTC day that a moment lies in, as a number of days since 1970. */
export const dayOf = (timeMs: number): number => Math.floor(timeMs / DAY_MS);

/** Where a day ends and the next begins, in Unix milliseconds. */
export const dayStartMs = (day: number): number => day * DAY_MS;

/** `YYYYMMDD`, as in the names of leaves. */
export const leafSuffix = (day: number): string =>
  new Date(day * DAY_MS).toISOString().slice(0, 10).replaceAll('-', '');

/** The day whose leaf holds an id. Throws on what is no id of ours. */
export const dayOfId = (id: string): number => {
  const timeMs = idTimeMs(id);
  if (timeMs === null) throw new Error(`not an id: ${id}`);
  return dayOf(timeMs);
};

export const leafStatements = {
  make: {
    name: 'leaves_make',
    text: `select leaf_make(day::date) from unnest($1::text[]) as day`,
  },
  ahead: {
    name: 'leaves_ahead',
    text: `select leaf_make((clock_timestamp() at time zone 'UTC')::date + n) from generate_series(-1, $1::int) as n`,
  },
  // Also what an earlier drop left half done: killed, or cut off by its timeout while it waited for a long
  // transaction. Such a leaf is no longer under its parent, or only until somebody finishes that.
  old: {
    name: 'leaves_old',
    text: `
      select c.relname as leaf, left(c.relname, -9) as parent, right(c.relname, 8) as day,
        case when i.inhrelid is null then 'detached' when i.inhdetachpending then 'detaching' else 'attached' end as state
      from pg_class c left join pg_inherits i on i.inhrelid = c.oid
      where c.relkind = 'r' and c.relname ~ '^(message|attempt)_[0-9]{8}$'
        and c.relnamespace = (select relnamespace from pg_class where oid = 'message'::regclass)
        and right(c.relname, 8) < to_char((clock_timestamp() at time zone 'UTC')::date - $1::int, 'YYYYMMDD')
      order by c.relname`,
  },
  // A pause or a blocked key holds work for as long as messages are kept, not for ever: then it is a dead letter.
  outlived: {
    name: 'leaves_outlived',
    text: `
      with chosen as materialized (
        select l.msg_id, l.endpoint_id from live l
        where l.msg_id >= $1 and l.msg_id < $2 and l.state = 'waiting'
          and l.due_at < clock_timestamp() - $3::int * interval '1 day'
          and exists (select from endpoint e where e.id = l.endpoint_id
            and (e.disabled or e.paused_at is not null and coalesce(e.paused_until > clock_timestamp(), true)
              or exists (select from closed b where b.endpoint_id = l.endpoint_id and b.order_key = l.order_key
                and b.blocks and b.letter = 'open')))
        limit $4 for update skip locked
      ), ended as (
        delete from live l using chosen c where l.msg_id = c.msg_id and l.endpoint_id = c.endpoint_id
        returning l.msg_id, l.endpoint_id, l.run, l.app_id, l.org_id
      ), letters as (
        insert into closed (msg_id, endpoint_id, run, app_id, org_id, event_type, state, reason, letter, closed_at,
          changed_at)
        select e.msg_id, e.endpoint_id, e.run, e.app_id, e.org_id,
          coalesce((select m.event_type from message m where m.app_id = e.app_id and m.id = e.msg_id), ''),
          'dead', 'payload_gone', 'open', statement_timestamp(), statement_timestamp()
        from ended e
        on conflict do nothing
      )
      select count(*)::int4 as count from ended`,
  },
  undelivered: {
    name: 'leaves_undelivered',
    text: `select exists (select from live where msg_id >= $1 and msg_id < $2)
      or exists (select from expansion where msg_id >= $1 and msg_id < $2) as undelivered`,
  },
} as const satisfies Record<string, Statement>;

/** Whether a statement failed because a leaf is missing: the clock passed into a day nobody prepared. */
export const isLeafMissing = (failure: StoreFailure): boolean =>
  (failure.code === CHECK_VIOLATION && failure.detail.startsWith('no partition of relation')) ||
  (failure.code === UNDEFINED_TABLE && /"(message|attempt)_\d{8}"/.test(failure.detail));

const isoDay = (day: number): string => new Date(day * DAY_MS).toISOString().slice(0, 10);

/** Makes the leaves that ids fall into, and the days before them. */
const makeLeavesOf = async (database: Database, ids: readonly string[]): Promise<SqlResult<unknown>> => {
  const days = new Set<number>();
  for (const id of ids) {
    const day = dayOfId(id);
    days.add(day - 1).add(day);
  }
  return database.run(leafStatements.make, [textArray([...days].sort((a, b) => a - b).map(isoDay))]);
};

/** Runs a statement that writes rows with these ids; where a leaf is missing, makes it and runs again. */
export const runWithLeaves = async <Row>(
  database: Database,
  ids: () => readonly string[],
  run: () => Promise<SqlResult<Row>>,
): Promise<SqlResult<Row>> => {
  const first = await run();
  if (first.kind === 'done' || !isLeafMissing(first)) return first;
  const made = await makeLeavesOf(database, ids());
  return made.kind === 'done' ? run() : made;
};

/** Makes the leaves from yesterday to `daysAhead` days from now (database time). */
export const makeLeavesAhead = async (database: Database, daysAhead: number): Promise<void> => {
  await database.rows(leafStatements.ahead, [daysAhead]);
};

const CHUNK_ROWS = 1000;

/** Ends what has waited for longer than messages are kept at endpoints that are disabled or paused. */
const endOutlived = async (
  database: Database,
  bounds: readonly string[],
  keepDays: number,
): Promise<void> => {
  for (;;) {
    const [row] = await database.rows<{ count: number }>(leafStatements.outlived, [
      ...bounds,
      keepDays,
      CHUNK_ROWS,
    ]);
    if (row!.count < CHUNK_ROWS) return;
  }
};

type OldLeaf = {
  readonly leaf: string;
  readonly parent: 'message' | 'attempt';
  readonly day: string;
  readonly state: 'attached' | 'detaching' | 'detached';
};

/** Drops one leaf, from wherever an earlier drop stopped; false: there is work in it, and it stays. */
const dropLeaf = async (
  database: Database,
  { leaf, parent, day, state }: OldLeaf,
  keepDays: number,
): Promise<boolean> => {
  const startMs = Date.parse(`${day.slice(0, 4)}-${day.slice(4, 6)}-${day.slice(6)}T00:00:00Z`);
  const bounds = [idFloor(parent, startMs), idFloor(parent, startMs + DAY_MS)];
  const hasWork = async (): Promise<boolean> => {
    if (parent === 'attempt') return false;
    const [row] = await database.rows<{ undelivered: boolean }>(leafStatements.undelivered, bounds);
    return row?.undelivered !== false;
  };
  if (state === 'attached') {
    if (parent === 'message') await endOutlived(database, bounds, keepDays);
    if (await hasWork()) return false;
  }
  // Each script is one statement: a concurrent detach is not allowed inside a transaction.
  if (state !== 'detached') {
    const how = state === 'attached' ? 'concurrently' : 'finalize';
    await database.script(`alter table ${parent} detach partition ${leaf} ${how}`);
  }
  // A letter may have been replayed since the first look. Nobody can find it now, and whoever had found it has
  // ended: the detach waited for that.
  if (await hasWork()) {
    const [from, to] = bounds;
    await database.script(
      `alter table ${parent} attach partition ${leaf} for values from ('${from!}') to ('${to!}')`,
    );
    return false;
  }
  await database.script(`drop table if exists ${leaf}`);
  return true;
};

/**
 * Drops the leaves of days that ended more than `keepDays` days ago; a message leaf that an open
 * delivery still points into stays. Returns the names of what it dropped. What a call leaves half done,
 * killed or timed out, the next one finishes.
 */
export const dropOldLeaves = async (database: Database, keepDays: number): Promise<string[]> => {
  const dropped: string[] = [];
  for (const old of await database.rows<OldLeaf>(leafStatements.old, [keepDays]))
    if (await dropLeaf(database, old, keepDays)) dropped.push(old.leaf);
  return dropped;
};
