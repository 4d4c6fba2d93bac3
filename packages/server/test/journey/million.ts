import { idFloor } from '../../src/domain/ids.ts';
import { partitionOf } from '../../src/domain/partition.ts';
import { ORG, type TestServer } from './harness.ts';

export const MILLION = 1_000_000;

/** Makes so many messages wait, due now, in turns for these endpoints of an application: rows that the database makes itself. */
export const makeWait = async (
  server: TestServer,
  appId: string,
  endpointIds: readonly string[],
  count: number,
  priority: number,
): Promise<void> => {
  const base = idFloor('message', Date.now()).slice(4, 24);
  const numbered = `'msg_' || $1 || lpad(n::text, 7, '0')`;
  const rows = `generate_series(1, ${count}) n`;
  await server.sql(
    `insert into message (id, app_id, org_id, event_type, payload, content_type, retention_days, created_at, priority)
     select ${numbered}, $2, $3, 'a.b', '{}', 'application/json', 90, now(), $4 from ${rows}`,
    [base, appId, ORG, priority],
  );
  await server.sql(
    `insert into live (msg_id, endpoint_id, app_id, org_id, partition, state, priority, due_at, bytes)
     select ${numbered}, ($4::text[])[1 + n % $5], $2, $3, ($6::smallint[])[1 + n % $5], 'waiting', $7, now(), 2 from ${rows}`,
    [base, appId, ORG, endpointIds, endpointIds.length, endpointIds.map((id) => partitionOf(id)), priority],
  );
  await server.sql(
    'update lane set next_due = now(), version = version + 1 where endpoint_id = any ($1::text[])',
    [endpointIds],
  );
};
