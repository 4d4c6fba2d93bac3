import type { PoisonPolicy, Priority } from '../../src/domain/delivery.ts';
import type { AcceptedMessage, IdempotencyKey } from '../../src/domain/message.ts';
import type { EndpointConfig, Pause } from '../../src/domain/configuration.ts';
import type { RetryPolicy } from '../../src/domain/policy.ts';
import type { LaneBlock, NodeRole } from '../../src/dispatch/port.ts';
import type { Claim } from '../../src/dispatch/share.ts';

// The model's tables.
export type PartitionRow = { id: number; epoch: number; node: string | null; untilMs: number };
export type NodeRow = {
  node: string;
  name: string;
  role: NodeRole;
  isTaking: boolean;
  joinedMs: number;
  untilMs: number;
};
export type DrainingRow = { partition: number; epoch: number; node: string; deadlineMs: number };
export type ApplicationRow = { id: string; orgId: string; configVersion: number };
export type EndpointRow = {
  id: string;
  applicationId: string;
  partition: number;
  url: string;
  disabled: boolean;
  paused: Pause | null;
  rateLimit?: EndpointConfig['rateLimit'];
  applicationRateLimit?: number;
  eventTypes?: EndpointConfig['eventTypes'];
  fifo?: boolean;
  poisonPolicy?: PoisonPolicy;
};
export type ShareRow = {
  applicationId: string;
  claims: ReadonlyMap<string, Claim & { readonly untilMs: number }>;
};
export type NoticeRow = { id: number; node: string; endpointId: string };
export type MessageRow = AcceptedMessage & { idempotency: IdempotencyKey | null; payloadGone: boolean };
export type LiveRow = {
  messageId: string;
  endpointId: string;
  applicationId: string;
  orgId: string;
  partition: number;
  state: 'waiting' | 'held';
  priority: Priority;
  dueMs: number;
  expiresMs: number | null;
  epoch: number | null;
  node: string | null;
  heldAtMs: number | null;
  run: number;
  attempts: number;
  throttled: number;
  unknowns: number;
  bytes: number;
  policy: RetryPolicy | null;
  orderKey: string | null;
  seq: number | null;
};
export type ExpansionRow = {
  messageId: string;
  applicationId: string;
  orgId: string;
  partition: number;
  priority: Priority;
  bytes: number;
  endpointIds: readonly string[];
  unfolded: number;
  turnMs: number;
  orderingKey: string | null;
  seq: number | null;
};
export type LaneRow = {
  endpointId: string;
  partition: number;
  nextDueMs: number;
  version: number;
  block: LaneBlock | null;
  failingSinceMs: number | null;
  goneSinceMs: number | null;
};
export type AttemptRow = {
  id: string;
  messageId: string;
  endpointId: string;
  run: number;
  status: number;
  final: 'succeeded' | 'dead' | null;
  manual: boolean;
  cause: string | null;
  nextMs: number | null;
};
export type ClosedRow = {
  messageId: string;
  endpointId: string;
  run: number;
  state: 'dead' | 'canceled';
  reason: string;
  letter: 'open' | 'replayed' | 'discarded' | null;
  orderKey: string | null;
  seq: number | null;
  blocks: boolean;
};
