import { idFloor } from '../domain/ids.ts';
import { partitionOf } from '../domain/partition.ts';
import type { AttemptStore } from '../api/port.ts';
import { tenantStatement } from './tenant-statement.ts';
import type { TenantDatabase } from './tenant-statement.ts';
import { markCte } from './statistic-sql.ts';
import { timeParam } from './written.ts';

const HOUR_MS = 3_600_000;
/** How long before its attempt an id may have been drawn: one by hand waits for its turn. */
const WAITED_MS = HOUR_MS;

const delivered = (since: string, until: string, from: string): string => `
  select count(*) as delivered from attempt a
  where a.endpoint_id = $1 and a.org_id = $2 and a.final = 'succeeded' and a.id >= ${from}
    and a.id < 'atmpt_' || id_floor(${until}::timestamptz)
    and a.created_at >= ${since}::timestamptz and a.created_at < ${until}::timestamptz`;

/**
 * $1 endpoint, $2 organisation. Whole hours from $3 until $4 come from the rolled-up counts and what is
 * above their mark; what is left of the range at its ends, $5 until $3 and $4 until $6, from the
 * attempts ($7 and $8: ids that these begin at).
 */
const successes = tenantStatement(
  2,
  'endpoint_stats_success',
  `with ${markCte}
  select sum(delivered)::int8 as success from (
    select s.delivered from statistic_hour s
    where s.endpoint_id = $1 and s.org_id = $2 and s.hour >= $3::timestamptz and s.hour < $4::timestamptz
    union all ${delivered('$3', '$4', '(select attempt_id from mark)')}
    union all ${delivered('$5', '$3', '$7')}
    union all ${delivered('$4', '$6', '$8')}) counted`,
);

// Open ones by their message's id: $7 and $8.
const others = tenantStatement(
  2,
  'endpoint_stats_others',
  `with dead as (
      select d.state, d.letter from closed d where d.app_id = $3 and d.endpoint_id = $1 and d.org_id = $2
        and d.closed_at >= $5::timestamptz and d.closed_at < $6::timestamptz)
    select
    (select count(*) from live l where l.endpoint_id = $1 and l.state = 'waiting'
      and l.msg_id >= $7 and l.msg_id < $8 and l.org_id = $2) as pending,
    (select count(*) from live l where l.partition = $4 and l.state = 'held' and l.endpoint_id = $1
      and l.msg_id >= $7 and l.msg_id < $8 and l.org_id = $2) as sending,
    (select count(*) from dead d where d.state = 'dead' and d.letter <> 'replayed') as fail,
    (select count(*) from dead d where d.state = 'canceled') as canceled`,
);

type Others = Record<'pending' | 'sending' | 'fail' | 'canceled', number>;

/** See AttemptStore.stats. */
export const createEndpointStats =
  (database: TenantDatabase): AttemptStore['stats'] =>
  async ({ endpointId, applicationId, orgId }, sinceMs, untilMs) => {
    const firstHour = Math.min(Math.ceil(sinceMs / HOUR_MS) * HOUR_MS, untilMs);
    const lastHour = Math.max(Math.floor(untilMs / HOUR_MS) * HOUR_MS, firstHour);
    const [[ended], [rest]] = await Promise.all([
      database.rows<{ success: number }>(successes, [
        endpointId,
        orgId,
        ...[firstHour, lastHour, sinceMs, untilMs].map(timeParam),
        idFloor('attempt', sinceMs - WAITED_MS),
        idFloor('attempt', lastHour - WAITED_MS),
      ]),
      database.rows<Others>(others, [
        endpointId,
        orgId,
        applicationId,
        partitionOf(endpointId),
        ...[sinceMs, untilMs].map(timeParam),
        idFloor('message', sinceMs),
        idFloor('message', untilMs),
      ]),
    ]);
    return { ...ended!, ...rest! };
  };
