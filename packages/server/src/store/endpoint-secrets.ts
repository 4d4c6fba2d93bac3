import type { EndpointKey } from '../domain/configuration.ts';
import type { EndpointPath, EndpointStore } from '../api/port.ts';
import { openHeaders, openKeys, sealHeaders, sealKeys } from './endpoint-row.ts';
import { lockEndpoint } from './endpoint-crud.ts';
import { noteEndpoints } from './operational-events.ts';
import { tenantStatement } from './tenant-statement.ts';
import type { TenantDatabase } from './tenant-statement.ts';
import type { Sealer } from './sealed.ts';
import { committed, timeParam } from './written.ts';

/** Old keys that may sign beside the current one. */
const MAX_OLD_KEYS = 10;

const at = 'e.app_id = $1 and e.org_id = $2 and e.id = $3 and e.deleted_at is null';

const readKeys = tenantStatement(2, 'endpoint_keys', `select e.keys from endpoint e where ${at}`);
const readHeaders = tenantStatement(2, 'endpoint_headers', `select e.headers from endpoint e where ${at}`);
const writeKeys = tenantStatement(
  2,
  'endpoint_write_keys',
  `update endpoint e set keys = $4::jsonb, updated_at = $5 where ${at}`,
);
const writeHeaders = tenantStatement(
  2,
  'endpoint_write_headers',
  `update endpoint e set headers = $4, updated_at = $5 where ${at}`,
);

const address = (path: EndpointPath): [string, string, string] => [
  path.applicationId,
  path.orgId,
  path.endpointId,
];

type Secrets = Pick<EndpointStore, 'keys' | 'rotate' | 'headers' | 'changeHeaders'>;

/** Signing keys and custom headers of endpoints, sealed at rest. */
export const createEndpointSecrets = (database: TenantDatabase, sealer: Sealer): Secrets => ({
  keys: async (path) => {
    const [row] = await database.rows<{ keys: unknown }>(readKeys, address(path));
    return row === undefined ? null : openKeys(path.endpointId, row.keys, sealer);
  },

  rotate: async (path, next, graceUntilMs, nowMs) =>
    committed(database, async (transaction) => {
      const locked = await lockEndpoint(transaction, path);
      if (locked === null) return 'missing';
      const { application, endpoint } = locked;
      const [current, ...old] = openKeys(path.endpointId, endpoint.keys, sealer);
      const alive = [
        ...(current === undefined ? [] : [{ key: current.key, expiresAtMs: graceUntilMs }]),
        ...old,
      ].filter(({ expiresAtMs }) => expiresAtMs !== null && expiresAtMs > nowMs);
      if (alive.length > MAX_OLD_KEYS) return 'too_many_keys';
      const keys: EndpointKey[] = [{ key: next, expiresAtMs: null }, ...alive];
      const sealed = sealKeys(path.endpointId, keys, sealer);
      await transaction.run(writeKeys, [...address(path), sealed, timeParam(nowMs)]);
      await noteEndpoints(transaction, application, ['endpoint.updated'], [endpoint]);
      return 'rotated';
    }),

  headers: async (path) => {
    const [row] = await database.rows<{ headers: Buffer | null }>(readHeaders, address(path));
    return row === undefined ? null : Object.fromEntries(openHeaders(path.endpointId, row.headers, sealer));
  },

  changeHeaders: async (path, change, nowMs) =>
    committed(database, async (transaction) => {
      const locked = await lockEndpoint(transaction, path);
      if (locked === null) return false;
      const [row] = await transaction.run<{ headers: Buffer | null }>(readHeaders, address(path));
      const present = openHeaders(path.endpointId, row?.headers ?? null, sealer);
      const next = Object.entries(change(Object.fromEntries(present)));
      const sealed = sealHeaders(path.endpointId, next, sealer);
      await transaction.run(writeHeaders, [...address(path), sealed, timeParam(nowMs)]);
      await noteEndpoints(transaction, locked.application, ['endpoint.updated'], [locked.endpoint]);
      return true;
    }),
});
