import type { AttemptBucket, StatisticStore } from '../api/statistic-port.ts';
import { textArray } from './binary-array.ts';
import { tenantStatement } from './tenant-statement.ts';
import type { TenantDatabase } from './tenant-statement.ts';
import { attemptCounts, closedCounts, fiveMinutesOf, hourOf, markCte } from './statistic-sql.ts';
import { timeParam } from './written.ts';

/** What is above the mark, of all endpoints of alias `p`'s application; from $2 until $3. */
const tail = (at: (column: string) => string): string => `
  select a.event_type, ${at('a.created_at')} as at, ${attemptCounts}
  from mark, endpoint e cross join lateral (
    select t.* from attempt t
    where t.endpoint_id = e.id and t.id >= (select attempt_id from mark) and t.org_id = e.org_id offset 0) a
  where e.app_id = p.id and e.org_id = p.org_id and $3 > mark.upto
    and a.created_at >= $2 and a.created_at < $3
  group by 1, 2
  union all
  select d.event_type, ${at('d.closed_at')} as at, ${closedCounts}
  from closed d
  where d.app_id = p.id and d.org_id = p.org_id
    and d.closed_at >= greatest($2, (select upto from mark)) and d.closed_at < $3
  group by 1, 2`;

const attempts = (name: string, rolledUp: string, at: (column: string) => string) =>
  tenantStatement(
    5,
    name,
    `with ${markCte}
  select c.at, c.event_type, sum(c.ok)::int8 as ok,
    sum(c.failed)::int8 as failed, sum(c.canceled)::int8 as canceled
  from (select $1::text as id, $5::text as org_id) p cross join lateral (
    select s.event_type, s.at, s.ok, s.failed, 0 as delivered, 0 as dead, s.canceled
    from (${rolledUp}) s
    union all ${tail(at)}) c
  where ($4::text[] is null or c.event_type = any ($4::text[]))
  group by 1, 2 order by 1, 2`,
  );

export const statisticReads = {
  byHour: attempts(
    'statistic_attempts_hour',
    `select h.*, h.hour as at from statistic_hour h
      where h.app_id = p.id and h.org_id = p.org_id and h.hour >= $2::timestamptz and h.hour < $3::timestamptz`,
    hourOf,
  ),
  byFiveMinutes: attempts(
    'statistic_attempts_minutes',
    `select m.* from statistic_minutes m
      where m.app_id = p.id and m.org_id = p.org_id and m.at >= $2::timestamptz and m.at < $3::timestamptz`,
    fiveMinutesOf,
  ),
  endpointCount: tenantStatement(
    1,
    'statistic_endpoint_count',
    `select count(*) filter (where not e.disabled) as active, count(*) filter (where e.disabled) as disabled
      from endpoint e where e.org_id = $1 and e.deleted_at is null
        and not ($2::boolean and e.url like 'https://play.svix.com/%')`,
  ),
  activeApplications: tenantStatement(
    1,
    'statistic_active_applications',
    `select count(distinct e.app_id) as active from endpoint e
      where e.org_id = $1 and e.deleted_at is null and not ($3::boolean and e.disabled)
        and not ($2::boolean and e.url like 'https://play.svix.com/%')`,
  ),
} as const;

type Row = { at: number; event_type: string; ok: number; failed: number; canceled: number };

const bucketOf = (row: Row): AttemptBucket => ({
  atMs: row.at,
  eventType: row.event_type,
  ok: row.ok,
  failed: row.failed,
  canceled: row.canceled,
});

/** Counts of attempts and endpoints. */
export const createStatisticStore = (database: TenantDatabase): StatisticStore => ({
  attempts: async ({ orgId, applicationId }, { sinceMs, untilMs, step, eventTypes }) => {
    const rows = await database.rows<Row>(
      step === 'hour' ? statisticReads.byHour : statisticReads.byFiveMinutes,
      [
        applicationId,
        timeParam(sinceMs),
        timeParam(untilMs),
        eventTypes === null ? null : textArray(eventTypes),
        orgId,
      ],
    );
    return rows.map(bucketOf);
  },

  endpoints: async (orgId, withoutPlay) => {
    const [row] = await database.rows<{ active: number; disabled: number }>(statisticReads.endpointCount, [
      orgId,
      withoutPlay,
    ]);
    return row!;
  },

  activeApplications: async (orgId, { withoutPlay, withoutDisabled }) => {
    const params = [orgId, withoutPlay, withoutDisabled];
    const [row] = await database.rows<{ active: number }>(statisticReads.activeApplications, params);
    return row!.active;
  },
});
