import type { AttemptStore } from '../api/port.ts';
import { attemptFloor } from './attempt-read.ts';
import { endsOf, isDeliveryStatus, nextAtSql, statusSql } from './delivery-status.ts';
import { endpointRecordColumns, endpointRecordOf } from './endpoint-record.ts';
import type { EndpointRecordRow } from './endpoint-record.ts';
import type { SqlParam } from './postgres.ts';
import { tenantStatement } from './tenant-statement.ts';
import type { TenantDatabase } from './tenant-statement.ts';
import { WALKED_ROWS } from './walk-bounded.ts';
import { HIGHEST, LOWEST } from './written.ts';

/** Endpoints of an application that one request looks at: each is a probe of every day since the message. */
const WALKED_ENDPOINTS = 2000;

/**
 * Parameters of all: $1 application, $2 organisation, $3 message, $4 floor of its attempts' ids, and of the lists
 * $5 where to begin, $6 limit.
 */
const traces = tenantStatement(
  2,
  'destination_traces',
  `select count(*) as traces from (
    (select from live l where l.msg_id = $3 and l.org_id = $2 limit ${WALKED_ROWS})
    union all
    (select from closed d where d.msg_id = $3 and d.org_id = $2 limit ${WALKED_ROWS})
    union all
    (select from attempt a where a.msg_id = $3 and a.id > $4 and a.org_id = $2 and a.app_id = $1
      limit ${WALKED_ROWS})) found`,
);

// What was never due and only tried by hand stands as that went.
const ofTriedByHand = `(select min(a.status) from attempt a
  where a.msg_id = $3 and a.endpoint_id = e.id and a.id > $4 and a.org_id = $2)`;
const lastTriedByHand = `(select t.endpoint_id, min(t.status) as status from (
    select a.endpoint_id, a.status, a.trigger from attempt a
    where a.msg_id = $3 and a.id > $4 and a.org_id = $2
    order by a.id desc limit ${WALKED_ROWS}) t
  where t.trigger = 1 group by t.endpoint_id)`;

const open = 'left join live l on l.msg_id = $3 and l.endpoint_id = e.id and l.org_id = $2';

const destinations = (ascending: boolean) => {
  const suffix = ascending ? 'up' : 'down';
  const ordered = `order by e.id ${ascending ? 'asc' : 'desc'}`;
  const walked = (start: string): string => `select e.* from endpoint e
    where e.app_id = $1 and e.org_id = $2 and e.id ${ascending ? '>' : '<'} ${start} ${ordered}`;
  return {
    /** From what the message left behind: all of it is read. */
    few: tenantStatement(
      2,
      `destination_list_${suffix}`,
      `select ${endpointRecordColumns}, coalesce(${statusSql}, ${ofTriedByHand}) as status, ${nextAtSql} as next_at
        from (
          select l.endpoint_id from live l where l.msg_id = $3 and l.org_id = $2
          union
          select a.endpoint_id from attempt a where a.msg_id = $3 and a.id > $4 and a.org_id = $2
          union
          select d.endpoint_id from closed d where d.msg_id = $3 and d.org_id = $2
        ) k
        join endpoint e on e.id = k.endpoint_id and e.app_id = $1 and e.org_id = $2
        ${open} ${endsOf('e.id', '$3', '$2', '$4')}
        where e.id ${ascending ? '>' : '<'} $5 ${ordered} limit $6`,
    ),
    /** From the application's endpoints, in their order: which of them have something of the message. */
    many: tenantStatement(
      2,
      `destination_walk_${suffix}`,
      `with by_hand as materialized ${lastTriedByHand}
        select ${endpointRecordColumns}, coalesce(${statusSql}, h.status) as status, ${nextAtSql} as next_at
        from (${walked('$5')} limit ${WALKED_ENDPOINTS}) e
        ${open} ${endsOf('e.id', '$3', '$2', '$4')}
        left join by_hand h on h.endpoint_id = e.id
        where l.msg_id is not null or f.final is not null or c.state is not null or h.status is not null
        ${ordered} limit $6`,
    ),
    edge: tenantStatement(
      2,
      `destination_edge_${suffix}`,
      `select w.id from (${walked('$3')} offset ${WALKED_ENDPOINTS - 1} limit 1) w`,
    ),
  };
};
const up = destinations(true);
const down = destinations(false);

type Row = EndpointRecordRow & { status: number | null; next_at: number | null };

/** See AttemptStore.destinationsOf. */
export const createDestinationsOf =
  (database: TenantDatabase): AttemptStore['destinationsOf'] =>
  async ({ orgId, applicationId, messageId }, { ascending, from, limit }) => {
    const sql = ascending ? up : down;
    const message: SqlParam[] = [applicationId, orgId, messageId, attemptFloor(messageId)];
    const start = from ?? (ascending ? LOWEST : HIGHEST);
    const [found] = await database.rows<{ traces: number }>(traces, message);
    const isMuch = found!.traces >= WALKED_ROWS;
    const rows = await database.rows<Row>(isMuch ? sql.many : sql.few, [...message, start, limit + 1]);
    const [edge] =
      isMuch && rows.length <= limit
        ? await database.rows<{ id: string }>(sql.edge, [applicationId, orgId, start])
        : [];
    return {
      rows: rows.map((row) => {
        // An attempt that ended nothing and left no open row: a resend to an endpoint that was never due.
        const status = isDeliveryStatus(row.status) ? row.status : 2;
        const delivery = { messageId, endpointId: row.id, status, nextAtMs: row.next_at };
        return { delivery, endpoint: endpointRecordOf(row) };
      }),
      stoppedAt: edge?.id ?? null,
    };
  };
