import type { EndpointStore } from '../api/port.ts';
import { IN_LINE } from './line.ts';
import { tenantStatement } from './tenant-statement.ts';
import type { TenantDatabase } from './tenant-statement.ts';

/** Work is late from then on, and so long is looked back at how much was sent. */
const LATE_SECONDS = 1;
const LOOK_BACK_SECONDS = 5;
/** Of the rate: what counts as having used it up. */
const USED_UP = 0.8;

const oldest = (classes: string): string => `(select w.due_at from live w
    where w.endpoint_id = e.id and w.org_id = e.org_id and w.state = 'waiting' and w.priority ${classes}
    order by w.priority, w.due_at limit 1)`;
/** Of what has an order, some that is due is enough. */
const dues = [...[0, 1, 2].map((priority) => oldest(`= ${priority}`)), oldest(`>= ${IN_LINE}`)];

/** Exported for its plan. */
export const throttled = tenantStatement(
  3,
  'endpoint_throttled',
  `select (extract(epoch from d.due_at) * 1000)::float8 as since
    from endpoint e cross join lateral (select least(${dues.join(', ')}) as due_at) d
    where e.id = $1 and e.app_id = $2 and e.org_id = $3 and e.rate_limit is not null
      and d.due_at < clock_timestamp() - interval '${LATE_SECONDS} second'
      and exists (select from (
        select from attempt a
        where a.endpoint_id = $1 and a.org_id = $3
          and a.id > 'atmpt_' || id_floor(now() - interval '${LOOK_BACK_SECONDS} seconds')
        order by a.id offset greatest(ceil(e.rate_limit * ${LOOK_BACK_SECONDS * USED_UP})::integer - 1, 0) limit 1) used)`,
);

/**
 * See EndpointStore.throttledSinceMs: work is late, and the rate was used up in the last seconds. Late work
 * alone can also be a slow receiver's.
 */
export const createThrottledSince =
  (database: TenantDatabase): EndpointStore['throttledSinceMs'] =>
  async ({ orgId, applicationId, endpointId }) => {
    const [row] = await database.rows<{ since: number }>(throttled, [endpointId, applicationId, orgId]);
    return row?.since ?? null;
  };
