import { createHash } from 'node:crypto';
import { OpenAPIHono, z } from '@hono/zod-openapi';
import { idPrefixes } from '../domain/ids.ts';
import { replacementScope } from '../domain/message.ts';
import { scanObject } from '../ingest/scan.ts';
import { conflict, invalid, json, notFound } from './answers.ts';
import type { Answer, Refusal } from './answers.ts';
import { pathOf } from './endpoints.ts';
import type { LetterPath } from './letter-port.ts';
import { letterOut, reviewFields, reviewIn, showLetter } from './letter-shapes.ts';
import { operateOnApp } from './operation.ts';
import type { AppCaller } from './operation.ts';
import type { ApiDeps } from './port.ts';
import type { LetterReview, MessageRecord } from './records.ts';
import { sample } from './sample.ts';
import { notTaken } from './send-example.ts';

const ONE = '/app/{app_id}/dead-letter/{msg_id}/endpoint/{endpoint_id}';
const JSON_TYPE = 'application/json';
const CONTENT_TYPE = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+\/[\x20-\x7e]{1,200}$/;

const editIn = z
  .object({
    ...reviewFields,
    payload: z.record(z.string(), z.unknown()).optional(),
    rawPayload: z.string().optional(),
    contentType: z
      .string()
      .refine((text) => CONTENT_TYPE.test(text), 'must be a media type such as "application/xml"')
      .optional(),
  })
  .openapi('DeadLetterEditIn', {
    example: { payload: sample.payload, reviewer: 'ada@acme.example', note: 'The amount was missing' },
  });

type Review = z.infer<typeof reviewIn>;

const whyNot = {
  missing: notFound('There is no dead letter of this message and endpoint.'),
  not_open: conflict(
    'The dead letter is not open: it was replayed or discarded already.',
    'dead_letter_not_open',
  ),
  payload_gone: conflict(
    'The payload of this message is gone: it has expired or was expunged.',
    'missing_payload',
  ),
  endpoint_gone: conflict('The endpoint was deleted.', 'endpoint_deleted'),
  endpoint_disabled: conflict('The endpoint is disabled. Enable it, then replay.', 'endpoint_disabled'),
} as const satisfies Record<string, Refusal>;

/** The payload that was posted: the bytes of `payload` as they stand in the body, or the text of `rawPayload`. */
const editedPayload = (
  body: z.infer<typeof editIn>,
  bytes: Buffer,
  before: MessageRecord,
): { readonly payload: Buffer; readonly contentType: string } | Refusal => {
  if ((body.payload === undefined) === (body.rawPayload === undefined)) {
    return invalid(['body', 'payload'], 'Give the edited payload as `payload` or as `rawPayload`, not both.');
  }
  if (body.rawPayload !== undefined) {
    return { payload: Buffer.from(body.rawPayload), contentType: body.contentType ?? before.contentType };
  }
  const scanned = scanObject(bytes);
  const spans = scanned.kind === 'object' ? scanned.members.filter(({ key }) => key === 'payload') : [];
  const [span] = spans;
  return span === undefined || spans.length > 1
    ? invalid(['body', 'payload'], 'The payload must be given once.')
    : { payload: bytes.subarray(span.start, span.end), contentType: body.contentType ?? JSON_TYPE };
};

const sha256 = (...parts: readonly (string | Uint8Array)[]): string => {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest('hex');
};

/** What people do about one dead letter: look at it, replay it as it is or edited, put it away. */
export const letterActionRoutes = (deps: ApiDeps): OpenAPIHono => {
  const app = new OpenAPIHono();
  const { deadLetters, endpoints, messages } = deps.store;

  /** A deleted endpoint's letters are still there, under its id. */
  const pathTo = async (caller: AppCaller<undefined, unknown>): Promise<LetterPath | null> => {
    const path = pathOf(caller.application);
    const wanted = caller.params['endpoint_id'] ?? '';
    const message = await messages.find(path, caller.params['msg_id'] ?? '', false);
    const endpoint = await endpoints.find(path, wanted);
    const endpointId = endpoint?.id ?? (wanted.startsWith(idPrefixes.endpoint) ? wanted : null);
    return message === null || endpointId === null ? null : { ...path, messageId: message.id, endpointId };
  };

  const reviewOf = (caller: AppCaller<undefined, Review>): LetterReview => ({
    by: caller.body.reviewer ?? caller.principal.subject,
    atMs: deps.clock.nowMs(),
    note: caller.body.note ?? null,
  });

  const shared = {
    method: 'post',
    tag: 'Dead Letter',
    who: 'any',
    needs: 'CreateAttempts',
    own: true,
  } as const;

  operateOnApp(
    app,
    deps,
    {
      ...shared,
      id: 'v1.dead-letter.review',
      path: `${ONE}/review`,
      summary: 'Note who has looked at a dead letter, and what they found',
      body: reviewIn,
      bodyOptional: true,
      answers: { 200: letterOut },
    },
    async (caller): Promise<Answer> => {
      const path = await pathTo(caller);
      if (path === null) return notFound();
      const letter = await deadLetters.review(path, reviewOf(caller));
      return letter === 'missing' ? whyNot.missing : json(200, showLetter(letter));
    },
  );

  operateOnApp(
    app,
    deps,
    {
      ...shared,
      id: 'v1.dead-letter.replay',
      path: `${ONE}/replay`,
      summary: 'Deliver a dead letter again, with a full schedule',
      body: reviewIn,
      bodyOptional: true,
      answers: { 202: letterOut },
    },
    async (caller): Promise<Answer> => {
      const path = await pathTo(caller);
      if (path === null) return notFound();
      const replayed = await deadLetters.replay(path, reviewOf(caller));
      if (typeof replayed === 'string') return whyNot[replayed];
      deps.wake(path.endpointId);
      return json(202, showLetter(replayed));
    },
  );

  operateOnApp(
    app,
    deps,
    {
      ...shared,
      id: 'v1.dead-letter.edit-and-replay',
      path: `${ONE}/edit-and-replay`,
      summary: 'Post another message with an edited payload to this endpoint, in place of a dead letter',
      who: 'org',
      body: editIn,
      answers: { 202: letterOut },
    },
    async (caller): Promise<Answer> => {
      const path = await pathTo(caller);
      if (path === null) return notFound();
      const { orgId, messageId, endpointId } = path;
      const letter = await deadLetters.find(path);
      if (letter === null) return whyNot.missing;
      if (letter.state !== 'open') return whyNot.not_open;
      const endpoint = await endpoints.find(path, endpointId);
      if (endpoint === null) return whyNot.endpoint_gone;
      if (endpoint.disabled) return whyNot.endpoint_disabled;
      const before = await messages.find(path, messageId, false);
      const payloadRetentionHours = await messages.retentionHours(path);
      if (before === null) return notFound();
      const edited = editedPayload(caller.body, caller.bytes, before);
      if ('kind' in edited) return edited;
      const { eventType, channels, tags, occurredAtMs, priority, orderingKey } = before;
      // Under the letter's own key: one message, however often this breaks off half-way and is repeated.
      const placed = await deps.place({
        ...path,
        ...edited,
        eventType,
        channels,
        tags,
        occurredAtMs,
        priority,
        orderingKey,
        payloadRetentionHours,
        key: {
          scope: replacementScope(orgId),
          key: `${messageId}.${endpointId}.${letter.run}`,
          requestHash: sha256(edited.contentType, '\0', edited.payload),
        },
      });
      if (placed.kind === 'key_reused') return whyNot.not_open;
      if (placed.kind !== 'placed') return notTaken;
      const at = { ...path, run: letter.run };
      const replaced = await deadLetters.replace(at, placed.message.id, reviewOf(caller));
      if (replaced.orderKey !== null) deps.wake(endpointId);
      return json(202, showLetter(replaced));
    },
  );

  operateOnApp(
    app,
    deps,
    {
      ...shared,
      id: 'v1.dead-letter.discard',
      path: `${ONE}/discard`,
      summary: 'Put a dead letter away; it is kept, but not open any more',
      body: reviewIn,
      bodyOptional: true,
      answers: { 200: letterOut },
    },
    async (caller): Promise<Answer> => {
      const path = await pathTo(caller);
      if (path === null) return notFound();
      const discarded = await deadLetters.discard(path, reviewOf(caller));
      if (typeof discarded === 'string') return whyNot[discarded];
      if (discarded.orderKey !== null) deps.wake(path.endpointId);
      return json(200, showLetter(discarded));
    },
  );

  return app;
};
