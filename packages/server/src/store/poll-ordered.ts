import type { DispatchStore, HeldDelivery, OrderedPoll } from '../dispatch/port.ts';
import { int4Array, textArray } from './binary-array.ts';
import { IN_LINE, isTimed } from './line.ts';
import { lowerLanesToNow } from './plan.ts';
import { heldOf, type PolledRow } from './poll.ts';
import type { Database, Statement } from './postgres.ts';

const nextKey = (endpoint: string, after: string): string => `(
    select order_key from live
    where endpoint_id = ${endpoint} and seq is not null and order_key > ${after}
    order by order_key limit 1
  )`;

/** Nothing of the key of `k` is held, and nothing blocks it. */
const isFree = (
  k: string,
): string => `(select true from live where endpoint_id = ${k}.endpoint_id and order_key = ${k}.order_key
      and state = 'held' and seq is not null limit 1) is null
    and (select true from closed where endpoint_id = ${k}.endpoint_id and order_key = ${k}.order_key
      and blocks and letter = 'open' limit 1) is null`;

/**
 * What is first in its key and may go: waiting and due, nothing of the key held by anybody (a tenure
 * that drains and one that has died included), no dead letter that blocks the key, and no older message
 * of the application whose deliveries are still to be unfolded. All of it by one snapshot: whoever was
 * accepted before another one was posted is in it if the other one is.
 *
 * Keys to look at come from the caller, from a skip scan over the keys behind a cursor, and from what
 * waits for its time. A first one that somebody has locked is not gone past: nothing of its key is taken.
 * What was scheduled and is due now gets its place, behind all that has one.
 */
export const pollOrderedStatements = {
  pollOrdered: {
    name: 'poll_ordered',
    text: `
with recursive own as materialized (
  select t.endpoint_id, t.after, t.keys, t.timed, p.epoch
  from unnest($2::text[], $3::text[], $4::int4[], $5::int4[]) as t(endpoint_id, after, keys, timed)
  cross join lateral (select partition from lane where endpoint_id = t.endpoint_id offset 0) l
  cross join lateral (select epoch from partition where id = l.partition and node = $1::uuid offset 0) p
), scanned as (
  select o.endpoint_id, o.keys, k.order_key, 1 as position
  from own o cross join lateral ${nextKey('o.endpoint_id', 'o.after')} k
  where o.keys > 0
  union all
  select s.endpoint_id, s.keys, k.order_key, s.position + 1
  from scanned s cross join lateral ${nextKey('s.endpoint_id', 's.order_key')} k
  where s.position < s.keys
), timed as materialized (
  select o.endpoint_id, d.*, 1 as one
  from own o cross join lateral (
    select order_key, seq, ctid as row_at from live l
    where endpoint_id = o.endpoint_id and ${isTimed} and due_at <= statement_timestamp()
      and (seq is null or ${isFree('l')})
    order by due_at
    limit o.timed
  ) d
), enlisted as (
  update live l set seq = nextval('live_seq')
  from timed t
  where t.one = 1 and t.seq is null and l.ctid = t.row_at and l.state = 'waiting' and l.seq is null
  returning l.endpoint_id, l.order_key
), looked as materialized (
  select endpoint_id, order_key from unnest($6::text[], $7::text[]) as a(endpoint_id, order_key)
  union
  select endpoint_id, order_key from scanned
  union
  select endpoint_id, order_key from timed where seq is not null
), heads as materialized (
  select h.*, k.order_key, o.epoch, 1 as one,
    (select true from expansion x where x.app_id = h.app_id and x.seq < h.seq order by x.seq limit 1) as waits
  from looked k
  cross join lateral (select epoch from own where endpoint_id = k.endpoint_id offset 0) o
  cross join lateral (
    select ctid as row_at, msg_id, endpoint_id, app_id, seq, due_at, expires_at, bytes from live
    where endpoint_id = k.endpoint_id and order_key = k.order_key and state = 'waiting' and seq is not null
    order by seq limit 1
  ) h
  where h.due_at <= statement_timestamp()
    and ${isFree('k')}
), free as materialized (
  select h.* from heads h cross join lateral (
    select from live where ctid = h.row_at and state = 'waiting' for update skip locked
  ) l
  where h.waits is null
), within as materialized (
  select *, sum(bytes::int8) over (order by seq, endpoint_id) - bytes as bytes_before from free
), found as materialized (
  select w.*, coalesce(w.expires_at <= statement_timestamp(), false) as late,
    coalesce(w.expires_at <= statement_timestamp(), false) or m.payload is null as gone,
    m.payload, m.event_type, m.channels, m.tags, m.content_type
  from within w left join lateral (
    select * from message where app_id = w.app_id and id = w.msg_id offset 0
  ) m on true
  where w.bytes_before = 0 or w.bytes_before < $8
), ended as (
  delete from live l using found f
  where f.one = 1 and f.gone and l.ctid = f.row_at
  returning l.msg_id, l.endpoint_id, l.run, l.app_id, l.org_id, l.order_key, l.seq, f.event_type, f.late
), letters as (
  insert into closed (msg_id, endpoint_id, run, app_id, org_id, event_type, state, reason, letter, closed_at, changed_at,
    order_key, seq, blocks)
  select e.msg_id, e.endpoint_id, e.run, e.app_id, e.org_id, coalesce(e.event_type, ''),
    case when e.late then 'canceled' else 'dead' end, case when e.late then 'expired' else 'payload_gone' end,
    case when not e.late then 'open' end, statement_timestamp(), statement_timestamp(), e.order_key, e.seq,
    not e.late and p.blocks
  from ended e cross join lateral (
    select poison_policy = 'block' as blocks from endpoint where id = e.endpoint_id offset 0
  ) p
  on conflict do nothing
), lowered as (
  ${lowerLanesToNow('select endpoint_id from ended')}
), taken as (
  update live l
  set state = 'held', node = $1::uuid, epoch = f.epoch, held_at = clock_timestamp()
  from found f
  where f.one = 1 and not f.gone and l.ctid = f.row_at
  returning l.org_id, l.app_id, l.endpoint_id, l.msg_id, l.partition, l.epoch, l.priority - ${IN_LINE} as priority,
    extract(epoch from l.expires_at)::float8 * 1000 as expires_ms, l.attempts, l.throttled, l.unknowns, l.run, l.policy,
    f.event_type, f.channels, f.tags, f.payload, f.content_type, l.order_key, l.seq
)
select 'taken' as kind, t.*, false as waits, null::int4 as keys, null::float8 as next_ms from taken t
union all
select 'again', null, null, a.endpoint_id, null, null, null, null, null, null, null, null, null, null,
  null, null, null, null, null, a.order_key, null, a.waits, null, null
from (
  select h.endpoint_id, h.order_key, true as waits from heads h
  where ((h.endpoint_id, h.order_key) in (select endpoint_id, order_key from free)) is not true
  union all
  select f.endpoint_id, f.order_key, false from free f
  where ((f.endpoint_id, f.order_key) in (select endpoint_id, order_key from taken)) is not true
  union all
  select endpoint_id, order_key, false from enlisted
) a
union all
select 'lane', null, null, o.endpoint_id, null, null, null, null, null, null, null, null, null, null,
  null, null, null, null, null, s.last_key, null, null, s.keys, extract(epoch from d.due_at)::float8 * 1000
from own o
cross join lateral (
  select max(order_key collate "C") as last_key, count(*)::int4 as keys from scanned s where s.endpoint_id = o.endpoint_id
) s
left join lateral (
  select due_at from live
  where endpoint_id = o.endpoint_id and ${isTimed} and due_at > statement_timestamp()
  order by due_at limit 1
) d on true`,
  },
} as const satisfies Record<string, Statement>;

type Row =
  | ({ kind: 'taken'; seq: number } & PolledRow & { order_key: string })
  | { kind: 'again'; endpoint_id: string; order_key: string; waits: boolean }
  | { kind: 'lane'; endpoint_id: string; order_key: string | null; keys: number; next_ms: number | null };

/** See DispatchStore.pollOrdered. */
export const createPollOrdered =
  (database: Database, sql: { readonly pollOrdered: Statement }): DispatchStore['pollOrdered'] =>
  async ({ node, lanes, budgetBytes }): Promise<OrderedPoll> => {
    if (lanes.length === 0) return { deliveries: [], again: [], lanes: [] };
    const asked = lanes.flatMap(({ endpointId, keys }) => keys.map((key) => [endpointId, key] as const));
    const rows = await database.rows<Row>(sql.pollOrdered, [
      node,
      textArray(lanes.map(({ endpointId }) => endpointId)),
      textArray(lanes.map(({ scan }) => scan?.after ?? '')),
      int4Array(lanes.map(({ scan }) => scan?.keys ?? 0)),
      int4Array(lanes.map(({ timed }) => timed)),
      textArray(asked.map(([endpointId]) => endpointId)),
      textArray(asked.map(([, key]) => key)),
      budgetBytes,
    ]);
    const taken: { seq: number; delivery: HeldDelivery }[] = [];
    const again: { endpointId: string; key: string; waits: boolean }[] = [];
    const ends: { endpointId: string; lastKey: string | null; keys: number; nextMs: number | null }[] = [];
    for (const row of rows) {
      switch (row.kind) {
        case 'taken':
          taken.push({ seq: row.seq, delivery: { ...heldOf(row), orderKey: row.order_key } });
          break;
        case 'again':
          again.push({ endpointId: row.endpoint_id, key: row.order_key, waits: row.waits });
          break;
        case 'lane':
          ends.push({
            endpointId: row.endpoint_id,
            lastKey: row.order_key,
            keys: row.keys,
            nextMs: row.next_ms,
          });
          break;
        default:
          row satisfies never;
      }
    }
    taken.sort((a, b) => a.seq - b.seq);
    return { deliveries: taken.map(({ delivery }) => delivery), again, lanes: ends };
  };
