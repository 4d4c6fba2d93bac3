import { exceptionOf } from './failure.ts';
import type { Database, Statement } from './postgres.ts';
import { addCounts, attemptCounts, closedCounts, fiveMinutesOf } from './statistic-sql.ts';
import { oldestWriterSql } from './oldest-writer.ts';

/**
 * Ids are drawn before their rows are written. The mark stays this far behind the oldest
 * transaction that writes and the oldest delivery held (an attempt's id is younger than the hold).
 */
const BEHIND = `interval '60 seconds'`;
/** A delivery that its lane has held for longer than this is not being attempted: it waits for its turn. */
const LONGEST_HELD = `interval '24 hours'`;
const MINUTES_KEPT = `interval '3 days'`;

const HOUR_MS = 3_600_000;
/** Not worth a transaction. */
const LEAST_MS = 20_000;
/** A slice of this length is tried once more and then the failure is told. */
const SHORTEST_SLICE_MS = 10_000;
const SLOW_MS = 2_000;
const SLICES_A_RUN = 100;
const CANCELED = '57014';

export const rollUpStatements = {
  /** One writer: whoever has the row. What comes next runs in new snapshots. */
  lock: { name: 'statistic_lock', text: 'select upto from statistic_mark for update' },
  settled: {
    name: 'statistic_settled',
    text: `select date_trunc('second', least(
        to_timestamp((${oldestWriterSql}) / 1000.0),
        greatest(
          coalesce((select min(l.held_at) from live l where l.state = 'held'), clock_timestamp()),
          clock_timestamp() - ${LONGEST_HELD})
      ) - ${BEHIND}) as settled`,
  },
  // $1 and $2: from the mark to the next.
  count: {
    name: 'statistic_count',
    text: `with tried as (
  select a.endpoint_id, a.app_id, a.org_id, a.event_type, ${fiveMinutesOf('a.created_at')} as at, ${attemptCounts}
  from endpoint e cross join lateral (
    select t.* from attempt t
    where t.endpoint_id = e.id
      and t.id >= 'atmpt_' || id_floor($1::timestamptz) and t.id < 'atmpt_' || id_floor($2::timestamptz) offset 0
  ) a
  where e.deleted_at is null or e.deleted_at > $1::timestamptz - interval '7 days'
  group by 1, 2, 3, 4, 5
), ended as (
  select d.endpoint_id, d.app_id, d.org_id, d.event_type, ${fiveMinutesOf('d.closed_at')} as at, ${closedCounts}
  from application p cross join lateral (
    select c.* from closed c where c.app_id = p.id and c.closed_at >= $1 and c.closed_at < $2 offset 0
  ) d
  where p.deleted_at is null or p.deleted_at > $1::timestamptz - interval '7 days'
  group by 1, 2, 3, 4, 5
), counted as materialized (select * from tried union all select * from ended), ${addCounts('counted')}
update statistic_mark set upto = $2`,
  },
  forget: {
    name: 'statistic_forget',
    text: `delete from statistic_minutes where at < $1::timestamptz - ${MINUTES_KEPT}`,
  },
} as const satisfies Record<string, Statement>;

type Step = 'more' | 'done';

const iso = (unixMs: number): string => new Date(unixMs).toISOString();

/** Counts one slice, at most `sliceMs` long and never across an hour's end, and moves the mark. */
export const rollUpSlice = async (database: Database, sliceMs: number) =>
  database.transaction(async ({ run }): Promise<Step> => {
    const [mark] = await run<{ upto: number }>(rollUpStatements.lock, []);
    const [now] = await run<{ settled: number }>(rollUpStatements.settled, []);
    const from = mark!.upto;
    const hourEnd = (Math.floor(from / HOUR_MS) + 1) * HOUR_MS;
    const to = Math.min(from + sliceMs, hourEnd, now!.settled);
    if (to - from < LEAST_MS && to !== hourEnd) return 'done';
    if (to <= from) return 'done';
    await run(rollUpStatements.count, [iso(from), iso(to)]);
    if (to === hourEnd) await run(rollUpStatements.forget, [iso(to)]);
    return to === now!.settled ? 'done' : 'more';
  });

/**
 * Writes what has settled since the last call into the hourly counts. Safe on several nodes at once
 * and after a crash anywhere: counts and mark change in one transaction.
 */
export const createRollUp = (database: Database, monotonicMs: () => number) => {
  let sliceMs = HOUR_MS;
  return async (): Promise<void> => {
    for (let slices = 0; slices < SLICES_A_RUN; slices++) {
      const startedMs = monotonicMs();
      const result = await rollUpSlice(database, sliceMs);
      if (result.kind !== 'done') {
        if (result.code !== CANCELED || sliceMs <= SHORTEST_SLICE_MS) throw exceptionOf(result);
        sliceMs = Math.max(SHORTEST_SLICE_MS, sliceMs / 8);
        continue;
      }
      if (result.value === 'done') return;
      const isSlow = monotonicMs() - startedMs > SLOW_MS;
      sliceMs = isSlow ? Math.max(SHORTEST_SLICE_MS, sliceMs / 2) : Math.min(HOUR_MS, sliceMs * 2);
    }
  };
};
