import type { DispatchStore } from '../dispatch/port.ts';
import { int2Array } from './binary-array.ts';
import { IN_LINE, orderKeyOf } from './line.ts';
import type { Database, Statement } from './postgres.ts';

/**
 * A chunk is deliveries and the new place in one statement, so none is written twice; the row is locked, and
 * what somebody else committed meanwhile is read again. Endpoints that are gone get none. Where there is
 * an order, the deliveries stand in it where the message was accepted.
 */
export const expansionStatements = {
  unfold: {
    name: 'unfold',
    text: `
with turn as materialized (
  select x.*, 1 as one
  from unnest($3::int2[]) as c(priority)
  cross join lateral (
    select x.*, x.ctid as row_at from expansion x
    where x.priority = c.priority
      and (select true from partition p where p.id = x.partition and p.node = $1::uuid)
    order by x.turn_at, x.msg_id
    limit 1
    for update skip locked
  ) x
  limit 1
), timed as materialized (
  select t.*, m.deliver_at, m.expires_at
  from turn t left join lateral (
    select deliver_at, expires_at from message where app_id = t.app_id and id = t.msg_id offset 0
  ) m on true
), written as (
  insert into live (msg_id, endpoint_id, app_id, org_id, partition, state, priority, due_at, expires_at, bytes,
    order_key, seq)
  select t.msg_id, c.endpoint_id, t.app_id, t.org_id, e.partition, 'waiting',
    t.priority + case when e.order_key is null then 0 else ${IN_LINE} end,
    coalesce(t.deliver_at, statement_timestamp()), t.expires_at, t.bytes,
    e.order_key, case when e.order_key is not null then t.seq end
  from timed t
  cross join lateral unnest(t.endpoint_ids[t.unfolded + 1 : t.unfolded + $2]) as c(endpoint_id)
  cross join lateral (
    select partition, ${orderKeyOf('endpoint', 't')} as order_key
    from endpoint where id = c.endpoint_id and deleted_at is null offset 0
  ) e
  on conflict do nothing
  returning endpoint_id
), lowered as (
  update lane
  set next_due = least(next_due, coalesce((select deliver_at from timed), statement_timestamp())),
    version = version + 1
  where endpoint_id = any(array(select endpoint_id from written))
), ended as (
  delete from expansion x using turn t
  where t.one = 1 and x.ctid = t.row_at and t.unfolded + $2 >= cardinality(t.endpoint_ids)
), moved as (
  update expansion x set unfolded = t.unfolded + $2, turn_at = statement_timestamp()
  from turn t
  where t.one = 1 and x.ctid = t.row_at and t.unfolded + $2 < cardinality(t.endpoint_ids)
)
select (select array_agg(endpoint_id) from written) as endpoint_ids from turn`,
  },
} as const satisfies Record<string, Statement>;

/** See DispatchStore.unfold. */
export const createUnfold =
  (database: Database, sql: { readonly unfold: Statement }): DispatchStore['unfold'] =>
  async ({ node, limit, classes }) => {
    const [row] = await database.rows<{ endpoint_ids: string[] | null }>(sql.unfold, [
      node,
      limit,
      int2Array(classes),
    ]);
    return row === undefined ? null : (row.endpoint_ids ?? []);
  };
