import type { Finding } from '../domain/audit.ts';
import { idFloor, idTimeMs } from '../domain/ids.ts';
import { int2Array, textArray } from './binary-array.ts';
import type { Database, Statement } from './postgres.ts';

/** The turn of `l`, which has an order, has not come: something of its key is before it, in flight, or blocks it. */
const isBehind = `exists (select from live b where b.endpoint_id = l.endpoint_id and b.order_key = l.order_key
      and b.seq is not null and b.msg_id <> l.msg_id and (b.state = 'held' or l.seq is null or b.seq < l.seq))
    or exists (select from closed b where b.endpoint_id = l.endpoint_id and b.order_key = l.order_key
      and b.blocks and b.letter = 'open')
    or exists (select from expansion b where b.app_id = l.app_id and b.seq < l.seq)`;

/**
 * Judges the open deliveries of `looked`. $1 is the slack in milliseconds, $2 the retry window with
 * slack, $3 and $4 the lowest ids of attempts: made within the slack, and made since the deliveries
 * looked at can have ended. What held it back until lately (a pause, a block) has its slack too.
 */
const judged = `
select v.rule, l.msg_id || ' ' || l.endpoint_id as subject, v.detail
from looked l
left join lateral (
  select true as is_there from message where app_id = l.app_id and id = l.msg_id offset 0
) m on true
left join lateral (select * from endpoint where id = l.endpoint_id offset 0) e on true
left join lateral (select blocked_until, true as is_there from lane where endpoint_id = l.endpoint_id offset 0) n on true
cross join lateral (select clock_timestamp() - $1 * interval '1 ms' as late,
  clock_timestamp() - $2 * interval '1 ms' as too_late) t
cross join lateral (values
  ('orphan', case
    when m.is_there is null then 'its message is gone'
    when e.id is null then 'its endpoint is gone'
    when n.is_there is null then 'its endpoint has no lane'
    when l.state = 'held' and l.held_at < t.late
      and (select n.until from node n where n.id = l.node offset 0) > t.late is not true
      and not exists (select from draining d
        where d.partition = l.partition and d.epoch = l.epoch and d.deadline > t.late)
      then 'it is held by node ' || l.node || ', which is gone' end),
  ('doubled', case
    when (select true from closed c
      where c.endpoint_id = l.endpoint_id and c.msg_id = l.msg_id and c.run = l.run offset 0) then 'it is closed too'
    when exists (select from attempt a
      where a.endpoint_id = l.endpoint_id and a.msg_id = l.msg_id and a.final is not null and a.run = l.run
        and a.id >= $4) then 'its last attempt is made' end),
  ('overdue', case
    when l.state = 'held' then case when l.held_at < t.too_late then 'it is held since ' || l.held_at end
    when l.expires_at < t.late then 'it expired at ' || l.expires_at || ' and still waits'
    when l.due_at < t.late and not e.disabled and e.updated_at < t.late
      and not (e.paused_at is not null and coalesce(e.paused_until > t.late, true))
      and coalesce(n.blocked_until < t.late, true)
      and (l.order_key is null or not (${isBehind}))
      and (l.due_at < t.too_late
        or not exists (select from attempt a where a.endpoint_id = l.endpoint_id and a.id >= $3))
      then 'it is due since ' || l.due_at end)
) v(rule, detail)
where v.detail is not null`;

const openColumns = `msg_id, endpoint_id, app_id, run, state, partition, epoch, node, held_at, due_at, expires_at, order_key, seq`;

export const auditStatements = {
  // Distinct endpoints by a skip scan; of each, the first rows of every priority.
  waiting: {
    name: 'audit_waiting',
    text: `
with recursive endpoints as (
  (select endpoint_id, 1 as position from live
    where state = 'waiting' and endpoint_id > $5 order by endpoint_id limit 1)
  union all
  select n.endpoint_id, e.position + 1 from endpoints e cross join lateral (
    select endpoint_id from live
    where state = 'waiting' and endpoint_id > e.endpoint_id order by endpoint_id limit 1
  ) n
  where e.position < $6
), looked as materialized (
  select w.* from endpoints x
  cross join lateral (values (0::int2), (1::int2), (2::int2), (3::int2), (4::int2), (5::int2)) c(priority)
  cross join lateral (
    select ${openColumns} from live
    where state = 'waiting' and endpoint_id = x.endpoint_id and priority = c.priority
    order by due_at limit $7
  ) w
), found as (${judged})
select f.*, x.last from (
  select case when count(*) = $6 then max(endpoint_id collate "C") end as last from endpoints
) x left join found f on true`,
  },
  held: {
    name: 'audit_held',
    text: `
with looked as materialized (
  select w.* from unnest($5::int2[]) p(id) cross join lateral (
    select ${openColumns} from live where state = 'held' and partition = p.id order by epoch limit $6
  ) w
) ${judged}`,
  },
  expansions: {
    name: 'audit_expansions',
    text: `
with looked as materialized (select msg_id, app_id, turn_at from expansion order by turn_at limit $2)
select v.rule, l.msg_id as subject, v.detail
from looked l left join lateral (
  select true as is_there from message where app_id = l.app_id and id = l.msg_id offset 0
) m on true
cross join lateral (values
  ('orphan', case when m.is_there is null then 'its message is gone' end),
  ('overdue', case when l.turn_at < clock_timestamp() - $1 * interval '1 ms'
    then 'it was last unfolded at ' || l.turn_at end)
) v(rule, detail)
where v.detail is not null`,
  },
  partitions: {
    name: 'audit_partitions',
    text: `
select 'unowned' as rule, id::text as subject,
  case when node is null then 'nobody has it' else 'its lease ended at ' || lease_until end as detail
from partition where node is null or lease_until < clock_timestamp() - $1 * interval '1 ms' order by id`,
  },
  applications: {
    name: 'audit_applications',
    text: `select id from application where id > $1 order by id limit $2`,
  },
  messages: {
    name: 'audit_messages',
    text: `
select m.* from unnest($1::text[]) a(id) cross join lateral (
  select app_id, id from message where app_id = a.id and id > $2 and id < $3 order by id limit $4
) m`,
  },
  /**
   * What every message must have, as far as can be known afterwards: a delivery for each endpoint that
   * subscribes to it and has not changed since before it. One delivery alone may be that of a message
   * for one endpoint only.
   */
  account: {
    name: 'audit_account',
    text: `
with m as materialized (
  select x.*, (
    select count(*) from (
      (select endpoint_id from live where msg_id = x.id limit 2)
      union (select endpoint_id from closed where msg_id = x.id limit 2)
      union (select endpoint_id from attempt where msg_id = x.id and id >= $3 limit 100)
    ) traces
  ) as traces
  from unnest($1::text[], $2::text[]) t(app_id, msg_id) cross join lateral (
    select app_id, id, event_type, channels, created_at from message
    where app_id = t.app_id and id = t.msg_id offset 0
  ) x
  where not exists (select from expansion p where p.msg_id = x.id)
), wanted as materialized (
  select m.id as msg_id, e.id as endpoint_id, m.event_type
  from m cross join lateral (
    select id, event_types, channels, updated_at from endpoint
    where app_id = m.app_id and deleted_at is null and not disabled
    order by id limit $4
  ) e
  where m.traces <> 1 and e.updated_at < m.created_at - interval '10 seconds'
    and (e.event_types is null or m.event_type = any (e.event_types))
    and (e.channels is null or coalesce(e.channels && m.channels, false))
)
select 'unaccounted' as rule, w.msg_id || ' ' || w.endpoint_id as subject,
  'it is neither open nor ended at an endpoint that subscribes to ' || w.event_type as detail
from wanted w
where not exists (select from live l where l.msg_id = w.msg_id and l.endpoint_id = w.endpoint_id)
  and not exists (select from closed c where c.endpoint_id = w.endpoint_id and c.msg_id = w.msg_id)
  and not exists (select from attempt a
    where a.endpoint_id = w.endpoint_id and a.msg_id = w.msg_id and a.final is not null and a.id >= $3)`,
  },
  auditor: {
    name: 'auditor',
    text: `select id::text from node where until > clock_timestamp() order by joined_at, id limit 1`,
  },
} as const satisfies Record<string, Statement>;

/** Milliseconds; `nowMs` by a clock like the database's. */
export type AuditTimes = {
  readonly nowMs: number;
  /** What is late by less is no finding. */
  readonly slackMs: number;
  /** From the first attempt to the last, by the deployment's schedule. */
  readonly retryWindowMs: number;
  /** A delivery that is open can have ended since then. */
  readonly sinceMs: number;
};

const HOUR_MS = 3_600_000;
const PARTITIONS = Array.from({ length: 256 }, (_, id) => id);

type MessageKey = { readonly app_id: string; readonly id: string };

const judgeParams = ({ nowMs, slackMs, retryWindowMs, sinceMs }: AuditTimes) => [
  slackMs,
  retryWindowMs + slackMs,
  idFloor('attempt', nowMs - slackMs),
  idFloor('attempt', sinceMs),
];

/** Each operation is one statement, one snapshot, over a bounded number of rows along indexes. */
export const createAuditStore = (database: Database) => ({
  /** The node that audits: the one that has been there longest. */
  auditor: async (): Promise<string | null> =>
    (await database.rows<{ id: string }>(auditStatements.auditor, []))[0]?.id ?? null,

  partitions: (slackMs: number): Promise<Finding[]> =>
    database.rows<Finding>(auditStatements.partitions, [slackMs]),

  expansions: (slackMs: number, limit: number): Promise<Finding[]> =>
    database.rows<Finding>(auditStatements.expansions, [slackMs, limit]),

  held: (times: AuditTimes, rows: number): Promise<Finding[]> =>
    database.rows<Finding>(auditStatements.held, [...judgeParams(times), int2Array(PARTITIONS), rows]),

  /** The deliveries that wait for the `lanes` endpoints behind `after`; `last` to go on from, or null. */
  waiting: async (
    times: AuditTimes,
    after: string,
    lanes: number,
    rows: number,
  ): Promise<{ readonly findings: Finding[]; readonly last: string | null }> => {
    const found = await database.rows<{
      rule: Finding['rule'] | null;
      subject: string;
      detail: string;
      last: string | null;
    }>(auditStatements.waiting, [...judgeParams(times), after, lanes, rows]);
    return {
      findings: found.flatMap(({ rule, subject, detail }) =>
        rule === null ? [] : [{ rule, subject, detail }],
      ),
      last: found[0]?.last ?? null,
    };
  },

  applications: async (after: string, limit: number): Promise<string[]> =>
    (await database.rows<{ id: string }>(auditStatements.applications, [after, limit])).map(({ id }) => id),

  /** Messages of each application with `low` < id < `high`, oldest first. */
  messages: (
    applicationIds: readonly string[],
    low: string,
    high: string,
    limit: number,
  ): Promise<MessageKey[]> =>
    database.rows<MessageKey>(auditStatements.messages, [textArray(applicationIds), low, high, limit]),

  /** Messages that lack a delivery, at the first `endpoints` endpoints of their application. */
  account: async (messages: readonly MessageKey[], endpoints: number): Promise<Finding[]> => {
    if (messages.length === 0) return [];
    const earliestMs = Math.min(...messages.map(({ id }) => idTimeMs(id) ?? 0));
    return database.rows<Finding>(auditStatements.account, [
      textArray(messages.map((message) => message.app_id)),
      textArray(messages.map((message) => message.id)),
      idFloor('attempt', earliestMs - HOUR_MS),
      endpoints,
    ]);
  },
});

export type AuditStore = ReturnType<typeof createAuditStore>;
