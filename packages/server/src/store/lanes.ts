import type { DispatchStore, LaneBlock, LaneState } from '../dispatch/port.ts';
import { int8Array, textArray, timestamptzArray } from './binary-array.ts';
import { IN_LINE, isTimed } from './line.ts';
import type { Database, Statement } from './postgres.ts';

const columns = `l.endpoint_id, l.version, l.blocked_reason,
  (extract(epoch from nullif(l.next_due, 'infinity')) * 1000)::float8 as next_due_ms,
  (extract(epoch from l.blocked_until) * 1000)::float8 as blocked_until_ms,
  (extract(epoch from l.failing_since) * 1000)::float8 as failing_since_ms,
  (extract(epoch from l.gone_since) * 1000)::float8 as gone_since_ms,
  (select count(w.endpoint_id)::int4 from draining d left join lateral (
    select endpoint_id from live
    where state = 'held' and partition = d.partition and epoch = d.epoch and endpoint_id = l.endpoint_id offset 0
  ) w on true
  where d.partition = l.partition and d.deadline > clock_timestamp() having count(*) > 0) as abroad,
  (select true from live w where w.endpoint_id = l.endpoint_id and w.state = 'waiting'
    and w.priority >= ${IN_LINE} order by w.priority, w.due_at limit 1) is true as has_ordered`;

const priorities = [0, 1, 2];
const firstDue = (endpoint: string, priority: number): string =>
  `(select w.due_at from live w where w.endpoint_id = ${endpoint} and w.state = 'waiting'
      and w.priority = ${priority} order by w.due_at limit 1)`;

/**
 * The earliest due time of what waits for an endpoint: one index probe per priority. What stands in an
 * order without a time of its own gets its turn when the one before it ends, and that lowers the hint.
 */
const earliest = (endpoint: string): string =>
  `least(${priorities.map((priority) => firstDue(endpoint, priority)).join(', ')},
      (select due_at from live where endpoint_id = ${endpoint} and ${isTimed} order by due_at limit 1))`;

/** The same with all that stands in an order, whether its turn has come or not: for repair. */
const earliestOfAll = (endpoint: string): string =>
  `least(${priorities.flatMap((priority) => [priority, priority + IN_LINE].map((one) => firstDue(endpoint, one))).join(', ')})`;

export const laneStatements = {
  // In the order of the index, partition by partition: no page sorts more than it returns.
  dueLanes: {
    name: 'due_lanes',
    text: `
select ${columns}
from (
  select p.id, p.id = a.partition as begun, a.due, a.endpoint_id
  from (select coalesce((select partition from lane where endpoint_id = $4), -1) as partition,
    ($5::timestamptz[])[1] as due, $4 as endpoint_id) a
  join partition p on p.node = $1::uuid and p.id >= a.partition
  order by p.id
) p
cross join lateral (
  select * from lane
  where partition = p.id and next_due < 'infinity' and next_due <= ($2::timestamptz[])[1]
    and next_due >= case when p.begun then p.due else '-infinity' end
    and (not p.begun or (next_due, endpoint_id) > (p.due, p.endpoint_id))
  order by next_due, endpoint_id
  limit $3
) l
limit $3`,
  },
  loadLanes: {
    name: 'load_lanes',
    text: `select ${columns} from lane l where l.endpoint_id = any($1::text[])`,
  },
  // An acceptor whose rows this snapshot cannot see has not touched the lane yet (then it lowers the
  // hint after this) or holds its row with a new version (then this does nothing).
  raiseHints: {
    name: 'raise_hints',
    text: `
update lane
set next_due = coalesce(${earliest('lane.endpoint_id')}, 'infinity')
where endpoint_id = any($1::text[]) and version = ($2::int8[])[array_position($1::text[], endpoint_id)]`,
  },
  repairHints: {
    name: 'repair_hints',
    text: `
with recursive endpoints as (
  (select endpoint_id, 1 as position from live
    where state = 'waiting' and endpoint_id > $1 order by endpoint_id limit 1)
  union all
  select n.endpoint_id, e.position + 1 from endpoints e cross join lateral (
    select endpoint_id from live
    where state = 'waiting' and endpoint_id > e.endpoint_id order by endpoint_id limit 1
  ) n
  where e.position < $2
), lowered as (
  update lane
  set next_due = least(next_due, ${earliestOfAll('lane.endpoint_id')}), version = version + 1
  where endpoint_id = any(array(select endpoint_id from endpoints)) and next_due > ${earliestOfAll('lane.endpoint_id')}
)
select case when count(*) = $2 then max(endpoint_id collate "C") end as last from endpoints`,
  },
  // A statement that is late must not write over what the next owner knows; who takes the partition waits for it.
  saveLane: {
    name: 'save_lane',
    text: `
with owned as materialized (
  select id from partition where id = $6 and epoch = $7 and node = $8::uuid for share
)
update lane
set blocked_until = to_timestamp($2::float8 / 1000), blocked_reason = $3,
  failing_since = to_timestamp($4::float8 / 1000), gone_since = to_timestamp($5::float8 / 1000)
where endpoint_id = $1 and exists (select from owned)`,
  },
} as const satisfies Record<string, Statement>;

type Row = {
  endpoint_id: string;
  version: number;
  blocked_reason: LaneBlock['reason'] | null;
  next_due_ms: number | null;
  blocked_until_ms: number | null;
  failing_since_ms: number | null;
  gone_since_ms: number | null;
  abroad: number | null;
  has_ordered: boolean;
};

const laneOf = (row: Row): LaneState => ({
  endpointId: row.endpoint_id,
  nextDueMs: row.next_due_ms,
  version: row.version,
  block:
    row.blocked_reason === null || row.blocked_until_ms === null
      ? null
      : { reason: row.blocked_reason, untilMs: row.blocked_until_ms },
  failingSinceMs: row.failing_since_ms,
  goneSinceMs: row.gone_since_ms,
  abroad: row.abroad,
  hasOrdered: row.has_ordered,
});

type LaneOperations = Pick<
  DispatchStore,
  'dueLanes' | 'loadLanes' | 'raiseHints' | 'repairHints' | 'saveLane'
>;

export const createLaneOperations = (
  database: Database,
  sql: { readonly [Key in keyof typeof laneStatements]: Statement },
): LaneOperations => ({
  dueLanes: async ({ node, untilMs, after, limit }) => {
    const bounds = [
      timestamptzArray([untilMs]),
      limit,
      after?.endpointId ?? '',
      timestamptzArray([after?.nextDueMs ?? null]),
    ];
    return (await database.rows<Row>(sql.dueLanes, [node, ...bounds])).map(laneOf);
  },
  loadLanes: async (endpointIds) =>
    (await database.rows<Row>(sql.loadLanes, [textArray(endpointIds)])).map(laneOf),
  raiseHints: async (lanes) => {
    if (lanes.length === 0) return;
    await database.rows(sql.raiseHints, [
      textArray(lanes.map((lane) => lane.endpointId)),
      int8Array(lanes.map((lane) => lane.version)),
    ]);
  },
  repairHints: async ({ after, limit }) => {
    const rows = await database.rows<{ last: string | null }>(sql.repairHints, [after, limit]);
    return rows[0]?.last ?? null;
  },
  saveLane: async ({ node, partition, epoch, endpointId, block, failingSinceMs, goneSinceMs }) => {
    await database.rows(sql.saveLane, [
      endpointId,
      block?.untilMs ?? null,
      block?.reason ?? null,
      failingSinceMs,
      goneSinceMs,
      partition,
      epoch,
      node,
    ]);
  },
});
