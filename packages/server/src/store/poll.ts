import type { DispatchStore, HeldDelivery } from '../dispatch/port.ts';
import type { Priority } from '../domain/delivery.ts';
import { int2Array, int4Array, textArray } from './binary-array.ts';
import type { Database, Statement } from './postgres.ts';
import { retryPolicyOf } from './retry-policy.ts';

/**
 * By lane, then by priority, then by due time: each probe is one range of the index of waiting rows
 * that ends at the first row not yet due, so a million of those cost nothing. The time must be a
 * stable function (statement_timestamp), or it is no bound of the range. Rows that somebody else
 * has locked are skipped.
 *
 * The partition's row is read in this statement: what is not ours is not even locked. A delivery whose
 * payload is gone, or whose time is over, is closed here instead of taken.
 */
export const pollStatements = {
  poll: {
    name: 'poll',
    text: `
with own as materialized (
  select t.endpoint_id, t.most, t.upto, p.epoch
  from unnest($2::text[], $3::int4[], $5::int2[]) as t(endpoint_id, most, upto)
  cross join lateral (select partition from lane where endpoint_id = t.endpoint_id offset 0) l
  cross join lateral (select epoch from partition where id = l.partition and node = $1::uuid offset 0) p
), due as materialized (
  select l.*, t.epoch
  from own t
  cross join lateral (
    select w.* from (values (0::int2), (1::int2), (2::int2)) as c(priority)
    cross join lateral (
      select ctid as row_at, msg_id, endpoint_id, app_id, priority, due_at, expires_at, bytes from live
      where endpoint_id = t.endpoint_id and state = 'waiting' and priority = c.priority and c.priority <= t.upto
        and due_at <= statement_timestamp()
      order by due_at
      limit t.most
      for update skip locked
    ) w
    limit t.most
  ) l
), within as materialized (
  select *, sum(bytes::int8) over (order by priority, due_at, msg_id, endpoint_id) - bytes as bytes_before from due
), found as materialized (
  select w.*, 1 as one, coalesce(w.expires_at <= statement_timestamp(), false) as late,
    coalesce(w.expires_at <= statement_timestamp(), false) or m.payload is null as gone,
    m.payload, m.event_type, m.channels, m.tags, m.content_type
  from within w left join lateral (
    select * from message where app_id = w.app_id and id = w.msg_id offset 0
  ) m on true
  where w.bytes_before = 0 or w.bytes_before < $4
), ended as (
  delete from live l using found f
  where f.one = 1 and f.gone and l.ctid = f.row_at
  returning l.msg_id, l.endpoint_id, l.run, l.app_id, l.org_id, f.event_type, f.late
), letters as (
  insert into closed (msg_id, endpoint_id, run, app_id, org_id, event_type, state, reason, letter, closed_at, changed_at)
  select msg_id, endpoint_id, run, app_id, org_id, coalesce(event_type, ''),
    case when late then 'canceled' else 'dead' end, case when late then 'expired' else 'payload_gone' end,
    case when not late then 'open' end, statement_timestamp(), statement_timestamp()
  from ended
  on conflict do nothing
)
update live l
set state = 'held', node = $1::uuid, epoch = f.epoch, held_at = clock_timestamp()
from found f
where f.one = 1 and not f.gone and l.ctid = f.row_at
returning l.org_id, l.app_id, l.endpoint_id, l.msg_id, l.partition, l.epoch, l.priority,
  extract(epoch from f.due_at)::float8 * 1000 as due_ms,
  extract(epoch from l.expires_at)::float8 * 1000 as expires_ms, l.attempts, l.throttled, l.unknowns, l.run, l.policy,
  f.event_type, f.channels, f.tags, f.payload, f.content_type`,
  },
} as const satisfies Record<string, Statement>;

/** A delivery that a poll has taken. */
export type PolledRow = {
  org_id: string;
  app_id: string;
  endpoint_id: string;
  msg_id: string;
  partition: number;
  epoch: number;
  priority: Priority;
  due_ms: number;
  expires_ms: number | null;
  attempts: number;
  throttled: number;
  unknowns: number;
  run: number;
  policy: unknown;
  event_type: string;
  channels: string[] | null;
  tags: string[] | null;
  payload: Buffer;
  content_type: string;
};

type Row = PolledRow & { due_ms: number };

const inOrder = (a: Row, b: Row): number =>
  a.priority - b.priority || a.due_ms - b.due_ms || (a.msg_id < b.msg_id ? -1 : 1);

export const heldOf = (row: PolledRow): HeldDelivery => ({
  orgId: row.org_id,
  applicationId: row.app_id,
  endpointId: row.endpoint_id,
  messageId: row.msg_id,
  partition: row.partition,
  epoch: row.epoch,
  priority: row.priority,
  orderKey: null,
  expiresAtMs: row.expires_ms,
  attemptsUsed: row.attempts,
  throttled: row.throttled,
  unknowns: row.unknowns,
  run: row.run,
  policy: retryPolicyOf(row.policy),
  eventType: row.event_type,
  channels: row.channels,
  tags: row.tags,
  payload: row.payload,
  contentType: row.content_type,
  openSlot: null,
});

/** See DispatchStore.poll. */
export const createPoll =
  (database: Database, sql: { readonly poll: Statement }): DispatchStore['poll'] =>
  async ({ node, lanes, budgetBytes }) => {
    if (lanes.length === 0) return [];
    const rows = await database.rows<Row>(sql.poll, [
      node,
      textArray(lanes.map((lane) => lane.endpointId)),
      int4Array(lanes.map((lane) => lane.limit)),
      budgetBytes,
      int2Array(lanes.map((lane) => lane.upto)),
    ]);
    return rows.sort(inOrder).map(heldOf);
  };
