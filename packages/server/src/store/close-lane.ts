import type { DispatchStore } from '../dispatch/port.ts';
import type { Database, Statement } from './postgres.ts';

const CHUNK_ROWS = 1000;

export const closeLaneStatements = {
  // A held row is found by its partition: there is no index of held rows by endpoint.
  closeLane: {
    name: 'close_lane',
    text: `
with owned as materialized (
  select p.id, p.epoch from endpoint e cross join lateral (
    select id, epoch, node from partition where id = e.partition offset 0
  ) p where e.id = $1 and p.node = $4::uuid
), chosen as materialized (
  select row_at, 1 as one from (
    select * from (select ctid as row_at from live where state = 'waiting' and endpoint_id = $1
        and exists (select from owned)
      order by priority, due_at limit $3 for update skip locked) waiting
    union all
    select * from (select ctid as row_at from live where state = 'held' and endpoint_id = $1
        and partition = (select id from owned) and epoch = (select epoch from owned)
      order by epoch limit $3 for update skip locked) held
  ) c limit $3
), ended as (
  delete from live l using chosen c
  where c.one = 1 and l.ctid = c.row_at
  returning l.msg_id, l.endpoint_id, l.run, l.app_id, l.org_id
), letters as (
  insert into closed (msg_id, endpoint_id, run, app_id, org_id, event_type, state, reason, letter, closed_at, changed_at)
  select e.msg_id, e.endpoint_id, e.run, e.app_id, e.org_id, coalesce(m.event_type, ''), 'dead', $2, 'open',
    statement_timestamp(), statement_timestamp()
  from ended e left join lateral (
    select event_type from message where app_id = e.app_id and id = e.msg_id offset 0
  ) m on true
  on conflict do nothing
)
select count(*)::int4 as count from ended`,
  },
} as const satisfies Record<string, Statement>;

/** See DispatchStore.closeLane. Each chunk is one transaction. */
export const createCloseLane =
  (database: Database, sql: { readonly closeLane: Statement }): DispatchStore['closeLane'] =>
  async ({ node, endpointId, reason }) => {
    for (let closed = 0; ;) {
      const rows = await database.rows<{ count: number }>(sql.closeLane, [
        endpointId,
        reason,
        CHUNK_ROWS,
        node,
      ]);
      const count = rows[0]!.count;
      closed += count;
      if (count < CHUNK_ROWS) return closed;
    }
  };
