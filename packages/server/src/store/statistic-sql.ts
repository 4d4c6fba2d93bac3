/**
 * How attempts and ends of deliveries become counts. The mark parts them in two: what lies below it
 * is in the rolled-up tables, what lies above is counted where it is; every row is on one side.
 */

/** Where the mark is, for `with`. Attempts are parted by id, closed deliveries by when they closed. */
export const markCte = `mark as materialized (
  select upto, 'atmpt_' || id_floor(upto) as attempt_id from statistic_mark)`;

const bin = (step: string, at: string): string => `date_bin('${step}', ${at}, timestamptz '1970-01-01')`;

export const hourOf = (at: string): string => bin('1 hour', at);
export const fiveMinutesOf = (at: string): string => bin('5 minutes', at);

/** Counts of attempts, of alias `a`. */
export const attemptCounts = `count(*) filter (where a.status = 0) as ok,
  count(*) filter (where a.status <> 0) as failed,
  count(*) filter (where a.final = 'succeeded') as delivered, 0 as dead, 0 as canceled`;
/** Counts of closed deliveries, of alias `d`. */
export const closedCounts = `0 as ok, 0 as failed, 0 as delivered,
  count(*) filter (where d.state = 'dead') as dead, count(*) filter (where d.state = 'canceled') as canceled`;

/**
 * Adds rows of `source` (endpoint_id, app_id, org_id, event_type, at and the counts) to both
 * tables, as two entries of a `with`. In one order, so that two writers cannot deadlock.
 */
export const addCounts = (source: string): string => `hours as (
  insert into statistic_hour as s (endpoint_id, hour, event_type, app_id, org_id, ok, failed, delivered, dead, canceled)
  select endpoint_id, ${hourOf('at')}, event_type, app_id, org_id,
    sum(ok), sum(failed), sum(delivered), sum(dead), sum(canceled)
  from ${source} group by 1, 2, 3, 4, 5 order by 1, 2, 3
  on conflict (endpoint_id, hour, event_type) do update set ok = s.ok + excluded.ok,
    failed = s.failed + excluded.failed, delivered = s.delivered + excluded.delivered,
    dead = s.dead + excluded.dead, canceled = s.canceled + excluded.canceled
), minutes as (
  insert into statistic_minutes as s (app_id, at, event_type, org_id, ok, failed, canceled)
  select app_id, ${fiveMinutesOf('at')}, event_type, org_id, sum(ok), sum(failed), sum(canceled)
  from ${source} group by 1, 2, 3, 4 order by 1, 2, 3
  on conflict (app_id, at, event_type) do update set ok = s.ok + excluded.ok,
    failed = s.failed + excluded.failed, canceled = s.canceled + excluded.canceled
)`;
