import { OpenAPIHono, z } from '@hono/zod-openapi';
import { parseMessage } from '../ingest/parse-message.ts';
import { json } from './answers.ts';
import {
  channelName,
  eventTypeName,
  moment,
  nameSet,
  orderingKey,
  priorityName,
  tagName,
  uidOf,
} from './fields.ts';
import { operate } from './operation.ts';
import type { ApiDeps } from './port.ts';
import { sample } from './sample.ts';
import { beginTask, noTarget, showTaskStarted, taskStarted } from './task-out.ts';

const broadcastIn = z
  .object({
    eventType: eventTypeName,
    payload: z.record(z.string(), z.unknown()),
    eventId: uidOf('msg_').nullish(),
    channels: nameSet(channelName, 1, 10, 'must have 1 to 10 items').nullish(),
    tags: nameSet(tagName, 0, 5, 'must have 0 to 5 items').nullish(),
    payloadRetentionPeriod: z.int().min(1).max(90).nullish(),
    payloadRetentionHours: z.int().min(1).max(2160).nullish(),
    occurredAt: moment.nullish(),
    deliverAt: moment.nullish(),
    expiresAt: moment.nullish(),
    priority: priorityName.nullish(),
    orderingKey: orderingKey.nullish(),
  })
  .openapi('MessageBroadcastIn', {
    example: { eventType: sample.eventType, eventId: sample.eventId, payload: sample.payload },
  });

/** One message for every application that the organisation has now. */
export const broadcastRoutes = (deps: ApiDeps): OpenAPIHono => {
  const app = new OpenAPIHono();

  operate(
    app,
    deps,
    {
      id: 'v1.message.broadcast',
      method: 'post',
      path: '/msg/broadcast',
      tag: 'Broadcast',
      summary: 'Post a message to every application, as a background task',
      who: 'org',
      body: broadcastIn,
      answers: { 202: taskStarted },
    },
    async ({ principal: { orgId }, bytes }) => {
      // The shape is checked; this finds the payload as it was posted.
      const parsed = parseMessage(bytes, ['body'], deps.clock.nowMs());
      if (parsed.kind === 'invalid') return { kind: 'invalid', items: parsed.issues };
      const { payload, application: _, ...fields } = parsed.value;
      const task = await beginTask(deps, { orgId, applicationId: null }, 'message.broadcast', {
        ...noTarget,
        sinceMs: deps.clock.nowMs(),
        untilMs: null,
        message: { ...fields, payloadBase64: payload.toString('base64') },
      });
      return json(202, showTaskStarted(task));
    },
  );

  return app;
};
