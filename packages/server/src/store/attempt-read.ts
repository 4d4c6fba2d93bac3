import { idFloor, idTimeMs } from '../domain/ids.ts';
import type { AttemptFilter, AttemptStore, MessagePath } from '../api/port.ts';
import type { AttemptRow } from '../api/records.ts';
import { textArray } from './binary-array.ts';
import { readEvidence } from './evidence.ts';
import type { SqlParam } from './postgres.ts';
import { tenantStatement } from './tenant-statement.ts';
import type { TenantDatabase } from './tenant-statement.ts';
import { WALKED_ROWS, walkBounded } from './walk-bounded.ts';

type Row = {
  id: string;
  msg_id: string;
  endpoint_id: string;
  url: string;
  status: 0 | 2;
  trigger: 0 | 1;
  cause: string | null;
  response_status: number;
  response: Buffer | null;
  duration_ms: number;
  next_at: number | null;
  created_at: number;
  evidence?: string | null;
  body_sha256?: string | null;
};

const columns = (withContent: string): string => `t.id, t.msg_id, t.endpoint_id, t.url, t.status, t.trigger,
  t.cause, t.response_status, case when ${withContent}::boolean then t.response end as response,
  t.duration_ms, t.next_at, t.created_at`;

const recordOf = (row: Row): AttemptRow => ({
  id: row.id,
  messageId: row.msg_id,
  endpointId: row.endpoint_id,
  url: row.url,
  status: row.status,
  trigger: row.trigger,
  cause: row.cause,
  responseStatus: row.response_status,
  response: row.response,
  durationMs: row.duration_ms,
  nextAtMs: row.next_at,
  createdAtMs: row.created_at,
  evidence: readEvidence(row.evidence ?? null, row.response_status, row.body_sha256 ?? null),
});

/** Clocks of two nodes may differ: a message's first attempt can seem a little older than it. */
const CLOCKS_DIFFER_MS = 60_000;

/** No attempt of a message has an id below this; keeps the older partitions out of its look-ups. */
export const attemptFloor = (messageId: string): string =>
  idFloor('attempt', (idTimeMs(messageId) ?? 0) - CLOCKS_DIFFER_MS);

/** `at`: number of the first parameter. */
const filterSql = (at: number): string => `($${at}::smallint is null or t.status = $${at})
    and ($${at + 1}::smallint is null or t.response_status between $${at + 1} and $${at + 1} + 99)
    and ($${at + 2}::text is null or t.endpoint_id = $${at + 2})
    and ($${at + 3}::text[] is null or t.event_type = any ($${at + 3}::text[]))
    and ($${at + 4}::text is null or t.channels @> array[$${at + 4}::text])
    and ($${at + 5}::text is null or t.tags @> array[$${at + 5}::text])`;

const filterParams = (filter: AttemptFilter): SqlParam[] => [
  filter.status,
  filter.codeClass,
  filter.endpointId,
  filter.eventTypes === null ? null : textArray(filter.eventTypes),
  filter.channel,
  filter.tag,
];

export const attemptWalks = {
  byEndpoint: {
    name: 'attempt_list_by_endpoint',
    columns: columns('$6'),
    from: 'attempt t',
    org: 2,
    where: 't.endpoint_id = $1 and t.org_id = $2',
    key: 't.id',
    filter: filterSql(7),
  },
  byMessage: {
    name: 'attempt_list_by_message',
    columns: columns('$6'),
    from: 'attempt t',
    org: 2,
    where: 't.msg_id = $1 and t.org_id = $2',
    key: 't.id',
    filter: filterSql(7),
  },
} as const;

const walkByEndpoint = walkBounded(attemptWalks.byEndpoint);
const walkByMessage = walkBounded(attemptWalks.byMessage);

/** Exported for its plan. */
export const countByEndpoint = tenantStatement(
  2,
  'attempt_count_by_endpoint',
  `select count(*) filter (where ${filterSql(5)})::integer as found, count(*)::integer as walked
    from (select * from attempt t
      where t.endpoint_id = $1 and t.org_id = $2 and t.id > $3 and t.id < $4
      order by t.id desc limit ${WALKED_ROWS + 1}) t`,
);

const at = 't.msg_id = $1 and t.id = $2 and t.app_id = $3 and t.org_id = $4';
const find = tenantStatement(
  4,
  'attempt_find',
  `select ${columns('true')}, t.evidence,
    (select coalesce(m.payload_sha256, encode(sha256(m.payload), 'hex'))
      from message m where m.app_id = t.app_id and m.id = t.msg_id and m.org_id = t.org_id) as body_sha256
    from attempt t where ${at}`,
);
const expunge = tenantStatement(
  4,
  'attempt_expunge',
  `update attempt t set response = 'EXPUNGED'::bytea where ${at} returning t.id`,
);

const address = (path: MessagePath, attemptId: string): string[] => [
  path.messageId,
  attemptId,
  path.applicationId,
  path.orgId,
];

type AttemptReads = Pick<AttemptStore, 'byEndpoint' | 'byMessage' | 'countByEndpoint' | 'find' | 'expunge'>;

/** Attempts as the API reads them. */
export const createAttemptReads = (database: TenantDatabase): AttemptReads => ({
  byEndpoint: async ({ orgId, endpointId }, window, filter, limit, withContent) => {
    const walked = await walkByEndpoint<Row>(database, {
      bound: [endpointId, orgId],
      window,
      limit,
      extra: [withContent],
      filter: filterParams(filter),
    });
    return { ...walked, rows: walked.rows.map(recordOf) };
  },

  byMessage: async ({ orgId, messageId }, window, filter, limit, withContent) => {
    const floor = attemptFloor(messageId);
    const walked = await walkByMessage<Row>(database, {
      bound: [messageId, orgId],
      window: window.low < floor ? { ...window, low: floor } : window,
      limit,
      extra: [withContent],
      filter: filterParams(filter),
    });
    return { ...walked, rows: walked.rows.map(recordOf) };
  },

  countByEndpoint: async ({ orgId, endpointId }, window, filter) => {
    const params = [endpointId, orgId, window.low, window.high, ...filterParams(filter)];
    const [row] = await database.rows<{ found: number; walked: number }>(countByEndpoint, params);
    return { count: Math.min(row!.found, WALKED_ROWS), approximated: row!.walked > WALKED_ROWS };
  },

  find: async (path, attemptId) => {
    const [row] = await database.rows<Row>(find, address(path, attemptId));
    return row === undefined ? null : recordOf(row);
  },

  expunge: async (path, attemptId) => (await database.rows(expunge, address(path, attemptId))).length > 0,
});
