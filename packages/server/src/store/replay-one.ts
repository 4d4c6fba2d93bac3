import type { DeadLetterStore } from '../api/letter-port.ts';
import { priorities, type Priority } from '../domain/delivery.ts';
import { letterColumns, letterOf, reviewParams, reviewed } from './letter-row.ts';
import type { LetterRow } from './letter-row.ts';
import { orderKeyOf, placeOfReplay, storedPriority } from './line.ts';
import { tenantStatement } from './tenant-statement.ts';
import type { TenantDatabase, TenantStatement } from './tenant-statement.ts';
import { committed } from './written.ts';

const lockEndpoint = tenantStatement(
  3,
  'replay_endpoint',
  `select e.partition, e.disabled from endpoint e
    where e.id = $1 and e.app_id = $2 and e.org_id = $3 and e.deleted_at is null for share`,
);
const readPayload = tenantStatement(
  2,
  'replay_payload',
  `select octet_length(m.payload) as bytes, coalesce(m.priority, ${priorities.normal}) as priority,
      ${orderKeyOf('e', 'm')} as order_key
    from message m join endpoint e on e.id = $4 and e.org_id = $2
    where m.app_id = $1 and m.org_id = $2 and m.id = $3 and m.payload is not null
      and not coalesce(m.payload_until <= now(), false)`,
);
const open = tenantStatement(
  4,
  'replay_open',
  `insert into live (msg_id, endpoint_id, app_id, org_id, partition, state, due_at, run, bytes, priority,
      order_key, seq)
    select $1, $2, $3, $4, $5, 'waiting', clock_timestamp(), d.run + 1, $7, $8, $9::text,
      ${placeOfReplay('$9::text', 'd.seq')}
    from closed d where d.endpoint_id = $2 and d.msg_id = $1 and d.run = $6 and d.org_id = $4
    on conflict do nothing returning msg_id`,
);
const mark = tenantStatement(
  4,
  'replay_mark',
  `update closed d set letter = 'replayed', changed_at = $5, ${reviewed}
    where d.endpoint_id = $1 and d.msg_id = $2 and d.run = $3 and d.org_id = $4 returning ${letterColumns}`,
);
/** Tells the lane's owner, wherever it is, that work is due. */
export const lowerHint = tenantStatement(
  2,
  'replay_lower_hint',
  `update lane set next_due = least(next_due, clock_timestamp()), version = version + 1
    where endpoint_id = any ($1::text[]) and org_id = $2`,
);

/** See DeadLetterStore.replay. `lockLetter` takes (endpoint, message, application, organisation). */
export const createReplayOne =
  (database: TenantDatabase, lockLetter: TenantStatement): DeadLetterStore['replay'] =>
  async (path, review) =>
    committed(database, async ({ run }) => {
      const { orgId, applicationId, endpointId, messageId } = path;
      const [letter] = await run<LetterRow>(lockLetter, [endpointId, messageId, applicationId, orgId]);
      if (letter === undefined) return 'missing';
      if (letter.letter !== 'open') return 'not_open';
      const [endpoint] = await run<{ partition: number; disabled: boolean }>(lockEndpoint, [
        endpointId,
        applicationId,
        orgId,
      ]);
      if (endpoint === undefined) return 'endpoint_gone';
      if (endpoint.disabled) return 'endpoint_disabled';
      const [payload] = await run<{ bytes: number; priority: Priority; order_key: string | null }>(
        readPayload,
        [applicationId, orgId, messageId, endpointId],
      );
      if (payload === undefined) return 'payload_gone';
      const opened = await run(open, [
        messageId,
        endpointId,
        applicationId,
        orgId,
        endpoint.partition,
        letter.run,
        payload.bytes,
        storedPriority(payload.priority, payload.order_key),
        payload.order_key,
      ]);
      if (opened.length === 0) return 'not_open';
      const [row] = await run<LetterRow>(mark, [
        endpointId,
        messageId,
        letter.run,
        orgId,
        ...reviewParams(review),
      ]);
      await run(lowerHint, [`{${endpointId}}`, orgId]);
      return letterOf(row!);
    });
