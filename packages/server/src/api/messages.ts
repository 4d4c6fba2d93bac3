import { OpenAPIHono, z } from '@hono/zod-openapi';
import { json, notFound } from './answers.ts';
import type { Answer } from './answers.ts';
import { pathOf } from './endpoints.ts';
import { channelName, eventTypeName, flag, nameSet } from './fields.ts';
import { listOf, rendered, renderedPage } from './list-out.ts';
import { messageOut } from './message-out.ts';
import { filterOf, messageListQuery, messageOutShape, messageSearchIn } from './message-shapes.ts';
import { operateOnApp } from './operation.ts';
import type { ApiDeps } from './port.ts';
import type { ApplicationRecord, MessageRecord } from './records.ts';
import { sample } from './sample.ts';
import { timePage } from './time-page.ts';
import type { TimeParams } from './time-page.ts';

const TAG = 'Message';
const AT = '/app/{app_id}/msg/{msg_id}';
const MAX_CHANNELS = 10;

const precheckIn = z
  .object({
    eventType: eventTypeName,
    channels: nameSet(
      channelName,
      1,
      MAX_CHANNELS,
      `Channels must have 1 to ${MAX_CHANNELS} items.`,
    ).nullish(),
  })
  .openapi('MessagePrecheckIn', { example: { eventType: sample.eventType } });
const precheckOut = z
  .object({ active: z.boolean() })
  .openapi('MessagePrecheckOut', { example: { active: true } });

type MessageCriteria = TimeParams & Parameters<typeof filterOf>[0];

const withoutNulls = (body: z.infer<typeof messageSearchIn>): MessageCriteria =>
  Object.fromEntries(Object.entries(body).filter(([, value]) => value !== null));

/** Messages as they are read; accepting them has a path of its own. */
export const messageRoutes = (deps: ApiDeps): OpenAPIHono => {
  const app = new OpenAPIHono();
  const { messages } = deps.store;

  const answerList = async (
    application: ApplicationRecord,
    query: MessageCriteria,
    withContent: boolean,
  ): Promise<Answer> => {
    const { page, window } = timePage('message', query, deps.clock.nowMs());
    const path = pathOf(application);
    const walked = await messages.list(path, window, filterOf(query), page.limit, withContent);
    const show = (row: MessageRecord): Buffer => messageOut(row);
    return renderedPage(walked.rows, page, ({ id }) => id, show, walked.stoppedAt);
  };

  operateOnApp(
    app,
    deps,
    {
      id: 'v1.message.list',
      method: 'get',
      path: '/app/{app_id}/msg',
      tag: TAG,
      summary: 'List messages, newest first',
      who: 'any',
      query: messageListQuery,
      answers: { 200: listOf(messageOutShape) },
    },
    ({ application, query }) => answerList(application, query, query.with_content !== false),
  );

  operateOnApp(
    app,
    deps,
    {
      id: 'v1.message.search',
      method: 'post',
      path: '/app/{app_id}/msg/search',
      tag: TAG,
      summary: 'List messages, newest first, by criteria in the body',
      who: 'any',
      needs: 'ViewBase',
      body: messageSearchIn,
      bodyOptional: true,
      answers: { 200: listOf(messageOutShape) },
      // A page of payloads is no answer to keep.
      repeat: 'again',
    },
    ({ application, body }) => answerList(application, withoutNulls(body), body.with_content === true),
  );

  operateOnApp(
    app,
    deps,
    {
      id: 'v1.message.precheck',
      method: 'post',
      path: '/app/{app_id}/msg/precheck/active',
      tag: TAG,
      summary: 'Tell whether any enabled endpoint would get such a message',
      who: 'org',
      body: precheckIn,
      answers: { 200: precheckOut },
      // True now need not be true when the request is repeated.
      repeat: 'again',
    },
    async ({ application, body }) => {
      const wanted = { eventType: body.eventType, channels: body.channels ?? null };
      return json(200, { active: await deps.store.endpoints.anyFor(pathOf(application), wanted) });
    },
  );

  operateOnApp(
    app,
    deps,
    {
      id: 'v1.message.get',
      method: 'get',
      path: AT,
      tag: TAG,
      summary: 'Get a message by id or event id',
      who: 'any',
      query: z.object({ with_content: flag.optional() }),
      answers: { 200: messageOutShape },
    },
    async ({ application, params, query }) => {
      const withContent = query.with_content !== false;
      const found = await messages.find(pathOf(application), params['msg_id'] ?? '', withContent);
      return found === null ? notFound() : rendered(200, messageOut(found));
    },
  );

  return app;
};
