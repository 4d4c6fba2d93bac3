// Rows that message acceptance and dispatch would have written.
import { randomBytes } from 'node:crypto';
import { createIdSource } from '../../src/domain/ids.ts';
import { partitionOf } from '../../src/domain/partition.ts';
import type { Harness } from './harness.ts';

export type MessageFixture = {
  readonly payload?: string | Buffer | null;
  readonly contentType?: string;
  readonly eventType?: string;
  readonly eventId?: string | null;
  readonly channels?: readonly string[] | null;
  readonly tags?: readonly string[] | null;
  /** Unix milliseconds; its day must have leaves, see {@link makeDay}. */
  readonly atMs?: number;
  readonly org?: string;
};

const idAt = (atMs: number) =>
  createIdSource(
    () => atMs,
    (count) => randomBytes(count),
  );

/** Makes the leaves of a moment's day. */
export const makeDay = async (harness: Harness, atMs: number): Promise<void> => {
  await harness.pool.query('select leaf_make($1::date)', [new Date(atMs).toISOString().slice(0, 10)]);
};

export const addMessage = async (
  harness: Harness,
  applicationId: string,
  fixture: MessageFixture = {},
): Promise<string> => {
  const atMs = fixture.atMs ?? harness.nowMs();
  const id = fixture.atMs === undefined ? harness.ids('message') : idAt(atMs)('message');
  const payload = fixture.payload === undefined ? '{"n":1}' : fixture.payload;
  await harness.pool.query(
    `insert into message (id, app_id, org_id, event_type, event_id, channels, tags, payload, content_type,
      retention_days, created_at)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9, 90, $10)`,
    [
      id,
      applicationId,
      fixture.org ?? harness.org,
      fixture.eventType ?? 'user.created',
      fixture.eventId ?? null,
      fixture.channels ?? null,
      fixture.tags ?? null,
      payload === null ? null : Buffer.from(payload as string),
      fixture.contentType ?? 'application/json',
      new Date(atMs).toISOString(),
    ],
  );
  return id;
};

export type AttemptFixture = {
  readonly status?: 0 | 2;
  readonly final?: 'succeeded' | 'dead' | null;
  readonly responseStatus?: number;
  readonly response?: string | Buffer | null;
  readonly cause?: string | null;
  readonly atMs?: number;
  readonly eventType?: string;
  readonly run?: number;
  readonly nextAtMs?: number | null;
  readonly org?: string;
};

export const addAttempt = async (
  harness: Harness,
  applicationId: string,
  endpointId: string,
  messageId: string,
  fixture: AttemptFixture = {},
): Promise<string> => {
  const atMs = fixture.atMs ?? harness.nowMs();
  const id = fixture.atMs === undefined ? harness.ids('attempt') : idAt(atMs)('attempt');
  const status = fixture.status ?? 0;
  await harness.pool.query(
    `insert into attempt (id, org_id, app_id, msg_id, endpoint_id, run, status, final, trigger, cause,
      response_status, response, duration_ms, next_at, url, event_type, evidence, created_at)
     values ($1, $2, $3, $4, $5, $6, $7, $8, 0, $9, $10, $11, 12, $12, 'https://hooks.test/', $13, $14, $15)`,
    [
      id,
      fixture.org ?? harness.org,
      applicationId,
      messageId,
      endpointId,
      fixture.run ?? 0,
      status,
      fixture.final ?? null,
      fixture.cause ?? (status === 0 ? null : 'http_500'),
      fixture.responseStatus ?? (status === 0 ? 200 : 500),
      fixture.response === undefined
        ? Buffer.from('ok')
        : fixture.response === null
          ? null
          : Buffer.from(fixture.response as string),
      fixture.nextAtMs === undefined || fixture.nextAtMs === null
        ? null
        : new Date(fixture.nextAtMs).toISOString(),
      fixture.eventType ?? 'user.created',
      JSON.stringify({ bodyBytes: 7 }),
      new Date(atMs).toISOString(),
    ],
  );
  return id;
};

export const addLive = async (
  harness: Harness,
  applicationId: string,
  endpointId: string,
  messageId: string,
  state: 'waiting' | 'held' = 'waiting',
): Promise<void> => {
  const held = state === 'held';
  await harness.pool.query(
    `insert into live (msg_id, endpoint_id, app_id, org_id, partition, state, due_at, epoch, node, held_at, bytes)
     values ($1, $2, $3, $4, $5, $6, now() + interval '1 minute', $7, $8, $9, 7)`,
    [
      messageId,
      endpointId,
      applicationId,
      harness.org,
      partitionOf(endpointId),
      state,
      held ? 1 : null,
      held ? '00000000-0000-4000-8000-000000000001' : null,
      held ? new Date(harness.nowMs()).toISOString() : null,
    ],
  );
};

export const addClosed = async (
  harness: Harness,
  applicationId: string,
  endpointId: string,
  messageId: string,
  fixture: {
    readonly state?: 'dead' | 'canceled';
    readonly letter?: 'open' | 'replayed' | 'discarded';
    readonly reason?: string;
    readonly atMs?: number;
    readonly run?: number;
    readonly eventType?: string;
  } = {},
): Promise<void> => {
  const state = fixture.state ?? 'dead';
  await harness.pool.query(
    `insert into closed (msg_id, endpoint_id, run, app_id, org_id, event_type, state, reason, letter, closed_at, changed_at)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $10)`,
    [
      messageId,
      endpointId,
      fixture.run ?? 0,
      applicationId,
      harness.org,
      fixture.eventType ?? 'user.created',
      state,
      fixture.reason ?? 'exhausted',
      state === 'dead' ? (fixture.letter ?? 'open') : null,
      new Date(fixture.atMs ?? harness.nowMs()).toISOString(),
    ],
  );
};

/** An application through the API. */
export const addApplication = async (harness: Harness, uid?: string, token?: string): Promise<string> => {
  const reply = await harness.call('POST', '/app', {
    body: { name: 'an application', ...(uid === undefined ? {} : { uid }) },
    ...(token === undefined ? {} : { token }),
  });
  if (reply.status !== 201) throw new Error(reply.text);
  return reply.body.id;
};

/** An endpoint through the API. */
export const addEndpoint = async (
  harness: Harness,
  applicationId: string,
  fields: Record<string, unknown> = {},
): Promise<string> => {
  const reply = await harness.call('POST', `/app/${applicationId}/endpoint`, {
    body: { url: 'https://hooks.test/in', ...fields },
  });
  if (reply.status !== 201) throw new Error(reply.text);
  return reply.body.id;
};
