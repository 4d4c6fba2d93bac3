import type { Statement } from './postgres.ts';

/**
 * One statement, one snapshot: the configuration check, the probe of the day before, the fence of
 * the hold and all rows. Message rows come as $4 to $22 and $35, delivery rows as $23
 * to $32, lanes that get only scheduled work, with their times, as $33 and $34.
 *
 * - Uniqueness of event ids and idempotency keys: ON CONFLICT without a target arbitrates on every
 *   unique index of the leaf that a row is routed to (and waits for a transaction that has the same
 *   key in flight); the day before is probed. `message_previous` stands for that day's leaf: named
 *   and not found by pruning, because a plan over the parent locks every leaf there is.
 * - $2: with keys, a statement that starts later than this writes nothing (see insert-messages.ts).
 * - `is true` around IN keeps the planner from turning it into a join: a hashed subplan is linear.
 * - The parent is never read here, only named leaves: see plan.ts for the rest.
 *
 * What comes back is the exceptions only: message positions that are stale, that were inserted (or
 * null: all), and delivery positions that were not held though it was asked for.
 */
export const insertStatements = {
  insertMessages: {
    name: 'insert_messages',
    text: `
with m as materialized (
  select t.*,
    t.config_version is not distinct from (
      select a.config_version from application a
      where a.id = t.app_id and a.org_id = t.org_id and a.deleted_at is null
    ) as fresh
  from unnest($4::text[], $5::text[], $6::text[], $7::int8[], $8::text[], $9::text[], $10::text[], $11::text[],
      $12::bytea[], $13::text[], $14::int2[], $15::timestamptz[], $16::timestamptz[],
      $17::timestamptz[], $18::timestamptz[], $19::timestamptz[], $20::text[], $21::text[], $22::text[], $35::int2[])
    with ordinality as t(id, app_id, org_id, config_version, event_type, event_id, channels, tags,
      payload, content_type, retention_days, payload_until, occurred_at,
      created_at, deliver_at, expires_at, idem_scope, idem_key, idem_hash, priority, position)
  where $2::timestamptz is null or clock_timestamp() < $2
), inserted as (
  insert into message (id, app_id, org_id, event_type, event_id, channels, tags, payload, content_type,
    retention_days, payload_until, occurred_at, created_at, deliver_at, expires_at, idem_scope, idem_key, idem_hash, priority)
  select id, app_id, org_id, event_type, event_id, channels::text[], tags::text[], payload, content_type,
    retention_days, payload_until, occurred_at, created_at, deliver_at, expires_at, idem_scope, idem_key, idem_hash,
    priority
  from m
  where fresh
    and (event_id is null or (
      select 1 from message_previous p
      where p.app_id = m.app_id and p.event_id = m.event_id and p.id >= $3 limit 1) is null)
    and (idem_key is null or (
      select 1 from message_previous p
      where p.idem_scope = m.idem_scope and p.idem_key = m.idem_key and p.id >= $3 limit 1) is null)
  on conflict do nothing
  returning id
), d as materialized (
  select t.*,
    case when t.epoch is not null then (
      select true from partition p where p.id = t.partition and p.epoch = t.epoch and p.node = $1::uuid
    ) end as hold
  from unnest($23::text[], $24::text[], $25::text[], $26::text[], $27::int2[], $28::int8[], $29::int2[],
      $30::int4[], $31::timestamptz[], $32::timestamptz[])
    with ordinality as t(msg_id, endpoint_id, app_id, org_id, partition, epoch, priority, bytes, due_at, expires_at,
      position)
  where (t.msg_id in (select id from inserted)) is true
), written as (
  insert into live (msg_id, endpoint_id, app_id, org_id, partition, state, priority, due_at, expires_at, epoch, node,
    held_at, bytes)
  select msg_id, endpoint_id, app_id, org_id, partition,
    case when hold then 'held' else 'waiting' end, priority,
    coalesce(due_at, statement_timestamp()), expires_at,
    case when hold then epoch end, case when hold then $1::uuid end,
    case when hold then clock_timestamp() end, bytes
  from d
), lowered as (
  update lane
  set next_due = least(next_due,
      coalesce(($34::timestamptz[])[array_position($33::text[], endpoint_id)], statement_timestamp())),
    version = version + 1
  where endpoint_id = any(array(select endpoint_id from d where hold is not true))
)
select
  (select array_agg(position::int4) from m where not fresh) as stale,
  (select count(*) from m)::int4 as seen,
  (select count(*) from inserted)::int4 as inserted,
  case when (select count(*) from inserted) < (select count(*) from m where fresh)
    then (select array_agg(position::int4) from m where fresh and (id in (select id from inserted)) is not true) end as conflicts,
  (select array_agg(position::int4) from d where epoch is not null and hold is not true) as not_held`,
  },
  /** What stands in the way of messages that were not inserted: their key's owner, then their event id's. */
  explainConflicts: {
    name: 'explain_conflicts',
    text: `
select t.position::int4, c.id is not null as by_key, c.idem_hash is not distinct from t.idem_hash as same_request,
  e.found is not null as event_exists,
  c.id, c.org_id, c.app_id, c.event_type, c.event_id, c.channels, c.tags,
  case when not coalesce(c.payload_until <= now(), false) then c.payload end as payload, c.content_type,
  c.retention_days,
  extract(epoch from c.occurred_at)::float8 * 1000 as occurred_ms,
  extract(epoch from c.created_at)::float8 * 1000 as created_ms,
  extract(epoch from c.deliver_at)::float8 * 1000 as deliver_ms,
  extract(epoch from c.expires_at)::float8 * 1000 as expires_ms, c.priority, c.ordering_key
from unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::text[])
  with ordinality as t(app_id, event_id, idem_scope, idem_key, idem_hash, position)
left join lateral (
  select * from message p
  where p.idem_scope = t.idem_scope and p.idem_key = t.idem_key and p.id >= $1
  limit 1
) c on true
left join lateral (
  select 1 as found from message p
  where p.app_id = t.app_id and p.event_id = t.event_id and p.id >= $1 limit 1
) e on true`,
  },
  lockKeys: {
    name: 'lock_keys',
    text: `select pg_advisory_xact_lock(k) from unnest($1::int8[]) as k`,
  },
} as const satisfies Record<string, Statement>;

export type InsertStatements = { readonly [Key in keyof typeof insertStatements]: Statement };

const byLeaf = new WeakMap<Statement, Map<string, Statement>>();

/** The insert for one leaf: prepared under a name of its own, once a day. `message` as leaf probes all of them. */
export const insertForLeaf = (statement: Statement, previousLeaf: string): Statement => {
  let variants = byLeaf.get(statement);
  if (variants === undefined) byLeaf.set(statement, (variants = new Map()));
  let variant = variants.get(previousLeaf);
  if (variant === undefined) {
    variant = {
      name: `${statement.name}_${previousLeaf}`,
      text: statement.text.replaceAll('message_previous', previousLeaf),
    };
    variants.set(previousLeaf, variant);
  }
  return variant;
};
