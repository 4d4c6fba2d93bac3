import type { EventOutbox } from '../ingest/post-events.ts';
import { FAILING_AFTER, operationalOrgId } from '../domain/operational.ts';
import type { OperationalEventType } from '../domain/operational.ts';
import { int8Array } from './binary-array.ts';
import type { Database, Statement } from './postgres.ts';
import { tenantStatement } from './tenant-statement.ts';
import type { TenantTransaction } from './tenant-statement.ts';

/**
 * A condition: somebody listens to the operational events of the organisation. Two probes of
 * indexes (scalar, so that they are not turned into a join); it is asked for in changes of
 * configuration and where a message's fate is worth an event, never for an ordinary message.
 */
export const isObserved = (orgId: string): string => `(${orgId} <> '${operationalOrgId}' and (
    select (select true from endpoint l where l.app_id = o.id and l.deleted_at is null limit 1)
    from application o
    where o.org_id = '${operationalOrgId}' and o.uid = ${orgId} and o.deleted_at is null) is true)`;

const timestamp = (column: string): string =>
  `to_char(${column} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`;

/**
 * Inserts the events of attempts. `from` has alias `p`: org_id, app_id, msg_id, endpoint_id, event
 * (or null), and of the attempt attempt_id, response_status, started_at.
 */
export const noteAttempts = (from: string, where: string): string => `
  insert into operational_event (org_id, type, payload)
  select p.org_id, p.event, json_build_object('type', p.event, 'data', json_build_object(
    'appId', p.app_id, 'appUid', a.uid, 'msgId', p.msg_id, 'msgEventId', m.event_id, 'endpointId', p.endpoint_id,
    'lastAttempt', json_build_object('id', p.attempt_id, 'responseStatusCode', p.response_status,
      'timestamp', ${timestamp('p.started_at')})))::text
  from ${from}
  cross join lateral (select uid from application where id = p.app_id offset 0) a
  left join lateral (select event_id from message where app_id = p.app_id and id = p.msg_id offset 0) m on true
  where p.event is not null and ${isObserved('p.org_id')} and (${where})`;

/** A delivery that succeeds had failed before, as {@link noteAttempts}'s `p` knows it: told of, so worth telling. */
export const hadFailed = `p.attempts > ${FAILING_AFTER} or (
    select true from closed c where c.endpoint_id = p.endpoint_id and c.msg_id = p.msg_id and c.state = 'dead'
    order by c.run limit 1)`;

/** Inserts the event of an endpoint that a verdict disabled. `from` has alias `e`, an endpoint. */
export const noteDisabled = (from: string): string => `
  insert into operational_event (org_id, type, payload)
  select e.org_id, 'endpoint.disabled', json_build_object('type', 'endpoint.disabled', 'data', json_build_object(
    'appId', e.app_id, 'appUid', a.uid, 'endpointId', e.id, 'endpointUid', e.uid,
    'failSince', ${timestamp('l.failing_since')}, 'trigger', 'automatic'))::text
  from ${from} cross join lateral (select uid from application where id = e.app_id offset 0) a
  left join lateral (select failing_since from lane where endpoint_id = e.id offset 0) l on true
  where ${isObserved('e.org_id')}`;

// Not jsonb: the text stays as it was written.
const note = tenantStatement(
  1,
  'operational_event_note',
  `insert into operational_event (org_id, type, payload)
    select $1, e.value ->> 'type', e.value::text from json_array_elements($2::json) with ordinality e (value, position)
    order by e.position`,
);

const noteOf = tenantStatement(
  1,
  'operational_event_note_task',
  `insert into operational_event (org_id, type, payload)
    select t.id, 'background_task.finished', $2 from (select $1::text as id) t where is_observed(t.id)`,
);

/** Notes that a task has ended, in the transaction that ends it. Nothing where nobody listens. */
export const noteTask = async (
  { run }: TenantTransaction,
  orgId: string,
  payload: string | null,
): Promise<void> => {
  if (payload !== null) await run(noteOf, [orgId, payload]);
};

/** An application whose configuration changes, with who wants to know. */
export type ChangingApplication = {
  readonly id: string;
  readonly org_id: string;
  readonly uid: string | null;
  readonly is_observed: boolean;
};

/** Notes what happens to endpoints, in the transaction in which it happens. Nothing where nobody listens. */
export const noteEndpoints = async (
  { run }: TenantTransaction,
  application: ChangingApplication,
  types: readonly Extract<OperationalEventType, `endpoint.${string}`>[],
  endpoints: readonly { readonly id: string; readonly uid: string | null }[],
): Promise<void> => {
  if (!application.is_observed) return;
  const events = endpoints.flatMap(({ id, uid }) =>
    types.map((type) => ({
      type,
      data: {
        appId: application.id,
        appUid: application.uid,
        endpointId: id,
        endpointUid: uid,
        ...(type === 'endpoint.disabled' ? { failSince: null, trigger: 'manual' } : {}),
      },
    })),
  );
  if (events.length > 0) await run(note, [application.org_id, JSON.stringify(events)]);
};

const read: Statement = {
  name: 'operational_event_read',
  text: `select id, org_id, type, payload, created_at from operational_event order by id limit $1`,
};
const remove: Statement = {
  name: 'operational_event_remove',
  text: `delete from operational_event where id = any($1::int8[])`,
};

type Row = { id: number; org_id: string; type: string; payload: string; created_at: number };

/** What was noted and is to be posted. */
export const createEventOutbox = (database: Database): EventOutbox => ({
  read: async (limit) =>
    (await database.rows<Row>(read, [limit])).map((row) => ({
      id: row.id,
      orgId: row.org_id,
      type: row.type,
      payload: row.payload,
      createdAtMs: row.created_at,
    })),
  remove: async (ids) => {
    await database.rows(remove, [int8Array(ids)]);
  },
});
