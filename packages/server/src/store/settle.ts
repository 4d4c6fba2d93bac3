import type { SettleReply, Settlement } from '../dispatch/port.ts';
import type { Verdict } from '../domain/attempt.ts';
import { messageEventOf } from '../domain/operational.ts';
import { attemptCasts, attemptFields, attemptFrom, attemptInto, attemptParams } from './attempt-columns.ts';
import { int2Array, int8Array, textArray, timestamptzArray } from './binary-array.ts';
import { runWithLeaves } from './leaves.ts';
import { hadFailed, noteAttempts } from './operational-events.ts';
import { probeLive } from './plan.ts';
import type { Database, Statement } from './postgres.ts';
import { storedRetryPolicy } from './retry-policy.ts';

const fields = `msg_id, endpoint_id, epoch, verdict, next_at, reason, attempts, throttled, unknowns, policy`;

/**
 * The fence is in both writers of `live`: the row must still carry this token. What passed comes
 * out of RETURNING with all that its attempt needs, so nothing is joined again. Nobody waits for
 * another row while holding a held one (the sweeps skip locked rows), so the order of the two
 * writers does not matter. $25 and $26 are the lanes of the retries, each with its earliest time, and
 * those in whose order something ended, for the next of it is due (whoever owns them by now);
 * they are lowered also where the fence failed: a hint that is too low costs one empty look.
 */
export const settleStatements = {
  settle: {
    name: 'settle',
    text: `
with s as materialized (
  select t.*, l.row_at, 1 as one
  from unnest($2::text[], $3::text[], $4::int8[], $5::int2[], $6::timestamptz[], $7::text[], $8::int2[],
      $9::int2[], $10::int2[], $11::text[], ${attemptCasts(12)}/*, $27::text[]*/)
    with ordinality as t(${fields}, ${attemptFields}/*, event*/, position)
  cross join lateral ${probeLive('t')} l
), ended as (
  delete from live l using s
  where s.one = 1 and s.verdict < 2 and l.ctid = s.row_at and l.node = $1::uuid and l.epoch = s.epoch
  returning l.org_id, l.app_id, l.run, l.order_key, l.seq, s.*
), again as (
  update live l
  set state = 'waiting', node = null, epoch = null, held_at = null, due_at = s.next_at,
    attempts = s.attempts, throttled = s.throttled, unknowns = s.unknowns, policy = s.policy::jsonb
  from s
  where s.one = 1 and s.verdict = 2 and l.ctid = s.row_at and l.node = $1::uuid and l.epoch = s.epoch
  returning l.org_id, l.app_id, l.run, l.order_key, l.seq, s.*
), tried as (
  insert into attempt (org_id, app_id, msg_id, endpoint_id, run, next_at, final, ${attemptInto})
  select s.org_id, s.app_id, s.msg_id, s.endpoint_id, s.run, s.next_at,
    case s.verdict when 0 then 'succeeded' when 1 then 'dead' end, ${attemptFrom}
  from (select * from ended union all select * from again) s
), letters as (
  insert into closed (msg_id, endpoint_id, run, app_id, org_id, event_type, state, reason, letter, closed_at, changed_at,
    order_key, seq, blocks)
  select msg_id, endpoint_id, run, app_id, org_id, event_type, 'dead', reason, 'open',
    statement_timestamp(), statement_timestamp(), order_key, seq, seq is not null and coalesce(
      (select poison_policy = 'block' from endpoint where id = ended.endpoint_id), false)
  from ended where verdict = 1
  on conflict do nothing
), lowered as (
  update lane
  set next_due = least(next_due, ($26::timestamptz[])[array_position($25::text[], endpoint_id)]), version = version + 1
  where endpoint_id = any($25::text[])
)/*, noted as (
  ${noteAttempts('(select * from ended union all select * from again) p', `p.verdict <> 0 or ${hadFailed}`)}
)*/
select array_agg(position::int4) as passed
from (select position from ended union all select position from again) p`,
  },
} as const satisfies Record<string, Statement>;

/** The statement with what is in comments: for a batch in which something is worth an operational event. */
export const withEvents = ({ name, text }: Statement): Statement => ({
  name: `${name}_events`,
  text: text.replaceAll(/\/\*|\*\//g, ''),
});

/** The lanes in which something is due by a batch, by endpoint, each with the earliest time. */
const dueLanes = (batch: readonly Settlement[]): [endpointId: string, dueMs: number][] => {
  const lanes = new Map<string, number>();
  for (const { verdict, delivery, attempt } of batch) {
    if (verdict.kind !== 'retry' && delivery.orderKey === null) continue;
    const dueMs = verdict.kind === 'retry' ? verdict.atMs : attempt.report.startedAtMs;
    const known = lanes.get(delivery.endpointId);
    if (known === undefined || dueMs < known) lanes.set(delivery.endpointId, dueMs);
  }
  return [...lanes];
};

const verdictCode = (verdict: Verdict): number =>
  verdict.kind === 'succeeded' ? 0 : verdict.kind === 'dead' ? 1 : 2;

const DEADLOCK = '40P01';
const TRIES = 3;

/** See DispatchStore.settle. */
export const createSettle = (database: Database, sql: { readonly settle: Statement }) => {
  const eventful = withEvents(sql.settle);
  return async (node: string, batch: readonly Settlement[]): Promise<SettleReply> => {
    if (batch.length === 0) return { kind: 'done', outcomes: [] };
    const events = batch.map(({ delivery: { orgId, run }, verdict, attemptsUsed }) =>
      messageEventOf({ orgId, run, verdict, attemptsUsed }),
    );
    const isEventful = events.some((event) => event !== null);
    const statement = isEventful ? eventful : sql.settle;
    const lanes = dueLanes(batch);
    const params = [
      node,
      textArray(batch.map((item) => item.delivery.messageId)),
      textArray(batch.map((item) => item.delivery.endpointId)),
      int8Array(batch.map((item) => item.delivery.epoch)),
      int2Array(batch.map((item) => verdictCode(item.verdict))),
      timestamptzArray(batch.map(({ verdict }) => (verdict.kind === 'retry' ? verdict.atMs : null))),
      textArray(batch.map(({ verdict }) => (verdict.kind === 'dead' ? verdict.reason : null))),
      int2Array(batch.map((item) => item.attemptsUsed)),
      int2Array(batch.map((item) => item.throttled)),
      int2Array(batch.map((item) => item.unknowns)),
      textArray(batch.map((item) => (item.verdict.kind === 'retry' ? storedRetryPolicy(item.policy) : null))),
      ...attemptParams(
        batch.map(({ attempt, delivery: { eventType, channels, tags } }) => ({
          attempt,
          eventType,
          channels,
          tags,
        })),
      ),
      textArray(lanes.map(([endpointId]) => endpointId)),
      timestamptzArray(lanes.map(([, dueMs]) => dueMs)),
      ...(isEventful ? [textArray(events)] : []),
    ];
    for (let tries = 1; ; tries++) {
      const result = await runWithLeaves<{ passed: number[] | null }>(
        database,
        () => batch.map((item) => item.attempt.id),
        () => database.run(statement, params),
      );
      if (result.kind === 'done') {
        const passed = new Set(result.rows[0]?.passed ?? []);
        return {
          kind: 'done',
          outcomes: batch.map((_, index) => (passed.has(index + 1) ? 'settled' : 'lost')),
        };
      }
      if (result.code === DEADLOCK && tries < TRIES) continue;
      return { kind: result.kind === 'rejected' ? 'rejected' : 'unavailable', detail: result.detail };
    }
  };
};
