import { eventTypeLimits } from '../domain/event-types.ts';
import type { TooMuch } from '../api/event-type-port.ts';
import { exceptionOf } from './failure.ts';
import { tenantStatement } from './tenant-statement.ts';
import type { TenantDatabase, TenantTransaction } from './tenant-statement.ts';

// Until the end of the transaction: two that write at once are counted together.
const lock = tenantStatement(
  1,
  'event_types_lock',
  `select pg_advisory_xact_lock(hashtext('posthorn event types ' || $1))`,
);

/** Everything of an exported event type but these is shorter than this. */
const REST_BYTES = 350;
const json = (column: string): string => `octet_length(to_json(${column})::text)`;
const used = tenantStatement(
  1,
  'event_types_used',
  `select count(*)::integer as count, coalesce(sum(${REST_BYTES} + 2 * octet_length(t.name)
      + ${json('t.description')} + coalesce(octet_length(t.schemas::text), 0)
      + coalesce(2 * ${json('t.feature_flags')}, 0) + coalesce(${json('t.retry_policy')}, 0)
      + coalesce(octet_length(t.group_name), 0)), 0)::int8 as bytes
    from event_type t where t.org_id = $1`,
);

class LimitReached extends Error {}

/** A transaction that writes event types of an organisation; nothing of it is kept where they would be too many. */
export const withinLimits = async <Result>(
  database: TenantDatabase,
  orgId: string,
  body: (transaction: TenantTransaction) => Promise<Result>,
): Promise<Result | TooMuch> => {
  try {
    const result = await database.transaction(async (transaction) => {
      await transaction.run(lock, [orgId]);
      const value = await body(transaction);
      const [now] = await transaction.run<{ count: number; bytes: number }>(used, [orgId]);
      if (now!.count > eventTypeLimits.count || now!.bytes > eventTypeLimits.bytes) throw new LimitReached();
      return value;
    });
    if (result.kind !== 'done') throw exceptionOf(result);
    return result.value;
  } catch (error) {
    if (error instanceof LimitReached) return { kind: 'too_much' };
    throw error;
  }
};
