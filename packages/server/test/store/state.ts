import type pg from 'pg';
import type { World } from './mvcc.ts';
import { Transaction } from './mvcc.ts';
import type {
  ApplicationRow,
  AttemptRow,
  ClosedRow,
  DrainingRow,
  EndpointRow,
  ExpansionRow,
  LaneRow,
  LiveRow,
  MessageRow,
  PartitionRow,
  ShareRow,
} from './rows.ts';

/** All that can be observed, one line per row, with times told apart only as far as they matter. */
export type State = Readonly<Record<string, readonly string[]>>;

const HALF_DAY_MS = 43_200_000;

/** Times of this run are `now`; those that a test names lie days ahead and are exact. */
export const timeClass = (ms: number | null, startMs: number): string => {
  if (ms === null || ms === Infinity) return 'never';
  if (ms === -Infinity) return 'none';
  return ms < startMs + HALF_DAY_MS ? 'now' : `+${Math.round(ms - startMs)}`;
};

const line = (...values: unknown[]): string => values.map((value) => JSON.stringify(value ?? null)).join(' ');

type Rows = {
  partition: { id: number; epoch: number; node: string | null }[];
  draining: DrainingRow[];
  application: ApplicationRow[];
  endpoint: { id: string; disabled: boolean }[];
  message: {
    id: string;
    eventId: string | null;
    key: string | null;
    gone: boolean;
    orderingKey: string | null;
  }[];
  live: Omit<LiveRow, 'applicationId' | 'orgId' | 'heldAtMs'>[];
  lane: LaneRow[];
  attempt: Omit<AttemptRow, 'id'>[];
  closed: ClosedRow[];
  expansion: ExpansionRow[];
  share: { id: string; node: string; share: number; weight: number; hungry: boolean }[];
};

const stateOf = (rows: Rows, startMs: number): State => {
  const time = (ms: number | null): string => timeClass(ms, startMs);
  // Numbers of a sequence say only which comes first.
  const places = [...rows.live, ...rows.expansion, ...rows.closed].flatMap(({ seq }) => seq ?? []);
  const ranks = [...new Set(places)].sort((a, b) => a - b);
  const rank = (seq: number | null): number | null => (seq === null ? null : ranks.indexOf(seq));
  const tables: Record<string, string[]> = {
    partition: rows.partition.map((r) => line(r.id, r.epoch, r.node)),
    draining: rows.draining.map((r) => line(r.partition, r.epoch, r.node)),
    application: rows.application.map((r) => line(r.id, r.configVersion)),
    endpoint: rows.endpoint.map((r) => line(r.id, r.disabled)),
    message: rows.message.map((r) => line(r.id, r.eventId, r.key, r.gone, r.orderingKey)),
    live: rows.live.map((r) =>
      line(
        r.messageId,
        r.endpointId,
        r.partition,
        r.state,
        r.priority,
        r.state === 'waiting' ? time(r.dueMs) : 'held',
        r.epoch,
        r.node,
        r.run,
        r.attempts,
        r.throttled,
        r.unknowns,
        r.bytes,
        r.policy,
        time(r.expiresMs),
        r.orderKey,
        rank(r.seq),
      ),
    ),
    lane: rows.lane.map((r) =>
      line(r.endpointId, time(r.nextDueMs), r.version, r.block?.reason, time(r.failingSinceMs)),
    ),
    attempt: rows.attempt.map((r) =>
      line(r.messageId, r.endpointId, r.run, r.status, r.final, r.manual, r.cause, time(r.nextMs)),
    ),
    expansion: rows.expansion.map((r) =>
      line(
        r.messageId,
        r.partition,
        r.priority,
        r.bytes,
        r.endpointIds,
        r.unfolded,
        r.orderingKey,
        rank(r.seq),
      ),
    ),
    closed: rows.closed.map((r) =>
      line(r.messageId, r.endpointId, r.run, r.state, r.reason, r.letter, r.orderKey, rank(r.seq), r.blocks),
    ),
    share: rows.share.map((r) => line(r.id, r.node, r.share, r.weight, r.hungry)),
  };
  for (const table of Object.values(tables)) table.sort();
  return tables;
};

export const modelState = (world: World, startMs: number): State => {
  const tx = new Transaction(world);
  const all = <T extends object>(table: string): T[] => tx.scan<T>(table).map(([, row]) => row);
  return stateOf(
    {
      partition: all<PartitionRow>('partition'),
      draining: all<DrainingRow>('draining'),
      application: all<ApplicationRow>('application'),
      endpoint: all<EndpointRow>('endpoint'),
      message: all<MessageRow>('message').map((row) => ({
        id: row.id,
        eventId: row.eventId,
        key: row.idempotency?.key ?? null,
        gone: row.payloadGone,
        orderingKey: row.orderingKey,
      })),
      live: all<LiveRow>('live'),
      lane: all<LaneRow>('lane'),
      attempt: all<AttemptRow>('attempt'),
      closed: all<ClosedRow>('closed'),
      expansion: all<ExpansionRow>('expansion'),
      share: all<ShareRow>('share').flatMap(({ applicationId, claims }) =>
        [...claims.values()].map(({ node, share, weight, isHungry }) => ({
          id: applicationId,
          node,
          share,
          weight,
          hungry: isHungry,
        })),
      ),
    },
    startMs,
  );
};

const tables: Record<keyof Rows, string> = {
  partition: 'select id, epoch, node from partition',
  draining: 'select partition, epoch, node from draining',
  application: 'select id, config_version as "configVersion" from application',
  endpoint: 'select id, disabled from endpoint',
  message: `select id, event_id as "eventId", idem_key as key, payload is null as gone,
    ordering_key as "orderingKey" from message`,
  live: `select msg_id as "messageId", endpoint_id as "endpointId", partition, state, due_at as "dueMs",
    case when order_key is null then priority else priority - 3 end as priority,
    epoch, node, run, attempts, throttled, unknowns, bytes, policy, expires_at as "expiresMs",
    order_key as "orderKey", seq from live`,
  lane: `select endpoint_id as "endpointId", next_due as "nextDueMs", version, failing_since as "failingSinceMs",
    case when blocked_reason is not null then json_build_object('reason', blocked_reason) end as block from lane`,
  attempt: `select msg_id as "messageId", endpoint_id as "endpointId", run, status, final, trigger = 1 as manual,
    cause, next_at as "nextMs" from attempt`,
  expansion: `select msg_id as "messageId", partition, priority, bytes, endpoint_ids as "endpointIds", unfolded,
    ordering_key as "orderingKey", seq from expansion`,
  closed: `select msg_id as "messageId", endpoint_id as "endpointId", run, state, reason, letter,
    order_key as "orderKey", seq, blocks from closed`,
  share: `select app_id as id, c.key as node, (c.value->>'share')::int4 as share, (c.value->>'weight')::int4 as weight,
    (c.value->>'hungry')::bool as hungry from application_share, jsonb_each(claims) c`,
};

export const postgresState = async (client: pg.Client, startMs: number): Promise<State> => {
  const results = (await client.query(Object.values(tables).join(';'))) as unknown as pg.QueryResult[];
  const rows = Object.fromEntries(Object.keys(tables).map((table, index) => [table, results[index]!.rows]));
  return stateOf(rows as unknown as Rows, startMs);
};
