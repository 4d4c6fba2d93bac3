import type { ManualSettlement } from '../dispatch/port.ts';
import { FAILING_AFTER } from '../domain/operational.ts';
import { attemptCasts, attemptFields, attemptFrom, attemptInto, attemptParams } from './attempt-columns.ts';
import { exceptionOf } from './failure.ts';
import { runWithLeaves } from './leaves.ts';
import { noteAttempts } from './operational-events.ts';
import { lowerLanesToNow } from './plan.ts';
import type { Database, Statement } from './postgres.ts';
import { addCounts, attemptCounts } from './statistic-sql.ts';

/**
 * An attempt by hand may be written long after its id was drawn: it waits for its turn, and nothing in
 * the database tells of it meanwhile. Below the mark of the statistics it therefore counts itself; the
 * lock on the mark keeps that from moving in between.
 */
export const settleManualStatements = {
  settleManual: {
    name: 'settle_manual',
    text: `
with s as materialized (
  select * from unnest(${attemptCasts(6)}) as t(${attemptFields})
), ended as (
  delete from live where $5 and msg_id = $3 and endpoint_id = $4 returning run, attempts, order_key
), replayed as (
  update closed set letter = 'replayed', changed_at = statement_timestamp()
  where $5 and endpoint_id = $4 and msg_id = $3 and letter <> 'replayed' returning run, blocks
), runs as (
  select coalesce(
    (select max(run) from (select run from ended union all select run from replayed
      union all select run from live where msg_id = $3 and endpoint_id = $4
      union all select run from closed where msg_id = $3 and endpoint_id = $4) r), 0)::int2 as run,
    exists (select from ended) or exists (select from replayed) as ends,
    exists (select from ended where attempts >= ${FAILING_AFTER}) or exists (select from replayed) as recovers
), lowered as (
  ${lowerLanesToNow(`select $4 where exists (select from ended where order_key is not null)
    or exists (select from replayed where blocks)`)}
), noted as (
  ${noteAttempts(
    `(select s.*, $1 as org_id, $2 as app_id, $3 as msg_id, $4 as endpoint_id,
      case when runs.recovers then 'message.attempt.recovered' end as event from s, runs) p`,
    'true',
  )}
), tried as (
  insert into attempt (org_id, app_id, msg_id, endpoint_id, run, final, ${attemptInto})
  select $1, $2, $3, $4, runs.run, case when runs.ends then 'succeeded' end, ${attemptFrom}
  from s, runs
  on conflict do nothing
  returning *
), mark as materialized (
  select upto from statistic_mark for share
), late as materialized (
  select a.endpoint_id, a.app_id, a.org_id, a.event_type, a.created_at as at, ${attemptCounts}
  from tried a where a.id < (select 'atmpt_' || id_floor(upto) from mark)
  group by 1, 2, 3, 4, 5
), ${addCounts('late')}
select from tried`,
  },
} as const satisfies Record<string, Statement>;

/** See DispatchStore.settleManual. Safe to repeat: the attempt's id is written once. */
export const createSettleManual =
  (database: Database, sql: { readonly settleManual: Statement }) =>
  async (settlement: ManualSettlement): Promise<void> => {
    const { orgId, applicationId, messageId, endpointId, succeeded } = settlement;
    const params = [orgId, applicationId, messageId, endpointId, succeeded, ...attemptParams([settlement])];
    const result = await runWithLeaves(
      database,
      () => [settlement.attempt.id],
      () => database.run(sql.settleManual, params),
    );
    if (result.kind !== 'done') throw exceptionOf(result);
  };
