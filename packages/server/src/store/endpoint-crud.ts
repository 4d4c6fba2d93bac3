import { idPrefixes } from '../domain/ids.ts';
import { partitionOf } from '../domain/partition.ts';
import type { EndpointPath, EndpointStore } from '../api/port.ts';
import { arrayLiteral } from './binary-array.ts';
import { openKeys, sealHeaders, sealKeys } from './endpoint-row.ts';
import {
  endpointFieldColumns,
  endpointFieldParams,
  endpointRecordColumns,
  endpointRecordOf,
} from './endpoint-record.ts';
import type { EndpointRecordRow } from './endpoint-record.ts';
import { noteEndpoints } from './operational-events.ts';
import type { ChangingApplication } from './operational-events.ts';
import type { SqlParam } from './postgres.ts';
import { lowerHint } from './replay-one.ts';
import { tenantStatement } from './tenant-statement.ts';
import type { TenantDatabase, TenantTransaction } from './tenant-statement.ts';
import type { Sealer } from './sealed.ts';
import { walkBounded, windowOf } from './walk-bounded.ts';
import { committed, inTransaction, timeParam, timeParamOrNull } from './written.ts';

const live = 'e.app_id = $1 and e.org_id = $2 and e.deleted_at is null';

const byId = tenantStatement(
  2,
  'endpoint_by_id',
  `select ${endpointRecordColumns} from endpoint e where e.id = $3 and ${live}`,
);
const byUid = tenantStatement(
  2,
  'endpoint_by_uid',
  `select ${endpointRecordColumns} from endpoint e where e.uid = $3 and ${live}`,
);
const lock = tenantStatement(
  2,
  'endpoint_lock',
  `select ${endpointRecordColumns}, e.keys from endpoint e where e.id = $3 and ${live} for no key update`,
);
export const endpointWalk = {
  name: 'endpoint_list',
  columns: endpointRecordColumns,
  from: 'endpoint e',
  org: 2,
  where: live,
  key: 'e.id',
  size: 'octet_length(e.url) + octet_length(e.description) + coalesce(pg_column_size(e.event_types), 0)',
  filter: 'true',
} as const;
const list = walkBounded(endpointWalk);
const anyFor = tenantStatement(
  2,
  'endpoint_any_for',
  `select 1 from endpoint e where ${live} and not e.disabled
      and (e.event_types is null or $3 = any (e.event_types))
      and (e.channels is null or e.channels && $4::text[]) limit 1`,
);

/** First in every transaction that concerns matching: takes the application's row, so that all of them queue up there. */
export const raiseConfigVersion = tenantStatement(
  2,
  'application_raise_config_version',
  `update application a set config_version = a.config_version + 1
    where a.id = $1 and a.org_id = $2 and a.deleted_at is null
    returning a.id, a.org_id, a.uid, is_observed(a.org_id) as is_observed`,
);

const insert = tenantStatement(
  2,
  'endpoint_insert',
  `insert into endpoint as e (app_id, org_id, id, partition, created_at, updated_at, keys, headers,
      ${endpointFieldColumns})
    values ($1, $2, $3, $4, $5, $5, $6::jsonb, $7, $8, $9, $10, $11, $12, $13, $14::text[], $15::text[],
      $16::jsonb, $17, $18::jsonb, $19::boolean, $20)
    returning ${endpointRecordColumns}`,
);
const insertLane = tenantStatement(
  2,
  'endpoint_insert_lane',
  'insert into lane (endpoint_id, org_id, partition) values ($1, $2, $3)',
);
const update = tenantStatement(
  2,
  'endpoint_update',
  `update endpoint e set (${endpointFieldColumns}) = ($4, $5, $6, $7::integer, $8::integer,
      $9::boolean, $10::text[], $11::text[], $12::jsonb, $13, $14::jsonb, $15::boolean, $16),
      updated_at = $17, disabled_reason = case when $9::boolean then e.disabled_reason end,
      keys = coalesce($18::jsonb, e.keys)
    where e.id = $3 and ${live} returning ${endpointRecordColumns}`,
);
// What the owner held against a receiver is forgotten when its owner says it is well again or elsewhere.
const forgive = tenantStatement(
  2,
  'endpoint_forgive',
  `update lane set failing_since = null, gone_since = null, blocked_until = null,
      blocked_reason = null, next_due = least(next_due, now())
    where endpoint_id = $1 and org_id = $2`,
);
const releaseAll = tenantStatement(
  2,
  'endpoint_release_all',
  `update closed set blocks = false
    where endpoint_id = $1 and org_id = $2 and blocks and letter = 'open'`,
);
const markDeleted = tenantStatement(
  2,
  'endpoint_delete',
  `update endpoint e set deleted_at = $4, updated_at = $4 where e.id = $3 and ${live} returning e.id`,
);

// A pause that goes on with another end or reason is the same pause.
const setPause = tenantStatement(
  2,
  'endpoint_pause',
  `update endpoint e set
      paused_at = case when not $4::boolean then null
        when e.paused_until <= $7::timestamptz then $7::timestamptz else coalesce(e.paused_at, $7::timestamptz) end,
      paused_until = $5, paused_reason = $6, updated_at = $7
    where e.id = $3 and ${live} returning ${endpointRecordColumns}`,
);

type LockedRow = EndpointRecordRow & { readonly keys: unknown };
/** An endpoint that is about to change, and its application. */
type Locked = { readonly application: ChangingApplication; readonly endpoint: LockedRow };

const address = (path: EndpointPath): [string, string, string] => [
  path.applicationId,
  path.orgId,
  path.endpointId,
];

/** Takes the application's row and the endpoint's, in this order; null if either is gone. */
export const lockEndpoint = async (
  { run }: TenantTransaction,
  path: EndpointPath,
): Promise<Locked | null> => {
  const [application] = await run<ChangingApplication>(raiseConfigVersion, [path.applicationId, path.orgId]);
  if (application === undefined) return null;
  const [endpoint] = await run<LockedRow>(lock, address(path));
  return endpoint === undefined ? null : { application, endpoint };
};

type Crud = Pick<EndpointStore, 'find' | 'list' | 'anyFor' | 'create' | 'update' | 'pause' | 'remove'>;

/** Endpoints: read, listed and written. */
export const createEndpointCrud = (database: TenantDatabase, sealer: Sealer): Crud => ({
  find: async ({ orgId, applicationId }, idOrUid) => {
    const statement = idOrUid.startsWith(idPrefixes.endpoint) ? byId : byUid;
    const rows = await database.rows<EndpointRecordRow>(statement, [applicationId, orgId, idOrUid]);
    return rows[0] === undefined ? null : endpointRecordOf(rows[0]);
  },

  list: async ({ orgId, applicationId }, walk) => {
    const walked = await list<EndpointRecordRow>(database, {
      bound: [applicationId, orgId],
      window: windowOf(walk),
      limit: walk.limit,
      extra: [],
      filter: [],
    });
    return { ...walked, rows: walked.rows.map(endpointRecordOf) };
  },

  anyFor: async ({ orgId, applicationId }, { eventType, channels }) => {
    const params = [applicationId, orgId, eventType, arrayLiteral(channels)];
    return (await database.rows(anyFor, params)).length > 0;
  },

  create: async (path, fields, key, headers, nowMs) =>
    inTransaction(database, async (transaction) => {
      const { run } = transaction;
      const { orgId, applicationId, endpointId } = path;
      const [application] = await run<ChangingApplication>(raiseConfigVersion, [applicationId, orgId]);
      if (application === undefined) return { kind: 'missing' as const };
      const partition = partitionOf(endpointId);
      const params: SqlParam[] = [
        ...address(path),
        partition,
        timeParam(nowMs),
        sealKeys(endpointId, [{ key, expiresAtMs: null }], sealer),
        sealHeaders(endpointId, Object.entries(headers ?? {}), sealer),
        ...endpointFieldParams(fields),
      ];
      const rows = await run<EndpointRecordRow>(insert, params);
      await run(insertLane, [endpointId, orgId, partition]);
      await noteEndpoints(transaction, application, ['endpoint.created'], rows);
      return { kind: 'written' as const, row: endpointRecordOf(rows[0]!) };
    }),

  update: async (path, changes, nowMs) =>
    inTransaction(database, async (transaction) => {
      const locked = await lockEndpoint(transaction, path);
      if (locked === null) return { kind: 'missing' as const };
      const { endpoint: present } = locked;
      const { key, ...fields } = changes;
      const next = { ...endpointRecordOf(present), ...fields };
      const keys =
        key === undefined
          ? null
          : sealKeys(
              path.endpointId,
              [{ key, expiresAtMs: null }, ...openKeys(path.endpointId, present.keys, sealer).slice(1)],
              sealer,
            );
      const rows = await transaction.run<EndpointRecordRow>(update, [
        ...address(path),
        ...endpointFieldParams(next),
        timeParam(nowMs),
        keys,
      ]);
      const isEnabled = present.disabled && !next.disabled;
      if (isEnabled || present.url !== next.url) {
        await transaction.run(forgive, [path.endpointId, path.orgId]);
      }
      // Who wants nothing blocked does not want it of what has died already either.
      if (present.poison_policy === 'block' && next.poisonPolicy === 'skip') {
        await transaction.run(releaseAll, [path.endpointId, path.orgId]);
        await transaction.run(lowerHint, [`{${path.endpointId}}`, path.orgId]);
      }
      const isDisabled = !present.disabled && next.disabled;
      await noteEndpoints(
        transaction,
        locked.application,
        [
          'endpoint.updated',
          ...(isDisabled ? (['endpoint.disabled'] as const) : []),
          ...(isEnabled ? (['endpoint.enabled'] as const) : []),
        ],
        rows,
      );
      return { kind: 'written' as const, row: endpointRecordOf(rows[0]!) };
    }),

  pause: async (path, pause, nowMs) =>
    committed(database, async (transaction) => {
      if ((await lockEndpoint(transaction, path)) === null) return null;
      const rows = await transaction.run<EndpointRecordRow>(setPause, [
        ...address(path),
        pause !== null,
        timeParamOrNull(pause?.untilMs ?? null),
        pause?.reason ?? null,
        timeParam(nowMs),
      ]);
      return endpointRecordOf(rows[0]!);
    }),

  remove: async (path, nowMs) =>
    committed(database, async (transaction) => {
      const locked = await lockEndpoint(transaction, path);
      if (locked === null) return false;
      await transaction.run(markDeleted, [...address(path), timeParam(nowMs)]);
      await noteEndpoints(transaction, locked.application, ['endpoint.deleted'], [locked.endpoint]);
      return true;
    }),
});
