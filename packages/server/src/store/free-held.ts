import type { DispatchStore } from '../dispatch/port.ts';
import { int8Array, textArray } from './binary-array.ts';
import { exceptionOf } from './failure.ts';
import { runWithLeaves } from './leaves.ts';
import { lowerLanesToNow, probeLive } from './plan.ts';
import type { Database, SqlParam, Statement } from './postgres.ts';

/**
 * Frees held rows whose token (partition, epoch: an epoch names one tenure) is neither the
 * partition's current one nor draining. The distinct tokens come from a skip scan of the index of
 * held rows, so live tokens cost one probe each however many rows they hold. Locked rows are
 * skipped: somebody settles them right now, and the next call finds what is left.
 */
const freeHeld = (where: string): string => `
with recursive tokens as (
  (select l.partition, l.epoch from live l where l.state = 'held' order by l.partition, l.epoch limit 1)
  union all
  select n.partition, n.epoch from tokens t cross join lateral (
    select l.partition, l.epoch from live l
    where l.state = 'held' and (l.partition, l.epoch) > (t.partition, t.epoch)
    order by l.partition, l.epoch limit 1
  ) n
), stale as materialized (
  select t.partition, t.epoch
  from tokens t cross join lateral (select node, epoch from partition where id = t.partition offset 0) p
  where ${where}
    and not (p.node is not null and p.epoch = t.epoch)
    and not exists (
      select from draining d
      where d.partition = t.partition and d.epoch = t.epoch and d.deadline > clock_timestamp())
), chosen as materialized (
  select c.row_at, row_number() over () as position, 1 as one
  from (
    select l.row_at
    from stale s cross join lateral (
      select l.ctid as row_at from live l
      where l.state = 'held' and l.partition = s.partition and l.epoch = s.epoch
      for update skip locked
    ) l
    limit coalesce(array_length($1::text[], 1), 0)
  ) c
), freed as (
  update live l
  set state = 'waiting', node = null, epoch = null, held_at = null, due_at = statement_timestamp(),
    unknowns = l.unknowns + 1,
    attempts = l.attempts + case when l.unknowns + 1 > 2 then 1 else 0 end
  from chosen c
  where c.one = 1 and l.ctid = c.row_at
  returning l.msg_id, l.endpoint_id, l.app_id, l.org_id, l.run, ($1::text[])[c.position] as attempt_id
), tried as (
  insert into attempt (id, org_id, app_id, msg_id, endpoint_id, run, status, trigger, cause, response_status,
    duration_ms, next_at, url, event_type, channels, tags, evidence, created_at)
  select f.attempt_id, f.org_id, f.app_id, f.msg_id, f.endpoint_id, f.run, 2, 0, 'unknown', 0, 0,
    statement_timestamp(), coalesce((select e.url from endpoint e where e.id = f.endpoint_id), ''),
    coalesce(m.event_type, ''), m.channels, m.tags, '{"result":{"kind":"unknown"}}', statement_timestamp()
  from freed f left join lateral (
    select event_type, channels, tags from message where app_id = f.app_id and id = f.msg_id offset 0
  ) m on true
), lowered as (
  ${lowerLanesToNow('select endpoint_id from freed')}
)`;

export const freeHeldStatements = {
  takeOver: {
    name: 'take_over',
    text: `${freeHeld('p.node = $2::uuid')} select count(*)::int4 as count from freed`,
  },
  sweep: {
    name: 'sweep',
    text: `${freeHeld('true')}, forgotten as (
  delete from draining where deadline < clock_timestamp()
), gone as (
  delete from node where seen_at < clock_timestamp() - interval '1 day'
) select count(*)::int4 as count from freed`,
  },
  oldHeld: {
    name: 'old_held',
    text: `
select l.msg_id, l.endpoint_id, l.epoch
from partition p cross join lateral (
  select msg_id, endpoint_id, epoch from live
  where state = 'held' and partition = p.id and epoch = p.epoch and node = p.node
    and held_at < clock_timestamp() - $2 * interval '1 ms'
  offset 0
) l
where p.node = $1::uuid`,
  },
  // Also hands rows back: to waiting, due now, without an attempt, where the token is still on them.
  putBack: {
    name: 'put_back',
    text: `
with t as materialized (
  select t.epoch, l.row_at, 1 as one
  from unnest($2::text[], $3::text[], $4::int8[]) as t(msg_id, endpoint_id, epoch)
  cross join lateral ${probeLive('t')} l
), freed as (
  update live l
  set state = 'waiting', node = null, epoch = null, held_at = null, due_at = statement_timestamp()
  from t
  where t.one = 1 and l.ctid = t.row_at and l.node = $1::uuid and l.epoch = t.epoch
  returning l.endpoint_id
), lowered as (
  ${lowerLanesToNow('select endpoint_id from freed')}
)
select count(*)::int4 as count from freed`,
  },
} as const satisfies Record<string, Statement>;

type Statements = { readonly [Key in keyof typeof freeHeldStatements]: Statement };
type Count = { count: number };
type Key = { msg_id: string; endpoint_id: string; epoch: number };

export const createFreeHeldOperations = (
  database: Database,
  sql: Statements,
): Pick<DispatchStore, 'takeOver' | 'sweep' | 'reconcile' | 'handBack'> => {
  const free = async (
    statement: Statement,
    attemptIds: readonly string[],
    more: SqlParam[],
  ): Promise<number> => {
    if (attemptIds.length === 0) return 0;
    const params = [textArray(attemptIds), ...more];
    const result = await runWithLeaves<Count>(
      database,
      () => attemptIds,
      () => database.run(statement, params),
    );
    if (result.kind !== 'done') throw exceptionOf(result);
    return result.rows[0]!.count;
  };
  const putBack = async (node: string, keys: readonly Key[]): Promise<number> => {
    if (keys.length === 0) return 0;
    const rows = await database.rows<Count>(sql.putBack, [
      node,
      textArray(keys.map((key) => key.msg_id)),
      textArray(keys.map((key) => key.endpoint_id)),
      int8Array(keys.map((key) => key.epoch)),
    ]);
    return rows[0]!.count;
  };
  return {
    takeOver: ({ node, attemptIds }) => free(sql.takeOver, attemptIds, [node]),
    sweep: ({ attemptIds }) => free(sql.sweep, attemptIds, []),
    reconcile: async ({ node, olderThanMs, isHeld }) => {
      const rows = await database.rows<Key>(sql.oldHeld, [node, olderThanMs]);
      return putBack(
        node,
        rows.filter((row) => !isHeld(row.msg_id, row.endpoint_id)),
      );
    },
    handBack: async (node, deliveries) => {
      await putBack(
        node,
        deliveries.map((held) => ({
          msg_id: held.messageId,
          endpoint_id: held.endpointId,
          epoch: held.epoch,
        })),
      );
    },
  };
};
