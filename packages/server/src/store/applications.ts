import { idPrefixes } from '../domain/ids.ts';
import type { ApplicationStore } from '../api/port.ts';
import type { ApplicationRecord } from '../api/records.ts';
import { textArray } from './binary-array.ts';
import { noteEndpoints } from './operational-events.ts';
import type { ChangingApplication } from './operational-events.ts';
import { tenantStatement } from './tenant-statement.ts';
import type { TenantDatabase } from './tenant-statement.ts';
import { onlyOne, walkBounded, windowOf } from './walk-bounded.ts';
import { committed, inTransaction, timeParam } from './written.ts';

type Row = {
  id: string;
  org_id: string;
  uid: string | null;
  name: string;
  rate_limit: number | null;
  metadata: Record<string, string>;
  created_at: number;
  updated_at: number;
};

const columns = 'a.id, a.org_id, a.uid, a.name, a.rate_limit, a.metadata, a.created_at, a.updated_at';

const recordOf = (row: Row): ApplicationRecord => ({
  id: row.id,
  orgId: row.org_id,
  uid: row.uid,
  name: row.name,
  rateLimit: row.rate_limit,
  metadata: row.metadata,
  createdAtMs: row.created_at,
  updatedAtMs: row.updated_at,
});

const byId = tenantStatement(
  1,
  'application_by_id',
  `select ${columns} from application a where a.id = $2 and a.org_id = $1 and a.deleted_at is null`,
);
const byUid = tenantStatement(
  1,
  'application_by_uid',
  `select ${columns} from application a where a.org_id = $1 and a.uid = $2 and a.deleted_at is null`,
);
const lock = tenantStatement(1, 'application_lock', `${byId.text} for no key update`);

/** One of its endpoints, deleted ones aside, that is (enabled). */
const hasEndpoint = (which: string): string => `exists (
  select from endpoint e where e.app_id = a.id and e.org_id = $1 and e.deleted_at is null ${which})`;
export const applicationWalk = {
  name: 'application_list',
  columns,
  from: 'application a',
  org: 1,
  where: `a.org_id = $1 and ${onlyOne} and a.deleted_at is null`,
  key: 'a.id',
  filter: `($6::boolean is null or ${hasEndpoint('')})
    and ($7::boolean is null or ${hasEndpoint('and not e.disabled')})`,
} as const;
const list = walkBounded(applicationWalk);

const resolve = tenantStatement(
  1,
  'application_resolve',
  `select k.key, a.id from unnest($2::text[]) as k (key)
    join lateral (
      select a.id from application a where a.org_id = $1 and a.id = k.key and a.deleted_at is null
      union all
      select a.id from application a where a.org_id = $1 and a.uid = k.key and a.deleted_at is null) a on true`,
);
const insert = tenantStatement(
  2,
  'application_insert',
  `insert into application as a (id, org_id, uid, name, rate_limit, metadata, created_at, updated_at)
    values ($1, $2, $3, $4, $5, $6::jsonb, $7, $7) returning ${columns}`,
);
const update = tenantStatement(
  2,
  'application_update',
  `update application a set uid = $3, name = $4, rate_limit = $5, metadata = $6::jsonb,
      updated_at = $7, config_version = a.config_version + 1
    where a.id = $1 and a.org_id = $2 returning ${columns}`,
);
const markDeleted = tenantStatement(
  2,
  'application_delete',
  `update application a set deleted_at = $3, updated_at = $3, config_version = a.config_version + 1
    where a.id = $1 and a.org_id = $2 and a.deleted_at is null
    returning a.id, a.org_id, a.uid, is_observed(a.org_id) as is_observed`,
);
const markEndpointsDeleted = tenantStatement(
  2,
  'application_delete_endpoints',
  `update endpoint e set deleted_at = $3, updated_at = $3
    where e.app_id = $1 and e.org_id = $2 and e.deleted_at is null returning e.id, e.uid`,
);

const first = (rows: readonly Row[]): ApplicationRecord | null =>
  rows[0] === undefined ? null : recordOf(rows[0]);

/** Applications: read, listed and written. */
export const createApplicationStore = (database: TenantDatabase): ApplicationStore => ({
  find: async (orgId, idOrUid) => {
    const statement = idOrUid.startsWith(idPrefixes.application) ? byId : byUid;
    return first(await database.rows<Row>(statement, [orgId, idOrUid]));
  },

  list: async (orgId, walk, filter) => {
    const walked = await list<Row>(database, {
      bound: [orgId, null],
      window: windowOf(walk),
      limit: walk.limit,
      extra: [],
      filter: [filter.withEndpoints || null, filter.withEnabledEndpoints || null],
    });
    return { ...walked, rows: walked.rows.map(recordOf) };
  },

  resolve: async (orgId, idsOrUids) => {
    if (idsOrUids.length === 0) return new Map();
    const rows = await database.rows<{ key: string; id: string }>(resolve, [orgId, textArray(idsOrUids)]);
    return new Map(rows.map(({ key, id }) => [key, id]));
  },

  create: async (orgId, id, fields, nowMs) =>
    inTransaction(database, async ({ run }) => {
      const rows = await run<Row>(insert, [
        id,
        orgId,
        fields.uid,
        fields.name,
        fields.rateLimit,
        JSON.stringify(fields.metadata),
        timeParam(nowMs),
      ]);
      return { kind: 'written' as const, row: recordOf(rows[0]!) };
    }),

  update: async ({ orgId, applicationId }, changes, nowMs) =>
    inTransaction(database, async ({ run }) => {
      const present = first(await run<Row>(lock, [orgId, applicationId]));
      if (present === null) return { kind: 'missing' as const };
      const next = { ...present, ...changes };
      const rows = await run<Row>(update, [
        applicationId,
        orgId,
        next.uid,
        next.name,
        next.rateLimit,
        JSON.stringify(next.metadata),
        timeParam(nowMs),
      ]);
      return { kind: 'written' as const, row: recordOf(rows[0]!) };
    }),

  remove: async ({ orgId, applicationId }, nowMs) =>
    committed(database, async (transaction) => {
      const params = [applicationId, orgId, timeParam(nowMs)];
      const [application] = await transaction.run<ChangingApplication>(markDeleted, params);
      if (application === undefined) return null;
      const endpoints = await transaction.run<{ id: string; uid: string | null }>(
        markEndpointsDeleted,
        params,
      );
      await noteEndpoints(transaction, application, ['endpoint.deleted'], endpoints);
      return endpoints.map(({ id }) => id);
    }),
});
