import type { EventTypeStore, EventTypeWrite } from '../api/event-type-port.ts';
import type { Priority } from '../domain/delivery.ts';
import type { EventTypeFields, EventTypeRecord } from '../api/records.ts';
import { arrayLiteral, textArray } from './binary-array.ts';
import { withinLimits } from './event-type-limits.ts';
import type { SqlParam } from './postgres.ts';
import { tenantStatement } from './tenant-statement.ts';
import type { TenantDatabase, TenantTransaction } from './tenant-statement.ts';
import { retryPolicyOf, storedRetryPolicy } from './retry-policy.ts';
import { onlyOne, walkBounded, windowOf } from './walk-bounded.ts';
import { timeParam } from './written.ts';

type EventTypeRow = {
  name: string;
  description: string;
  archived: boolean;
  deprecated: boolean;
  schemas: Record<string, unknown> | null;
  feature_flags: string[] | null;
  group_name: string | null;
  retry_policy: unknown;
  priority: Priority | null;
  created_at: number;
  updated_at: number;
  created?: boolean;
};

const fieldColumns =
  'description, archived, deprecated, schemas, feature_flags, group_name, retry_policy, priority';
const columnsBut = (schemas: string): string => `t.name, t.description, t.archived, t.deprecated,
  ${schemas} as schemas, t.feature_flags, t.group_name, t.retry_policy, t.priority, t.created_at, t.updated_at`;
const columns = columnsBut('t.schemas');

const eventTypeOf = (row: EventTypeRow): EventTypeRecord => ({
  name: row.name,
  description: row.description,
  archived: row.archived,
  deprecated: row.deprecated,
  schemas: row.schemas,
  featureFlags: row.feature_flags,
  groupName: row.group_name,
  retryPolicy: retryPolicyOf(row.retry_policy),
  priority: row.priority,
  createdAtMs: row.created_at,
  updatedAtMs: row.updated_at,
});

const eventTypeParams = (fields: EventTypeFields): SqlParam[] => [
  fields.description,
  fields.archived,
  fields.deprecated,
  fields.schemas === null ? null : JSON.stringify(fields.schemas),
  arrayLiteral(fields.featureFlags),
  fields.groupName,
  storedRetryPolicy(fields.retryPolicy),
  fields.priority,
];

const find = tenantStatement(
  1,
  'event_type_find',
  `select ${columns} from event_type t where t.org_id = $1 and t.name = $2`,
);
const lock = tenantStatement(1, 'event_type_lock', `${find.text} for no key update`);
export const eventTypeWalk = {
  name: 'event_type_list',
  columns: columnsBut('case when $6::boolean then t.schemas end'),
  from: 'event_type t',
  org: 1,
  where: `t.org_id = $1 and ${onlyOne}`,
  key: 't.name',
  filter: `($7::boolean is null or not t.archived)
    and ($8::text[] is null or t.feature_flags is null or t.feature_flags && $8::text[])`,
} as const;
const list = walkBounded(eventTypeWalk);

const all = tenantStatement(
  1,
  'event_type_all',
  `select ${columns} from event_type t where t.org_id = $1 order by t.name`,
);

const values = '($1, $2, $3, $4, $5, $6::json, $7::text[], $8, $9::jsonb, $10::smallint, $11, $11)';
const insertInto = `insert into event_type as t (org_id, name, ${fieldColumns}, created_at, updated_at)
    values ${values} on conflict (org_id, name) do update set
    (${fieldColumns}, updated_at) = ($3, $4, $5, $6::json, $7::text[], $8, $9::jsonb, $10::smallint, $11)`;
const create = tenantStatement(1, 'event_type_create', `${insertInto} where t.archived returning ${columns}`);
// xmax is zero on a row that this statement inserted.
const upsert = tenantStatement(
  1,
  'event_type_upsert',
  `${insertInto} returning ${columns}, t.xmax = 0 as created`,
);
const archive = tenantStatement(
  1,
  'event_type_archive',
  `update event_type t set archived = true, updated_at = $3 where t.org_id = $1 and t.name = $2 returning t.name`,
);
const archiveAll = tenantStatement(
  1,
  'event_types_archive',
  `update event_type t set archived = true, updated_at = $3 where t.org_id = $1 and t.name = any ($2::text[])`,
);
const upsertAll = tenantStatement(
  1,
  'event_types_upsert',
  `insert into event_type as t (org_id, name, ${fieldColumns}, created_at, updated_at)
    select $1, u.name, u.description, u.archived::boolean, u.deprecated::boolean, u.schemas::json, u.flags::text[],
      u.group_name, u.policy::jsonb, u.priority::smallint, $11, $11
    from unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[],
      $10::text[]) as u (name, description, archived, deprecated, schemas, flags, group_name, policy, priority)
    on conflict (org_id, name) do update set
    (${fieldColumns}, updated_at) = (excluded.description, excluded.archived, excluded.deprecated, excluded.schemas,
      excluded.feature_flags, excluded.group_name, excluded.retry_policy, excluded.priority, excluded.updated_at)`,
);
const expunge = tenantStatement(
  1,
  'event_type_expunge',
  'delete from event_type t where t.org_id = $1 and t.name = $2 returning t.name',
);
const missing = tenantStatement(
  1,
  'event_type_missing',
  `select wanted.name from unnest($2::text[]) as wanted (name)
    where not exists (select from event_type t where t.org_id = $1 and t.name = wanted.name)`,
);

/** By name, archived ones too. */
export const readAllEventTypes = async (
  database: TenantDatabase,
  orgId: string,
): Promise<EventTypeRecord[]> => (await database.rows<EventTypeRow>(all, [orgId])).map(eventTypeOf);

const AT_ONCE = 500;

/** Writes many, in one order, so that two imports cannot wait for each other. */
export const writeEventTypes = async (
  { run }: TenantTransaction,
  orgId: string,
  writes: readonly EventTypeWrite[],
  nowMs: number,
): Promise<void> => {
  const sorted = writes.toSorted((a, b) => (a.name < b.name ? -1 : 1));
  for (let from = 0; from < sorted.length; from += AT_ONCE) {
    const chunk = sorted.slice(from, from + AT_ONCE);
    const fields = chunk.map((write) => eventTypeParams(write.fields));
    const columnOf = (index: number) =>
      textArray(fields.map((params) => (params[index] === null ? null : String(params[index]))));
    await run(upsertAll, [
      orgId,
      textArray(chunk.map(({ name }) => name)),
      ...[0, 1, 2, 3, 4, 5, 6, 7].map(columnOf),
      timeParam(nowMs),
    ]);
  }
};

/** Event types of an organisation. */
export const createEventTypeStore = (database: TenantDatabase): EventTypeStore => ({
  find: async (orgId, name) => {
    const [row] = await database.rows<EventTypeRow>(find, [orgId, name]);
    return row === undefined ? null : eventTypeOf(row);
  },

  list: async (orgId, walk, filter) => {
    const walked = await list<EventTypeRow>(database, {
      bound: [orgId, null],
      window: windowOf(walk),
      limit: walk.limit,
      extra: [filter.withSchemas],
      filter: [filter.archived ? null : true, arrayLiteral(filter.featureFlags)],
    });
    return { ...walked, rows: walked.rows.map(eventTypeOf) };
  },

  create: (orgId, name, fields, nowMs) =>
    withinLimits(database, orgId, async ({ run }) => {
      const [row] = await run<EventTypeRow>(create, [
        orgId,
        name,
        ...eventTypeParams(fields),
        timeParam(nowMs),
      ]);
      return row === undefined
        ? { kind: 'conflict' as const }
        : { kind: 'written' as const, row: eventTypeOf(row), created: true };
    }),

  upsert: (orgId, name, fields, nowMs) =>
    withinLimits(database, orgId, async ({ run }) => {
      const [row] = await run<EventTypeRow>(upsert, [
        orgId,
        name,
        ...eventTypeParams(fields),
        timeParam(nowMs),
      ]);
      return { kind: 'written' as const, row: eventTypeOf(row!), created: row!.created === true };
    }),

  update: (orgId, name, changes, nowMs) =>
    withinLimits(database, orgId, async ({ run }) => {
      const [present] = await run<EventTypeRow>(lock, [orgId, name]);
      if (present === undefined) return { kind: 'missing' as const };
      const next = { ...eventTypeOf(present), ...changes };
      const [row] = await run<EventTypeRow>(upsert, [
        orgId,
        name,
        ...eventTypeParams(next),
        timeParam(nowMs),
      ]);
      return { kind: 'written' as const, row: eventTypeOf(row!), created: false };
    }),

  remove: async (orgId, name, forGood, nowMs) => {
    const rows = forGood
      ? await database.rows(expunge, [orgId, name])
      : await database.rows(archive, [orgId, name, timeParam(nowMs)]);
    return rows.length > 0;
  },

  all: (orgId) => readAllEventTypes(database, orgId),

  writeMany: (orgId, writes, archived, nowMs) =>
    withinLimits(database, orgId, async (transaction) => {
      await writeEventTypes(transaction, orgId, writes, nowMs);
      await transaction.run(archiveAll, [orgId, textArray(archived), timeParam(nowMs)]);
      return { kind: 'written' as const };
    }),

  missing: async (orgId, names) => {
    const rows = await database.rows<{ name: string }>(missing, [orgId, textArray(names)]);
    return rows.map(({ name }) => name);
  },
});
