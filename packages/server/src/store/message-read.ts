import { priorities, type Priority } from '../domain/delivery.ts';
import { idPrefixes } from '../domain/ids.ts';
import { replacementScope } from '../domain/message.ts';
import type { ListFilter, MessageStore } from '../api/port.ts';
import type { MessageRecord } from '../api/records.ts';
import { textArray } from './binary-array.ts';
import type { SqlParam } from './postgres.ts';
import { tenantStatement } from './tenant-statement.ts';
import type { TenantDatabase } from './tenant-statement.ts';
import { walkBounded, withinBytes } from './walk-bounded.ts';

type Row = {
  id: string;
  event_type: string;
  event_id: string | null;
  channels: string[] | null;
  tags: string[] | null;
  content_type: string;
  payload: Buffer | null;
  bytes: number;
  gone: boolean;
  occurred_at: number | null;
  deliver_at: number | null;
  expires_at: number | null;
  priority: Priority | null;
  created_at: number;
  ordering_key: string | null;
  replaces: string | null;
};

/** What expired is gone before it is cleaned away. */
const gone = '(m.payload is null or coalesce(m.payload_until <= now(), false))';

/** The payload is read only where it is asked for: it lies apart from its row. */
const columns = (withContent: string): string => `m.id, m.event_type, m.event_id, m.channels, m.tags,
  m.content_type, case when ${withContent}::boolean and not ${gone} then m.payload end as payload,
  ${gone} as gone, case when ${gone} then 0 else octet_length(m.payload) end as bytes, m.occurred_at, m.deliver_at,
  m.expires_at, m.priority, m.ordering_key, m.created_at,
  case when m.idem_scope = '${replacementScope('')}' || m.org_id then split_part(m.idem_key, '.', 1) end as replaces`;

const recordOf = (row: Row): MessageRecord => ({
  id: row.id,
  eventType: row.event_type,
  eventId: row.event_id,
  channels: row.channels,
  tags: row.tags,
  contentType: row.content_type,
  payload:
    row.payload !== null
      ? { kind: 'bytes', bytes: row.payload }
      : row.gone
        ? { kind: 'gone' }
        : { kind: 'omitted', bytes: row.bytes },
  occurredAtMs: row.occurred_at,
  deliverAtMs: row.deliver_at,
  expiresAtMs: row.expires_at,
  priority: row.priority ?? priorities.normal,
  createdAtMs: row.created_at,
  orderingKey: row.ordering_key,
  replaces: row.replaces,
});

const byId = tenantStatement(
  2,
  'message_by_id',
  `select ${columns('$4')} from message m where m.app_id = $1 and m.org_id = $2 and m.id = $3`,
);
const byEventId = tenantStatement(
  2,
  'message_by_event_id',
  `select ${columns('$4')} from message m where m.app_id = $1 and m.org_id = $2 and m.event_id = $3
    order by m.id desc limit 1`,
);
const sizeOf = (withContent: string): string =>
  `case when ${withContent}::boolean and not ${gone} then octet_length(m.payload) else 0 end`;

const byIds = tenantStatement(
  2,
  'messages_by_ids',
  `select ${columns('$4')}, m.position, m.found from ${withinBytes(
    `select m.*, k.position from unnest($3::text[]) with ordinality as k (id, position)
      join message m on m.app_id = $1 and m.org_id = $2 and m.id = k.id`,
    'm',
    'm.position',
    sizeOf('$4'),
  )} order by m.position`,
);
const expunge = tenantStatement(
  2,
  'message_expunge',
  `update message m
    set payload = null, payload_until = null,
      payload_sha256 = coalesce(payload_sha256, encode(sha256(payload), 'hex'))
    where m.app_id = $1 and m.org_id = $2 and m.id = $3 returning m.id`,
);

const retention = tenantStatement(
  2,
  'message_retention',
  `select coalesce(ceil(extract(epoch from m.payload_until - m.created_at) / 3600),
      m.retention_days * 24)::integer as hours
    from message m where m.app_id = $1 and m.org_id = $2 and m.id = $3`,
);

/** An event id that was used again after its day names all of its messages. Exported for its plan. */
export const expungeMany = tenantStatement(
  2,
  'messages_expunge',
  `with named as (
      select m.id, m.id as name from message m
      where m.app_id = $1 and m.org_id = $2 and m.id = any ($3::text[])
      union
      select m.id, m.event_id from message m
      where m.app_id = $1 and m.org_id = $2 and m.event_id = any ($4::text[])),
    expunged as (
      update message m
      set payload = null, payload_until = null,
        payload_sha256 = coalesce(m.payload_sha256, encode(sha256(m.payload), 'hex'))
      from named n
      where m.app_id = $1 and m.org_id = $2 and m.id = n.id and m.payload is not null)
    select n.name from named n`,
);

const filterParams = (filter: ListFilter): SqlParam[] => [
  filter.eventTypes === null ? null : textArray(filter.eventTypes),
  filter.channel,
  filter.tag,
];

export const messageWalk = {
  name: 'message_list',
  columns: columns('$6'),
  from: 'message m',
  org: 2,
  where: 'm.app_id = $1 and m.org_id = $2',
  key: 'm.id',
  size: sizeOf('$6'),
  filter: `($7::text[] is null or m.event_type = any ($7::text[]))
    and ($8::text is null or m.channels @> array[$8::text]) and ($9::text is null or m.tags @> array[$9::text])`,
} as const;

const list = walkBounded(messageWalk);

/** Messages as the API reads them. */
export const createMessageStore = (database: TenantDatabase): MessageStore => ({
  find: async ({ orgId, applicationId }, idOrEventId, withContent) => {
    const statement = idOrEventId.startsWith(idPrefixes.message) ? byId : byEventId;
    const params = [applicationId, orgId, idOrEventId, withContent];
    const [row] = await database.rows<Row>(statement, params);
    return row === undefined ? null : recordOf(row);
  },

  list: async ({ orgId, applicationId }, window, filter, limit, withContent) => {
    const walked = await list<Row>(database, {
      bound: [applicationId, orgId],
      window,
      limit,
      extra: [withContent],
      filter: filterParams(filter),
    });
    return { ...walked, rows: walked.rows.map(recordOf) };
  },

  byIds: async ({ orgId, applicationId }, ids, withContent) => {
    if (ids.length === 0) return { known: new Map(), count: 0 };
    const params = [applicationId, orgId, textArray(ids), withContent];
    const rows = await database.rows<Row & { position: number; found: number }>(byIds, params);
    const last = rows.at(-1);
    const isCut = last !== undefined && last.found > rows.length;
    return {
      known: new Map(rows.map((row) => [row.id, recordOf(row)])),
      count: isCut ? last.position : ids.length,
    };
  },

  retentionHours: async ({ orgId, applicationId, messageId }) => {
    const [row] = await database.rows<{ hours: number }>(retention, [applicationId, orgId, messageId]);
    return row?.hours ?? null;
  },

  expungeMany: async ({ orgId, applicationId }, idsOrEventIds) => {
    const isId = (name: string): boolean => name.startsWith(idPrefixes.message);
    const names = [
      textArray(idsOrEventIds.filter(isId)),
      textArray(idsOrEventIds.filter((name) => !isId(name))),
    ];
    const rows = await database.rows<{ name: string }>(expungeMany, [applicationId, orgId, ...names]);
    return new Set(rows.map(({ name }) => name));
  },

  expunge: async ({ orgId, applicationId, messageId }) =>
    (await database.rows(expunge, [applicationId, orgId, messageId])).length > 0,
});
