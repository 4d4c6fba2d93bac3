import { isUtf8 } from 'node:buffer';
import { OpenAPIHono, z } from '@hono/zod-openapi';
import { badRequest, json, noContent, notFound } from './answers.ts';
import type { Refusal } from './answers.ts';
import { pathOf } from './endpoints.ts';
import { idOrUid, nameSet } from './fields.ts';
import { operateOnApp } from './operation.ts';
import type { ApiDeps } from './port.ts';
import { startTask } from './recovery.ts';
import { sample } from './sample.ts';
import { taskStarted } from './task-out.ts';

const TAG = 'Message';
const AT = '/app/{app_id}/msg/{msg_id}';
const MAX_IDS = 1000;

const bulkIn = z
  .object({
    ids: nameSet(idOrUid, 0, MAX_IDS, `At most ${MAX_IDS} messages at a time.`),
  })
  .openapi('BulkExpungeContentsIn', { example: { ids: [sample.messageId] } });
const bulkOut = z
  .object({ results: z.record(z.string(), z.enum(['expunged', 'not-found'])) })
  .openapi('BulkExpungeContentsOut', { example: { results: { [sample.messageId]: 'expunged' } } });
const rawOut = z
  .object({ payload: z.string(), encoding: z.literal('base64').optional() })
  .openapi('MessageRawPayloadOut', { example: { payload: JSON.stringify(sample.payload) } });

/** The 400 for what cannot be shown or sent any more. */
export const payloadGone: Refusal = badRequest(
  'The payload of this message is gone: it has expired or was expunged.',
  'missing_payload',
);

/** Payloads: as they were posted, and deleted before their time. */
export const messageContentRoutes = (deps: ApiDeps): OpenAPIHono => {
  const app = new OpenAPIHono();
  const { messages } = deps.store;

  operateOnApp(
    app,
    deps,
    {
      id: 'v1.message.get-raw-payload',
      method: 'get',
      path: `${AT}/raw`,
      tag: TAG,
      summary: 'Get a payload as text, as it was posted; as base64 where it is no text',
      who: 'any',
      answers: { 200: rawOut },
    },
    async ({ application, params }) => {
      const found = await messages.find(pathOf(application), params['msg_id'] ?? '', true);
      if (found === null) return notFound();
      if (found.payload.kind !== 'bytes') return payloadGone;
      const bytes = Buffer.from(found.payload.bytes);
      return json(
        200,
        isUtf8(bytes)
          ? { payload: bytes.toString('utf8') }
          : { payload: bytes.toString('base64'), encoding: 'base64' },
      );
    },
  );

  operateOnApp(
    app,
    deps,
    {
      id: 'v1.message.expunge-content',
      method: 'delete',
      path: `${AT}/content`,
      tag: TAG,
      summary: "Delete a message's payload; the message itself stays",
      who: 'org',
      answers: { 204: null },
    },
    async ({ application, params }) => {
      const path = pathOf(application);
      const found = await messages.find(path, params['msg_id'] ?? '', false);
      if (found === null) return notFound('Message not found');
      await messages.expunge({ ...path, messageId: found.id });
      return noContent;
    },
  );

  operateOnApp(
    app,
    deps,
    {
      id: 'v1.message.bulk-expunge-content',
      method: 'post',
      path: '/app/{app_id}/msg/bulk-expunge',
      tag: TAG,
      summary: `Delete the payloads of up to ${MAX_IDS} messages, named by id or event id`,
      who: 'org',
      body: bulkIn,
      answers: { 200: bulkOut },
    },
    async ({ application, body }) => {
      const expunged = await messages.expungeMany(pathOf(application), body.ids);
      const results = body.ids.map((id) => [id, expunged.has(id) ? 'expunged' : 'not-found'] as const);
      return json(200, { results: Object.fromEntries(results) });
    },
  );

  operateOnApp(
    app,
    deps,
    {
      id: 'v1.message.expunge-all-contents',
      method: 'post',
      path: '/app/{app_id}/msg/expunge-all-contents',
      tag: TAG,
      summary: 'Delete the payloads of all messages that are there now; a background task',
      who: 'org',
      answers: { 202: taskStarted },
    },
    ({ application }) =>
      startTask(deps, application, 'application.purge_content', {
        endpointId: null,
        sinceMs: 0,
        // Ids carry their time in steps of 4 ms: a little later, so that what was answered is in.
        untilMs: deps.clock.nowMs() + 8,
        eventTypes: null,
        channel: null,
        tag: null,
        status: null,
      }),
  );

  return app;
};
