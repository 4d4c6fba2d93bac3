import { idFloor, idTimeMs } from '../domain/ids.ts';
import { partitionOf } from '../domain/partition.ts';
import type { AppPath, AttemptStore, EndpointPath, Walked } from '../api/port.ts';
import type { DeliveryRow } from '../api/records.ts';
import type { IdWindow } from '../api/time-window.ts';
import { attemptFloor } from './attempt-read.ts';
import { textArray } from './binary-array.ts';
import { endsOf, isDeliveryStatus, nextAtSql, statusSql } from './delivery-status.ts';
import { tenantStatement } from './tenant-statement.ts';
import type { TenantDatabase } from './tenant-statement.ts';
import { WALKED_ROWS } from './walk-bounded.ts';

/** Candidates looked at in one request where most of them may be filtered away. */
const FILTERED_CANDIDATES = 1000;

// In the order of its index: without one, a table full of others' rows could be gone through.
const countWaiting = tenantStatement(
  2,
  'delivery_count_waiting',
  `select count(*) as waiting from (
    select from live l where l.endpoint_id = $1 and l.org_id = $2 and l.state = 'waiting'
    order by l.priority, l.due_at limit ${WALKED_ROWS}) found`,
);

/** Ids of messages that are done with an endpoint, along two indexes that are sorted by message. */
const ended = (direction: 'asc' | 'desc'): string => `
  (select distinct a.msg_id from attempt a
    where a.endpoint_id = $1 and a.final is not null and a.msg_id > $3 and a.msg_id < $4
      and a.id > $6 and a.org_id = $2
    order by a.msg_id ${direction} limit $5)
  union all
  (select distinct d.msg_id from closed d
    where d.endpoint_id = $1 and d.msg_id > $3 and d.msg_id < $4 and d.org_id = $2
    order by d.msg_id ${direction} limit $5)`;

/** Few wait: take them all and sort. */
const openFew = `
  select l.msg_id from live l
  where l.endpoint_id = $1 and l.org_id = $2 and l.state = 'waiting' and l.msg_id > $3 and l.msg_id < $4
  union all
  select l.msg_id from live l
  where l.partition = $7 and l.state = 'held' and l.endpoint_id = $1 and l.org_id = $2
    and l.msg_id > $3 and l.msg_id < $4`;

const candidates = (direction: 'asc' | 'desc') =>
  tenantStatement(
    2,
    `delivery_candidates_${direction}`,
    `select distinct msg_id from (${ended(direction)} union all ${openFew}) found
    order by msg_id ${direction} limit $5`,
  );
const endedOnly = (direction: 'asc' | 'desc') =>
  tenantStatement(
    2,
    `delivery_ended_${direction}`,
    `select distinct msg_id from (${ended(direction)}) found order by msg_id ${direction} limit $5`,
  );
const walkedMessages = (direction: 'asc' | 'desc', rest: string): string => `select m.id from message m
      where m.app_id = $5 and m.org_id = $2 and m.id > $3 and m.id < $4
      order by m.id ${direction} ${rest}`;
/** Many wait: then most of the application's messages are among them, so walk those until enough are found. */
const openMany = (direction: 'asc' | 'desc') =>
  tenantStatement(
    2,
    `delivery_open_many_${direction}`,
    `select w.id from (${walkedMessages(direction, `limit ${WALKED_ROWS}`)}) w
    where exists (select from live l where l.msg_id = w.id and l.endpoint_id = $1 and l.org_id = $2)
    order by w.id ${direction} limit $6`,
  );
const openManyEdge = (direction: 'asc' | 'desc') =>
  tenantStatement(
    2,
    `delivery_open_many_edge_${direction}`,
    `select w.id from (${walkedMessages(direction, `offset ${WALKED_ROWS - 1} limit 1`)}) w where $1 <> ''`,
  );

const directions = {
  asc: {
    candidates: candidates('asc'),
    ended: endedOnly('asc'),
    openMany: openMany('asc'),
    edge: openManyEdge('asc'),
  },
  desc: {
    candidates: candidates('desc'),
    ended: endedOnly('desc'),
    openMany: openMany('desc'),
    edge: openManyEdge('desc'),
  },
};

const statuses = tenantStatement(
  2,
  'delivery_statuses',
  `select k.msg_id, ${statusSql} as status, ${nextAtSql} as next_at
    from unnest($3::text[], $4::text[]) as k (msg_id, floor)
    left join live l on l.msg_id = k.msg_id and l.endpoint_id = $1 and l.org_id = $2
    ${endsOf('$1', 'k.msg_id', '$2', 'k.floor')}`,
);

const matching = tenantStatement(
  2,
  'delivery_matching_messages',
  `select m.id from message m
    where m.app_id = $1 and m.org_id = $2 and m.id = any ($3::text[])
      and ($4::text[] is null or m.event_type = any ($4::text[]))
      and ($5::text is null or m.channels @> array[$5::text])
      and ($6::text is null or m.tags @> array[$6::text])`,
);

type StatusRow = { msg_id: string; status: number | null; next_at: number | null };

/** Message ids that have or had a delivery to the endpoint, in walking order. */
type Candidates = { readonly ids: readonly string[]; readonly stoppedAt: string | null };

const candidatesOf = async (
  database: TenantDatabase,
  path: EndpointPath,
  window: IdWindow,
  limit: number,
): Promise<Candidates> => {
  const { endpointId, orgId } = path;
  const direction = window.oldestFirst ? 'asc' : 'desc';
  const sql = directions[direction];
  const floorOf = (low: string): string => idFloor('attempt', (idTimeMs(low) ?? 0) - 60_000);
  const bounds = [endpointId, orgId, window.low, window.high];
  const floor = floorOf(window.low.padEnd('msg_'.length + 27, '0'));
  const [count] = await database.rows<{ waiting: number }>(countWaiting, [endpointId, orgId]);
  if (count!.waiting < WALKED_ROWS) {
    const params = [...bounds, limit, floor, partitionOf(endpointId)];
    const rows = await database.rows<{ msg_id: string }>(sql.candidates, params);
    const ids = rows.map((row) => row.msg_id);
    return { ids, stoppedAt: null };
  }
  const walk = [...bounds, path.applicationId];
  const open = (await database.rows<{ id: string }>(sql.openMany, [...walk, limit])).map(({ id }) => id);
  // What the walk did not reach may not be skipped over: nothing beyond its end is shown yet.
  const edge =
    open.length === limit
      ? open.at(-1)!
      : ((await database.rows<{ id: string }>(sql.edge, walk))[0]?.id ?? null);
  const done = await database.rows<{ msg_id: string }>(sql.ended, [...bounds, limit, floor]);
  const isWithin = (id: string): boolean => edge === null || (window.oldestFirst ? id <= edge : id >= edge);
  const ids = new Set(open);
  for (const { msg_id: id } of done) if (isWithin(id)) ids.add(id);
  const sorted = [...ids].toSorted((a, b) => (a < b ? -1 : 1));
  const ordered = window.oldestFirst ? sorted : sorted.toReversed();
  return { ids: ordered.slice(0, limit), stoppedAt: ordered.length >= limit ? null : edge };
};

const onlyMatching = async (
  database: TenantDatabase,
  { orgId, applicationId }: AppPath,
  ids: readonly string[],
  filter: { eventTypes: readonly string[] | null; channel: string | null; tag: string | null },
): Promise<readonly string[]> => {
  if (filter.eventTypes === null && filter.channel === null && filter.tag === null) return ids;
  const rows = await database.rows<{ id: string }>(matching, [
    applicationId,
    orgId,
    textArray(ids),
    filter.eventTypes === null ? null : textArray(filter.eventTypes),
    filter.channel,
    filter.tag,
  ]);
  const kept = new Set(rows.map(({ id }) => id));
  return ids.filter((id) => kept.has(id));
};

/** See AttemptStore.deliveriesOf. */
export const createDeliveriesOf =
  (database: TenantDatabase): AttemptStore['deliveriesOf'] =>
  async (path, window, filter, limit): Promise<Walked<DeliveryRow>> => {
    const isFiltered =
      filter.status !== null || filter.eventTypes !== null || filter.channel !== null || filter.tag !== null;
    const wanted = isFiltered ? Math.max(FILTERED_CANDIDATES, limit + 1) : limit + 1;
    const found = await candidatesOf(database, path, window, wanted);
    const ids = await onlyMatching(database, path, found.ids, filter);
    const rows = await database.rows<StatusRow>(statuses, [
      path.endpointId,
      path.orgId,
      textArray(ids),
      textArray(ids.map(attemptFloor)),
    ]);
    const byMessage = new Map(rows.map((row) => [row.msg_id, row]));
    const deliveries = ids.flatMap((messageId): DeliveryRow[] => {
      const row = byMessage.get(messageId);
      if (row === undefined || !isDeliveryStatus(row.status)) return [];
      if (filter.status !== null && row.status !== filter.status) return [];
      const { status, next_at: nextAtMs } = row;
      return [{ messageId, endpointId: path.endpointId, status, nextAtMs }];
    });
    const last = found.ids.length === wanted ? found.ids.at(-1)! : found.stoppedAt;
    return { rows: deliveries, stoppedAt: deliveries.length > limit ? null : last };
  };
