import type { EnvironmentStore } from '../api/environment-port.ts';
import { withinLimits } from './event-type-limits.ts';
import { readAllEventTypes, writeEventTypes } from './event-types.ts';
import type { Database, Statement } from './postgres.ts';
import { timeParam } from './written.ts';

const readSettings: Statement = {
  name: 'environment_settings',
  text: 'select e.settings from environment e where e.org_id = $1',
};
const writeSettings: Statement = {
  name: 'environment_write',
  text: `insert into environment as e (org_id, settings, updated_at) values ($1, $2::jsonb, $3)
    on conflict (org_id) do update set settings = e.settings || excluded.settings, updated_at = excluded.updated_at`,
};

/** What an organisation exports and imports. */
export const createEnvironmentStore = (database: Database): EnvironmentStore => {
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
