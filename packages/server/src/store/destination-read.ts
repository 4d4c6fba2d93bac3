import type { AttemptStore } from '../api/port.ts';
import { attemptFloor } from './attempt-read.ts';
import { endsOf, isDeliveryStatus, nextAtSql, statusSql } from './delivery-status.ts';
import { endpointRecordColumns, endpointRecordOf } from './endpoint-record.ts';
import type { EndpointRecordRow } from './endpoint-record.ts';
import type { Database, Statement } from './postgres.ts';
import { HIGHEST, LOWEST } from './written.ts';

const destinations = (ascending: boolean): Statement => ({
  name: `destination_list_${ascending ? 'up' : 'down'}`,
  // What was never due and only tried by hand stands as that went.
  text: `select ${endpointRecordColumns}, coalesce(${statusSql}, (select min(a.status) from attempt a
      where a.msg_id = $3 and a.endpoint_id = e.id and a.id > $4 and a.org_id = $2)) as status, ${nextAtSql} as next_at
    from (
      select l.endpoint_id from live l where l.msg_id = $3 and l.org_id = $2
      union
      select a.endpoint_id from attempt a where a.msg_id = $3 and a.id > $4 and a.org_id = $2
      union
      select d.endpoint_id from closed d where d.msg_id = $3 and d.org_id = $2
    ) k
    join endpoint e on e.id = k.endpoint_id and e.app_id = $1 and e.org_id = $2
    left join live l on l.msg_id = $3 and l.endpoint_id = e.id and l.org_id = $2
    ${endsOf('e.id', '$3', '$2', '$4')}
    where e.id ${ascending ? '>' : '<'} $5
    order by e.id ${ascending ? 'asc' : 'desc'} limit $6`,
});
const up = destinations(true);
const down = destinations(false);

type Row = EndpointRecordRow & { status: number | null; next_at: number | null };

/** See AttemptStore.destinationsOf. */
export const createDestinationsOf =
  (database: Database): AttemptStore['destinationsOf'] =>
  async ({ orgId, applicationId, messageId }, { ascending, from, limit }) => {
    const rows = await database.rows<Row>(ascending ? up : down, [
      applicationId,
      orgId,
      messageId,
      attemptFloor(messageId),
      from ?? (ascending ? LOWEST : HIGHEST),
      limit + 1,
    ]);
    return rows.map((row) => {
      // An attempt that ended nothing and left no open row: a resend to an endpoint that was never due.
      const status = isDeliveryStatus(row.status) ? row.status : 2;
      const delivery = { messageId, endpointId: row.id, status, nextAtMs: row.next_at };
      return { delivery, endpoint: endpointRecordOf(row) };
    });
  };
