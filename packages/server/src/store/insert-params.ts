import { priorities as classes } from '../domain/delivery.ts';
import type { MessageInsert } from '../ingest/port.ts';
import {
  arrayLiteral,
  byteaArray,
  int2Array,
  int4Array,
  int8Array,
  textArray,
  timestamptzArray,
} from './binary-array.ts';
import { storedPriority } from './line.ts';
import type { SqlParam } from './postgres.ts';

const HOUR_MS = 3_600_000;
const { normal } = classes;

/** What bounds one run of the insert statement, beside its rows. */
export type InsertBounds = {
  readonly node: string;
  /** Database time after which nothing is written, ISO text; null: no bound. */
  readonly notAfter: string | null;
  /** Lowest id that the probe of earlier leaves looks at. */
  readonly probeFrom: string;
  /** Leaves are kept this long; payloads with a shorter retention carry their own end. */
  readonly leafRetentionDays: number;
};

const payloadUntil = (message: MessageInsert['message'], leafDays: number): number | null => {
  const { createdAtMs, deliverAtMs, payloadRetentionHours } = message;
  return payloadRetentionHours < leafDays * 24
    ? (deliverAtMs ?? createdAtMs) + payloadRetentionHours * HOUR_MS
    : null;
};

/** Lanes that get nothing but scheduled work by this batch, each with the earliest of its times. */
export const scheduledLanes = (batch: readonly MessageInsert[]): ReadonlyMap<string, number> => {
  const lanes = new Map<string, number>();
  if (!batch.some(({ message }) => message.deliverAtMs !== null)) return lanes;
  for (const { message, deliveries, unfoldedBy } of batch) {
    if (unfoldedBy !== null) continue;
    for (const { endpointId } of deliveries) {
      const dueMs = message.deliverAtMs ?? -Infinity;
      lanes.set(endpointId, Math.min(lanes.get(endpointId) ?? Infinity, dueMs));
    }
  }
  for (const [endpointId, dueMs] of lanes) if (dueMs === -Infinity) lanes.delete(endpointId);
  return lanes;
};

/** The parameters of the insert statement, in its order. */
export const insertParams = (batch: readonly MessageInsert[], bounds: InsertBounds): SqlParam[] => {
  const messages = batch.map((item) => item.message);
  const msgIds: string[] = [];
  const endpoints: string[] = [];
  const apps: string[] = [];
  const orgs: string[] = [];
  const partitions: number[] = [];
  const epochs: (number | null)[] = [];
  const priorities: number[] = [];
  const bytes: number[] = [];
  const dues: (number | null)[] = [];
  const expiries: (number | null)[] = [];
  for (const { message, deliveries, unfoldedBy } of batch) {
    if (unfoldedBy !== null) continue;
    for (const delivery of deliveries) {
      msgIds.push(message.id);
      endpoints.push(delivery.endpointId);
      apps.push(message.applicationId);
      orgs.push(message.orgId);
      partitions.push(delivery.partition);
      epochs.push(delivery.holdEpoch);
      priorities.push(storedPriority(message.priority, delivery.orderKey));
      bytes.push(message.payload.byteLength);
      dues.push(message.deliverAtMs);
      expiries.push(message.expiresAtMs);
    }
  }
  const scheduled = scheduledLanes(batch);
  return [
    bounds.node,
    bounds.notAfter,
    bounds.probeFrom,
    textArray(messages.map((m) => m.id)),
    textArray(messages.map((m) => m.applicationId)),
    textArray(messages.map((m) => m.orgId)),
    int8Array(batch.map((item) => item.configVersion)),
    textArray(messages.map((m) => m.eventType)),
    textArray(messages.map((m) => m.eventId)),
    textArray(messages.map((m) => arrayLiteral(m.channels))),
    textArray(messages.map((m) => arrayLiteral(m.tags))),
    byteaArray(messages.map((m) => m.payload)),
    textArray(messages.map((m) => m.contentType)),
    int2Array(messages.map((m) => Math.ceil(m.payloadRetentionHours / 24))),
    timestamptzArray(messages.map((m) => payloadUntil(m, bounds.leafRetentionDays))),
    timestamptzArray(messages.map((m) => m.occurredAtMs)),
    timestamptzArray(messages.map((m) => m.createdAtMs)),
    timestamptzArray(messages.map((m) => m.deliverAtMs)),
    timestamptzArray(messages.map((m) => m.expiresAtMs)),
    textArray(batch.map((item) => item.idempotency?.scope ?? null)),
    textArray(batch.map((item) => item.idempotency?.key ?? null)),
    textArray(batch.map((item) => item.idempotency?.requestHash ?? null)),
    textArray(msgIds),
    textArray(endpoints),
    textArray(apps),
    textArray(orgs),
    int2Array(partitions),
    int8Array(epochs),
    int2Array(priorities),
    int4Array(bytes),
    timestamptzArray(dues),
    timestamptzArray(expiries),
    textArray([...scheduled.keys()]),
    timestamptzArray([...scheduled.values()]),
    int2Array(messages.map(({ priority }) => (priority === normal ? null : priority))),
  ];
};
