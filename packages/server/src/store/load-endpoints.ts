import type { EndpointConfig } from '../domain/configuration.ts';
import type { Priority } from '../domain/delivery.ts';
import type { RetryPolicy } from '../domain/policy.ts';
import { textArray } from './binary-array.ts';
import type { EndpointRow, OnUnreadable } from './endpoint-row.ts';
import { endpointColumns, endpointConfigOf } from './endpoint-row.ts';
import { noteDisabled } from './operational-events.ts';
import type { Database, Statement } from './postgres.ts';
import { retryPolicyOf } from './retry-policy.ts';
import type { Sealer } from './sealed.ts';

export const loadEndpointStatements = {
  loadEndpoints: {
    name: 'load_endpoints',
    text: `select ${endpointColumns}, a.rate_limit as application_rate_limit
      from endpoint e join application a on a.id = e.app_id where e.id = any($1::text[]) and e.deleted_at is null`,
  },
  loadEventTypePolicies: {
    name: 'load_event_type_policies',
    text: `select name, retry_policy from event_type where org_id = $1 and retry_policy is not null`,
  },
  loadEventTypePriorities: {
    name: 'load_event_type_priorities',
    text: `select name, priority from event_type where org_id = $1 and priority is not null`,
  },
  // The application's row first, as every change of configuration does.
  disableEndpoint: {
    name: 'disable_endpoint',
    text: `
with a as (
  update application set config_version = config_version + 1
  where id = (select app_id from endpoint where id = $1 and not disabled and deleted_at is null)
  returning id
), disabled as (
  update endpoint e
  set disabled = true, disabled_reason = $2, version = version + 1, updated_at = clock_timestamp()
  from a where e.app_id = a.id and e.id = $1 and not e.disabled and e.deleted_at is null
  returning e.*
)
${noteDisabled('disabled e')}`,
  },
} as const satisfies Record<string, Statement>;

type Statements = { readonly [Key in keyof typeof loadEndpointStatements]: Statement };

export const createLoadEndpointOperations = (
  database: Database,
  sql: Statements,
  sealer: Sealer,
  onUnreadable: OnUnreadable,
) => ({
  loadEndpoints: async (endpointIds: readonly string[]): Promise<readonly EndpointConfig[]> => {
    const rows = await database.rows<EndpointRow>(sql.loadEndpoints, [textArray(endpointIds)]);
    return rows.map((row) => endpointConfigOf(row, sealer, onUnreadable));
  },
  loadEventTypePolicies: async (orgId: string): Promise<ReadonlyMap<string, RetryPolicy>> => {
    const rows = await database.rows<{ name: string; retry_policy: unknown }>(sql.loadEventTypePolicies, [
      orgId,
    ]);
    const policies = new Map<string, RetryPolicy>();
    for (const row of rows) {
      const policy = retryPolicyOf(row.retry_policy);
      if (policy !== null) policies.set(row.name, policy);
    }
    return policies;
  },
  loadEventTypePriorities: async (orgId: string): Promise<ReadonlyMap<string, Priority>> => {
    const rows = await database.rows<{ name: string; priority: Priority }>(sql.loadEventTypePriorities, [
      orgId,
    ]);
    return new Map(rows.map(({ name, priority }) => [name, priority]));
  },
  disableEndpoint: async (input: {
    readonly endpointId: string;
    readonly reason: 'gone' | 'failing';
  }): Promise<void> => {
    await database.rows(sql.disableEndpoint, [input.endpointId, input.reason]);
  },
});
