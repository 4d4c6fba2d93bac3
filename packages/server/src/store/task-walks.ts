import type { TaskProgress, TaskRecord } from '../api/records.ts';
import { arrayLiteral } from './binary-array.ts';
import { tenantStatement } from './tenant-statement.ts';
import type { TenantTransaction } from './tenant-statement.ts';
import { attemptCounts, closedCounts, markCte } from './statistic-sql.ts';
import { LOWEST, timeParam } from './written.ts';

/**
 * Tasks that look at every application of an organisation and keep one item for each: `found` is a
 * select of (key, value) over `walked`. $1 organisation, $2 cursor, $3 rows of a chunk, $4 task,
 * $5 applications or null, $6 since, $7 until.
 */
const walk = (name: string, found: string) =>
  tenantStatement(
    1,
    `task_${name}`,
    `with input as (select $6::timestamptz as since, $7::timestamptz as until), ${markCte}, walked as (
    select a.id, a.uid, a.org_id from application a
    where a.org_id = $1 and a.deleted_at is null and a.id > $2
      and ($5::text[] is null or a.id = any ($5::text[]))
    order by a.id limit $3
  ), found as (${found}), kept as (
    insert into task_item (task_id, key, value) select $4, key, value from found on conflict do nothing)
  select (select count(*) from walked) as walked, (select max(id) from walked) as cursor`,
  );

const DESTINATIONS = 'c.delivered + c.dead + c.canceled';

export const taskWalks = {
  // Whole hours.
  'application.stats': walk(
    'application_stats',
    `select w.id as key, jsonb_build_object('appId', w.id, 'appUid', w.uid,
      'messageDestinations', coalesce(t.destinations, 0)) as value
    from walked w cross join lateral (
      select sum(${DESTINATIONS})::int8 as destinations from (
        select h.delivered, h.dead, h.canceled from statistic_hour h
        where h.app_id = w.id and h.org_id = $1 and h.hour >= $6 and h.hour < $7
        union all
        select s.delivered, s.dead, s.canceled
        from mark, endpoint e cross join lateral (
          select ${attemptCounts} from attempt a
          where a.endpoint_id = e.id and a.id >= (select attempt_id from mark) and a.org_id = $1
            and a.created_at >= $6 and a.created_at < $7 offset 0) s
        where e.app_id = w.id and e.org_id = $1 and $7 > mark.upto
        union all
        (select s.delivered, s.dead, s.canceled from (
          select ${closedCounts} from closed d
          where d.app_id = w.id and d.org_id = $1
            and d.closed_at >= greatest($6, (select upto from mark)) and d.closed_at < $7) s)
      ) c) t`,
  ),
  'event-type.aggregate': walk(
    'event_type_aggregate',
    `select w.id as key, jsonb_build_object('appId', w.id,
      'explicitlySubscribedEventTypes', coalesce(t.names, '[]'), 'hasCatchAllEndpoint', t.all_of_them) as value
    from walked w cross join lateral (
      select jsonb_agg(distinct n.name) filter (where n.name is not null) as names,
        coalesce(bool_or(e.event_types is null), false) as all_of_them
      from endpoint e left join lateral unnest(e.event_types) as n (name) on true
      where e.app_id = w.id and e.org_id = $1 and e.deleted_at is null) t`,
  ),
} as const;

type WalkTask = TaskRecord & { readonly kind: keyof typeof taskWalks };
export const isWalk = (task: TaskRecord): task is WalkTask => task.kind in taskWalks;

type Row = { readonly walked: number; readonly cursor: string | null };

/** Works off one chunk of such a task. */
export const workWalk = async (
  { run }: TenantTransaction,
  task: WalkTask,
  chunk: number,
): Promise<{ progress: TaskProgress; finished: boolean; endpointIds: [] }> => {
  const { input, progress } = task;
  const [row] = await run<Row>(taskWalks[task.kind], [
    task.orgId,
    progress.cursor ?? LOWEST,
    chunk,
    task.id,
    input.applicationIds === undefined ? null : arrayLiteral(input.applicationIds),
    timeParam(input.sinceMs),
    timeParam(input.untilMs ?? input.sinceMs),
  ]);
  const { walked, cursor } = row!;
  return {
    progress: { ...progress, cursor: cursor ?? progress.cursor, started: progress.started + walked },
    finished: walked < chunk,
    endpointIds: [],
  };
};
