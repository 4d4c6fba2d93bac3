import type { EnvironmentStore } from '../api/environment-port.ts';
import { withinLimits } from './event-type-limits.ts';
import { readAllEventTypes, writeEventTypes } from './event-types.ts';
import { tenantStatement } from './tenant-statement.ts';
import type { TenantDatabase } from './tenant-statement.ts';
import { timeParam } from './written.ts';

const readSettings = tenantStatement(
  1,
  'environment_settings',
  'select e.settings from environment e where e.org_id = $1',
);
const writeSettings = tenantStatement(
  1,
  'environment_write',
  `insert into environment as e (org_id, settings, updated_at) values ($1, $2::jsonb, $3)
    on conflict (org_id) do update set settings = e.settings || excluded.settings, updated_at = excluded.updated_at`,
);

/** What an organisation exports and imports. */
export const createEnvironmentStore = (database: TenantDatabase): EnvironmentStore => {
  const settings = async (orgId: string): Promise<object> => {
    const [row] = await database.rows<{ settings: object }>(readSettings, [orgId]);
    return row?.settings ?? {};
  };
  return {
    settings,

    read: async (orgId) => ({
      eventTypes: await readAllEventTypes(database, orgId),
      settings: await settings(orgId),
    }),

    write: (orgId, eventTypes, given, nowMs) =>
      withinLimits(database, orgId, async (transaction) => {
        await writeEventTypes(transaction, orgId, eventTypes, nowMs);
        if (given !== null)
          await transaction.run(writeSettings, [orgId, JSON.stringify(given), timeParam(nowMs)]);
        return { kind: 'written' as const };
      }),
  };
};
