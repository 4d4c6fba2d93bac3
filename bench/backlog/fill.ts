import type { Client } from 'pg';
import { idFloor } from '../../packages/server/src/domain/ids.ts';
import { partitionOf } from '../../packages/server/src/domain/partition.ts';
import type { Customer } from '../shared/bed.ts';

/**
 * Makes `count` messages wait, in turns for these customers, due now: the rows that acceptance would have
 * written. Posting a million of them takes longer than the whole run may.
 */
export async function fill(database: Client, customers: readonly Customer[], count: number): Promise<void> {
  if (count === 0) return;
  const base = idFloor('message', Date.now()).slice(4, 24);
  const numbered = `'msg_' || $1 || lpad(n::text, 7, '0')`;
  const applications = customers.map(({ application }) => application);
  const endpoints = customers.map(({ endpoint }) => endpoint);
  const rows = `generate_series(1, ${count}) n`;
  const owner = `(select org_id from application where id = ($2::text[])[1])`;
  await database.query(
    `insert into message (id, app_id, org_id, event_type, payload, content_type, retention_days, created_at, priority)
     select ${numbered}, ($2::text[])[1 + n % $3], ${owner}, 'invoice.paid', '{"an":"invoice"}', 'application/json', 90, now(), 1
     from ${rows}`,
    [base, applications, customers.length],
  );
  await database.query(
    `insert into live (msg_id, endpoint_id, app_id, org_id, partition, state, priority, due_at, bytes)
     select ${numbered}, ($4::text[])[1 + n % $3], ($2::text[])[1 + n % $3], ${owner}, ($5::smallint[])[1 + n % $3], 'waiting', 1, now(), 16
     from ${rows}`,
    [base, applications, customers.length, endpoints, endpoints.map((id) => partitionOf(id))],
  );
  await database.query(
    'update lane set next_due = now(), version = version + 1 where endpoint_id = any ($1::text[])',
    [endpoints],
  );
  await database.query('vacuum analyze live, message, lane');
  await database.query('checkpoint');
}
