import type { DispatchStore } from '../dispatch/port.ts';
import { lowerLanesToNow } from './plan.ts';
import type { Database, Statement } from './postgres.ts';

export const cancelExpiredStatements = {
  // Held rows are their holder's: it hands back what it finds expired before it would send it.
  cancelExpired: {
    name: 'cancel_expired',
    text: `
with chosen as materialized (
  select row_at, 1 as one from (
    select ctid as row_at from live
    where state = 'waiting' and expires_at is not null and expires_at <= statement_timestamp()
    order by expires_at limit $1 for update skip locked
  ) c
), ended as (
  delete from live l using chosen c
  where c.one = 1 and l.ctid = c.row_at
  returning l.msg_id, l.endpoint_id, l.run, l.app_id, l.org_id, l.order_key
), closings as (
  insert into closed (msg_id, endpoint_id, run, app_id, org_id, event_type, state, reason, letter, closed_at, changed_at)
  select e.msg_id, e.endpoint_id, e.run, e.app_id, e.org_id, coalesce(m.event_type, ''), 'canceled', 'expired', null,
    statement_timestamp(), statement_timestamp()
  from ended e left join lateral (
    select event_type from message where app_id = e.app_id and id = e.msg_id offset 0
  ) m on true
  on conflict do nothing
), lowered as (
  ${lowerLanesToNow('select endpoint_id from ended where order_key is not null')}
)
select count(*)::int4 as count from ended`,
  },
} as const satisfies Record<string, Statement>;

/** See DispatchStore.cancelExpired. */
export const createCancelExpired =
  (database: Database, sql: { readonly cancelExpired: Statement }): DispatchStore['cancelExpired'] =>
  async ({ limit }) =>
    (await database.rows<{ count: number }>(sql.cancelExpired, [limit]))[0]!.count;
