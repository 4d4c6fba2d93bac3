import type { EnvironmentStore } from '../api/environment-port.ts';
import { eventTypeOf, eventTypeParams, eventTypeStatements } from './event-types.ts';
import type { EventTypeRow } from './event-types.ts';
import type { Database, Statement } from './postgres.ts';
import { committed, timeParam } from './written.ts';

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

    read: async (orgId) => {
      const rows = await database.rows<EventTypeRow>(eventTypeStatements.all, [orgId]);
      return { eventTypes: rows.map(eventTypeOf), settings: await settings(orgId) };
    },

    write: async (orgId, eventTypes, given, nowMs) =>
      committed(database, async ({ run }) => {
        // In one order, so that two imports do not wait for each other in a ring.
        for (const { name, fields } of eventTypes.toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
          await run(eventTypeStatements.upsert, [orgId, name, ...eventTypeParams(fields), timeParam(nowMs)]);
        }
        if (given !== null) await run(writeSettings, [orgId, JSON.stringify(given), timeParam(nowMs)]);
      }),
  };
};
