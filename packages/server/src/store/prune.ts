import { idFloor } from '../domain/ids.ts';
import type { Database, SqlParam, Statement } from './postgres.ts';
import { timeParam } from './written.ts';

/** The longest range of statistics, and a day, so that one that ends now is whole. */
const STATISTICS_DAYS = 401;
/** Background tasks are kept as long as what they worked on. */
const TASK_DAYS = 90;
const DAY_MS = 86_400_000;
const CHUNK = 2_000;

/** Each deletes some rows, the last parameter at most, and returns one row for each. Exported for their plans. */
export const pruneStatements = {
  statistics: {
    name: 'prune_statistics',
    text: `with old as (
        select h.endpoint_id, h.hour, h.event_type from statistic_hour h
        where h.hour < $1::timestamptz order by h.hour limit $2)
      delete from statistic_hour h using old o
      where h.endpoint_id = o.endpoint_id and h.hour = o.hour and h.event_type = o.event_type returning 1`,
  },
  // A task's id is as old as the task. One that still runs after so long is none that anybody waits for.
  taskItems: {
    name: 'prune_task_items',
    text: `with old as (
        select i.task_id, i.key from task_item i where i.task_id < $1 order by i.task_id, i.key limit $2)
      delete from task_item i using old o where i.task_id = o.task_id and i.key = o.key returning 1`,
  },
  tasks: {
    name: 'prune_tasks',
    text: `with old as (select t.id from task t where t.id < $1 order by t.id limit $2)
      delete from task t using old o where t.id = o.id returning 1`,
  },
  // Of messages that are dropped: the oldest leaf is the oldest message. Not what a key stands still for.
  closed: {
    name: 'prune_closed',
    text: `with oldest as (
        select 'msg_' || id_floor(min(to_date(right(c.relname, 8), 'YYYYMMDD'))::timestamp at time zone 'UTC') as id
        from pg_inherits i join pg_class c on c.oid = i.inhrelid where i.inhparent = 'message'::regclass
      ), old as (
        select d.endpoint_id, d.msg_id, d.run from closed d
        where d.msg_id < (select id from oldest)
          and not (d.blocks and d.letter = 'open' and exists (
            select from endpoint e where e.id = d.endpoint_id and e.deleted_at is null))
        order by d.msg_id limit $1)
      delete from closed d using old o
      where d.endpoint_id = o.endpoint_id and d.msg_id = o.msg_id and d.run = o.run returning 1`,
  },
  // Nobody holds anything of it any more.
  shares: {
    name: 'prune_shares',
    text: `with old as (
        select s.app_id from application_share s where not exists (
          select from jsonb_each(s.claims) c where to_timestamp((c.value->>'until')::float8 / 1000) > clock_timestamp() - interval '1 hour')
        order by s.app_id limit $1)
      delete from application_share s using old o where s.app_id = o.app_id returning 1`,
  },
} as const satisfies Record<string, Statement>;

/**
 * Deletes what has outlived its use, in chunks: hourly counts of more than 401 days ago, background tasks and what
 * they found after 90 days, dead letters whose messages were dropped, unless they block a key. Safe on several nodes at once.
 */
export const createPrune = (database: Database, nowMs: () => number) => async (): Promise<void> => {
  const all = async (statement: Statement, ...params: readonly SqlParam[]): Promise<void> => {
    while ((await database.rows(statement, [...params, CHUNK])).length === CHUNK);
  };
  const taskFloor = idFloor('task', nowMs() - TASK_DAYS * DAY_MS);
  await all(pruneStatements.statistics, timeParam(nowMs() - STATISTICS_DAYS * DAY_MS));
  await all(pruneStatements.taskItems, taskFloor);
  await all(pruneStatements.tasks, taskFloor);
  await all(pruneStatements.closed);
  await all(pruneStatements.shares);
};
