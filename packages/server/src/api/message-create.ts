import { z } from '@hono/zod-openapi';
import type { StoredMessage } from '../domain/message.ts';
import { findOrCreateApplication } from './access.ts';
import { applicationIn } from './application-shapes.ts';
import { forbidden, refusalBody, refusalStatus } from './answers.ts';
import type { Refusal } from './answers.ts';
import { channelName, eventTypeName, flag, orderingKey, priorityName, tagName, uidOf } from './fields.ts';
import { messageOut, messageOutEmpty } from './message-out.ts';
import { messageOutShape } from './message-shapes.ts';
import type { Operation } from './operation.ts';
import type { ApiDeps } from './port.ts';
import { sample } from './sample.ts';
import type { PayloadView } from './records.ts';
import type { AuthResult, Authenticator } from './tokens.ts';
import { bodyRefusal } from './validation.ts';

/** What message acceptance, which has a path of its own, takes from the API: tokens, answers, applications. */

export type Poster =
  | { readonly kind: 'org'; readonly orgId: string }
  | { readonly kind: 'failed'; readonly status: number; readonly body: string };

type Failed = Extract<Poster, { kind: 'failed' }>;

const failed = (refusal: Refusal): Failed => ({
  kind: 'failed',
  status: refusalStatus(refusal),
  body: JSON.stringify(refusalBody(refusal, false)),
});

const posterOf = (auth: AuthResult): Poster => {
  if (auth.kind === 'refusal') return failed(auth.refusal);
  const { principal } = auth;
  return principal.kind === 'org' ? { kind: 'org', orgId: principal.orgId } : failed(forbidden);
};

/** Who may post messages; waits only for a token that was not seen before. */
export const createPosterAuth =
  (authenticator: Authenticator) =>
  (header: string | undefined): Poster | Promise<Poster> => {
    const principal = authenticator.cached(header);
    if (principal !== undefined) return posterOf({ kind: 'principal', principal });
    return authenticator.authenticate(header).then(posterOf);
  };

/** Makes the application that a message brings along, if the path's does not exist. */
export const createApplicationFor =
  (deps: ApiDeps) =>
  async (orgId: string, pathId: string, application: unknown): Promise<{ readonly kind: 'ok' } | Failed> => {
    const parsed = z.object({ application: applicationIn }).safeParse({ application }, { reportInput: true });
    if (!parsed.success) return failed(bodyRefusal(parsed.error.issues));
    const found = await findOrCreateApplication(deps, orgId, pathId, parsed.data.application);
    return 'kind' in found ? failed(found) : { kind: 'ok' };
  };

/** A stored payload as it is shown. */
export const payloadView = (payload: Uint8Array | null): PayloadView =>
  payload === null ? { kind: 'gone' } : { kind: 'bytes', bytes: payload };

/** An accepted message as the API shows it. */
export const renderAccepted = (message: StoredMessage, withContent: boolean): Buffer | string =>
  withContent ? messageOut({ ...message, payload: payloadView(message.payload) }) : messageOutEmpty(message);

export const messageIn = z
  .object({
    eventType: eventTypeName,
    payload: z.record(z.string(), z.unknown()),
    eventId: uidOf('msg_').nullish(),
    channels: z.array(channelName).nullish(),
    tags: z.array(tagName).nullish(),
    payloadRetentionPeriod: z.int().min(1).max(90).nullish(),
    payloadRetentionHours: z.int().min(1).max(2160).nullish(),
    application: applicationIn.nullish(),
    transformationsParams: z.record(z.string(), z.unknown()).nullish(),
    occurredAt: z.string().openapi({ format: 'date-time' }).nullish(),
    deliverAt: z.string().openapi({ format: 'date-time' }).nullish(),
    expiresAt: z.string().openapi({ format: 'date-time' }).nullish(),
    priority: priorityName.nullish(),
    orderingKey: orderingKey.nullish(),
  })
  .openapi('MessageIn', {
    example: { eventType: sample.eventType, eventId: sample.eventId, payload: sample.payload },
  });

const batchIn = z.object({ messages: z.array(messageIn).max(500) }).openapi('MessageBatchIn', {
  example: {
    messages: [
      { eventType: sample.eventType, payload: sample.payload },
      { eventType: sample.eventType, payload: { ...sample.payload, id: 1043 } },
    ],
  },
});
const batchOut = z
  .object({
    data: z.array(
      z.object({
        status: z.int(),
        message: messageOutShape.optional(),
        error: z.record(z.string(), z.unknown()).optional(),
      }),
    ),
  })
  .openapi('MessageBatchOut', {
    example: {
      data: [
        {
          status: 202,
          message: {
            eventId: sample.eventId,
            eventType: sample.eventType,
            payload: sample.payload,
            channels: null,
            id: sample.messageId,
            timestamp: sample.time,
            tags: null,
          },
        },
        { status: 409, error: { code: 'conflict', detail: 'A conflict has occurred' } },
      ],
    },
  });

const query = z.object({ with_content: flag.optional() });
const shared = { method: 'post', tag: 'Message', who: 'org', query } as const;

/** Documented here, served by message acceptance. */
export const messageCreateOperations = [
  {
    ...shared,
    id: 'v1.message.create',
    path: '/app/{app_id}/msg',
    summary: 'Post a message',
    body: messageIn,
    answers: { 202: messageOutShape },
  },
  {
    ...shared,
    id: 'v1.message.create-batch',
    path: '/app/{app_id}/msg/batch',
    summary: 'Post up to 500 messages, each with a result of its own',
    body: batchIn,
    answers: { 202: batchOut },
  },
] as const satisfies readonly Operation<unknown, unknown>[];
