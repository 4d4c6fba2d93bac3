import type { EndpointFields, EndpointRecord } from '../api/records.ts';
import type { PoisonPolicy } from '../domain/delivery.ts';
import type { SqlParam } from './postgres.ts';
import { arrayLiteral } from './binary-array.ts';
import { retryPolicyOf, storedRetryPolicy } from './retry-policy.ts';

/** An endpoint as the API shows it, without keys and headers; `e` is the endpoint's alias. */
export const endpointRecordColumns = `e.id, e.org_id, e.app_id, e.uid, e.url, e.description, e.rate_limit,
  e.version, e.disabled, e.disabled_reason, e.event_types, e.channels, e.metadata, e.owner_email,
  e.retry_policy, e.fifo, e.poison_policy, e.created_at, e.updated_at, e.paused_at, e.paused_until, e.paused_reason,
  (select jsonb_build_object('reason', l.blocked_reason,
      'untilMs', extract(epoch from l.blocked_until)::float8 * 1000,
      'failingSinceMs', extract(epoch from l.failing_since)::float8 * 1000)
    from lane l where l.endpoint_id = e.id and l.org_id = e.org_id) as lane,
  case when e.fifo then (select d.closed_at from closed d where d.endpoint_id = e.id and d.org_id = e.org_id
    and d.order_key = '' and d.blocks and d.letter = 'open' limit 1) end as stopped_since`;

export type EndpointRecordRow = {
  readonly id: string;
  readonly org_id: string;
  readonly app_id: string;
  readonly uid: string | null;
  readonly url: string;
  readonly description: string;
  readonly rate_limit: number | null;
  readonly version: number;
  readonly disabled: boolean;
  readonly disabled_reason: string | null;
  readonly event_types: string[] | null;
  readonly channels: string[] | null;
  readonly metadata: Record<string, string>;
  readonly owner_email: string | null;
  readonly retry_policy: unknown;
  readonly fifo: boolean;
  readonly poison_policy: PoisonPolicy;
  readonly created_at: number;
  readonly updated_at: number;
  readonly paused_at: number | null;
  readonly paused_until: number | null;
  readonly paused_reason: string | null;
  readonly stopped_since: number | null;
  /** null in the answer of its creation: the lane comes right after. */
  readonly lane: {
    readonly reason: string | null;
    readonly untilMs: number | null;
    readonly failingSinceMs: number | null;
  } | null;
};

const blockOf = ({ lane }: EndpointRecordRow): EndpointRecord['block'] =>
  lane === null || lane.reason === null || lane.untilMs === null
    ? null
    : { reason: lane.reason, untilMs: lane.untilMs };

const pauseOf = (row: EndpointRecordRow): EndpointRecord['pause'] =>
  row.paused_at === null
    ? null
    : { sinceMs: row.paused_at, untilMs: row.paused_until, reason: row.paused_reason };

export const endpointRecordOf = (row: EndpointRecordRow): EndpointRecord => ({
  id: row.id,
  orgId: row.org_id,
  applicationId: row.app_id,
  uid: row.uid,
  url: row.url,
  description: row.description,
  rateLimit: row.rate_limit,
  version: row.version,
  disabled: row.disabled,
  disabledReason: row.disabled_reason,
  eventTypes: row.event_types,
  channels: row.channels,
  metadata: row.metadata,
  ownerEmail: row.owner_email,
  retryPolicy: retryPolicyOf(row.retry_policy),
  fifo: row.fifo,
  poisonPolicy: row.poison_policy,
  createdAtMs: row.created_at,
  updatedAtMs: row.updated_at,
  pause: pauseOf(row),
  block: blockOf(row),
  failingSinceMs: row.lane?.failingSinceMs ?? null,
  stoppedSinceMs: row.stopped_since,
});

/** Columns that a caller may set, in the order of {@link endpointFieldParams}. */
export const endpointFieldColumns =
  'uid, url, description, rate_limit, version, disabled, event_types, channels, metadata, owner_email, retry_policy, fifo, poison_policy';

export const endpointFieldParams = (fields: EndpointFields): SqlParam[] => [
  fields.uid,
  fields.url,
  fields.description,
  fields.rateLimit,
  fields.version,
  fields.disabled,
  arrayLiteral(fields.eventTypes),
  arrayLiteral(fields.channels),
  JSON.stringify(fields.metadata),
  fields.ownerEmail,
  storedRetryPolicy(fields.retryPolicy),
  fields.fifo,
  fields.poisonPolicy,
];
