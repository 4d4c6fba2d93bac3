import type { BlockedKey, BlockedKeyStore } from '../api/blocked-key-port.ts';
import { lowerHint } from './replay-one.ts';
import { tenantStatement } from './tenant-statement.ts';
import type { TenantDatabase, TenantStatement } from './tenant-statement.ts';
import { committed } from './written.ts';

/** Counted as far as this: who asks wants to know whether much waits. */
export const COUNTED_ROWS = 1000;

const blocking = `d.endpoint_id = $1 and d.app_id = $2 and d.org_id = $3 and d.blocks and d.letter = 'open'`;

/** By key: $4 is the message whose key the page goes on behind, or before; null: from the end. */
const list = (ascending: boolean): TenantStatement =>
  tenantStatement(
    3,
    `blocked_keys_${ascending ? 'up' : 'down'}`,
    `
with place as materialized (
  select coalesce((select order_key from closed
    where endpoint_id = $1 and msg_id = $4 and org_id = $3 and order_key is not null
    order by run desc limit 1), '') as order_key
)
select d.order_key, d.msg_id, d.event_type, d.reason, d.closed_at,
  (select count(*) from (
    select from live l where l.endpoint_id = d.endpoint_id and l.order_key = d.order_key and l.org_id = $3
      and l.seq is not null
    limit ${COUNTED_ROWS + 1}
  ) behind)::int4 as waiting
from closed d
where ${blocking}
  and ($4::text is null or (d.order_key, d.msg_id) ${ascending ? '>' : '<'} ((select order_key from place), $4))
order by d.order_key ${ascending ? 'asc' : 'desc'}, d.msg_id ${ascending ? 'asc' : 'desc'}
limit $5`,
  );
const listUp = list(true);
const listDown = list(false);

/** $4: of this key alone, or null. */
const release = tenantStatement(
  3,
  'blocked_keys_release',
  `update closed d set blocks = false, changed_at = clock_timestamp()
    where ${blocking} and ($4::text is null or d.order_key = $4)
    returning d.order_key`,
);

type Row = {
  readonly order_key: string;
  readonly msg_id: string;
  readonly event_type: string;
  readonly reason: string;
  readonly closed_at: number;
  readonly waiting: number;
};

const keyOf = (row: Row): BlockedKey => ({
  orderKey: row.order_key,
  messageId: row.msg_id,
  eventType: row.event_type,
  reason: row.reason,
  sinceMs: row.closed_at,
  waiting: row.waiting,
});

/** Orders that a dead letter has stopped. */
export const createBlockedKeyStore = (database: TenantDatabase): BlockedKeyStore => ({
  list: async ({ endpointId, applicationId, orgId }, { ascending, from, limit }) => {
    const params = [endpointId, applicationId, orgId, from, limit + 1];
    return (await database.rows<Row>(ascending ? listUp : listDown, params)).map(keyOf);
  },
  release: ({ endpointId, applicationId, orgId }, orderKey) =>
    committed(database, async ({ run }) => {
      const rows = await run<{ order_key: string }>(release, [endpointId, applicationId, orgId, orderKey]);
      if (rows.length > 0) await run(lowerHint, [`{${endpointId}}`, orgId]);
      return new Set(rows.map((row) => row.order_key)).size;
    }),
});
