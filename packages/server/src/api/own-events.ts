import { z } from '@hono/zod-openapi';
import type { OpenAPIHono } from '@hono/zod-openapi';
import { sharedTaskKinds } from './records.ts';
import { sample } from './sample.ts';

const ids = {
  appId: z.string().openapi({ example: sample.appId }),
  appUid: z.string().nullable().optional().openapi({ example: sample.appUid }),
  endpointId: z.string().openapi({ example: sample.endpointId }),
};

const endpoint = {
  ...ids,
  endpointUid: z.string().nullable().optional().openapi({ example: sample.endpointUid }),
};

const time = z.string().openapi({ format: 'date-time', example: sample.time });

const disabled = {
  ...endpoint,
  failSince: time.nullable().optional(),
  trigger: z.enum(['automatic', 'manual']).optional(),
};

const attempted = {
  ...ids,
  msgId: z.string().openapi({ example: sample.messageId }),
  msgEventId: z.string().nullable().optional().openapi({ example: sample.eventId }),
  lastAttempt: z
    .object({
      id: z.string().openapi({ example: sample.attemptId }),
      responseStatusCode: z.int().openapi({ example: 503 }),
      timestamp: time,
    })
    .openapi('MessageAttemptFailedData'),
};

const task = {
  taskId: z.string().openapi({ example: sample.taskId }),
  task: z.enum(sharedTaskKinds),
  status: z.enum(['finished', 'failed']),
  data: z
    .record(z.string(), z.unknown())
    .openapi({ example: { appId: sample.appId, endpointId: sample.endpointId, started: 118, skipped: 2 } }),
};

const event = <Shape extends z.core.$ZodShape>(type: string, name: string, summary: string, data: Shape) => ({
  type,
  summary,
  body: z.object({ type: z.literal(type), data: z.object(data).openapi(`${name}Data`) }).openapi(name),
});

/** What Posthorn tells an organisation, as webhooks, about its endpoints and deliveries. */
export const ownEvents = [
  event('endpoint.created', 'EndpointCreatedEvent', 'An endpoint was created', endpoint),
  event('endpoint.updated', 'EndpointUpdatedEvent', 'An endpoint was changed', endpoint),
  event('endpoint.deleted', 'EndpointDeletedEvent', 'An endpoint was deleted', endpoint),
  event(
    'endpoint.disabled',
    'EndpointDisabledEvent',
    'An endpoint was disabled, by hand or because it only failed',
    disabled,
  ),
  event('endpoint.enabled', 'EndpointEnabledEvent', 'An endpoint was enabled again', endpoint),
  event(
    'message.attempt.failing',
    'MessageAttemptFailingEvent',
    'A delivery has failed several times and will be tried again',
    attempted,
  ),
  event(
    'message.attempt.exhausted',
    'MessageAttemptExhaustedEvent',
    'A delivery has used up its attempts and is dead',
    attempted,
  ),
  event(
    'message.attempt.recovered',
    'MessageAttemptRecoveredEvent',
    'A delivery that was failing has succeeded',
    attempted,
  ),
  event(
    'background_task.finished',
    'BackgroundTaskFinishedEvent',
    'A background task has ended, whatever came of it',
    task,
  ),
] as const;

/** Adds them to a document, under `webhooks`. */
export const registerEvents = (registry: OpenAPIHono['openAPIRegistry']): void => {
  for (const { type, summary, body } of ownEvents) {
    registry.registerWebhook({
      method: 'post',
      path: type,
      operationId: type,
      tags: ['Webhook'],
      summary,
      description: `${summary}. Signed like every webhook; answer with a 2xx.`,
      request: { body: { required: true, content: { 'application/json': { schema: body } } } },
      responses: { 204: { description: 'Received' } },
    });
  }
};
