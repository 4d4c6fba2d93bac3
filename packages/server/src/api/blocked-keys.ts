import { OpenAPIHono, z } from '@hono/zod-openapi';
import { WHOLE_ENDPOINT } from '../domain/delivery.ts';
import { json, notFound } from './answers.ts';
import type { BlockedKey } from './blocked-key-port.ts';
import { formatDate } from './dates.ts';
import { endpointPathOf, pathOf } from './endpoints.ts';
import { listQuery, orderingKey } from './fields.ts';
import { listOf, pageAnswer, pageOf } from './list-out.ts';
import { countOut } from './message-shapes.ts';
import { operateOnApp } from './operation.ts';
import { walkOf } from './paging.ts';
import type { ApiDeps, EndpointPath } from './port.ts';
import type { ApplicationRecord } from './records.ts';
import { sample } from './sample.ts';

const TAG = 'Endpoint';
const AT = '/app/{app_id}/endpoint/{endpoint_id}/blocked-key';
const COUNTED = 1000;

const blockedKeyOut = z
  .object({
    orderingKey: z.string().nullable().openapi({ description: 'Null: all of the endpoint (`fifo`)' }),
    msgId: z.string().openapi({ description: 'Of the dead letter that blocks it' }),
    eventType: z.string(),
    reason: z.string(),
    since: z.string().openapi({ description: 'When the message was given up' }),
    waiting: countOut,
  })
  .openapi('BlockedKeyOut', {
    example: {
      orderingKey: sample.orderingKey,
      msgId: sample.messageId,
      eventType: sample.eventType,
      reason: 'exhausted',
      since: sample.time,
      waiting: { count: 12, approximated: false },
    },
  });

const releaseIn = z
  .object({
    orderingKey: orderingKey
      .optional()
      .openapi({ description: 'Only this one; without it all of the endpoint' }),
  })
  .openapi('BlockedKeyReleaseIn', { example: { orderingKey: sample.orderingKey } });

const releaseOut = z
  .object({ released: z.int() })
  .openapi('BlockedKeyReleaseOut', { example: { released: 1 } });

const showKey = (key: BlockedKey): z.infer<typeof blockedKeyOut> => ({
  orderingKey: key.orderKey === WHOLE_ENDPOINT ? null : key.orderKey,
  msgId: key.messageId,
  eventType: key.eventType,
  reason: key.reason,
  since: formatDate(key.sinceMs),
  waiting: { count: Math.min(key.waiting, COUNTED), approximated: key.waiting > COUNTED },
});

/** Orders that a dead letter has stopped at an endpoint whose `poisonPolicy` is `block`. */
export const blockedKeyRoutes = (deps: ApiDeps): OpenAPIHono => {
  const app = new OpenAPIHono();
  const { blockedKeys, endpoints } = deps.store;

  const pathTo = async (
    application: ApplicationRecord,
    params: Readonly<Record<string, string>>,
  ): Promise<EndpointPath | null> => {
    const found = await endpoints.find(pathOf(application), params['endpoint_id'] ?? '');
    return found === null ? null : endpointPathOf(found);
  };

  operateOnApp(
    app,
    deps,
    {
      id: 'v1.endpoint.list-blocked-keys',
      method: 'get',
      path: AT,
      tag: TAG,
      summary:
        'List the ordering keys that a dead letter has stopped: which message, since when, how much waits',
      description:
        '`orderingKey` is null where the whole endpoint stands still (`fifo`). `waiting` counts up to 1000.',
      who: 'any',
      query: z.object(listQuery),
      answers: { 200: listOf(blockedKeyOut) },
      own: true,
    },
    async ({ application, params, query }) => {
      const path = await pathTo(application, params);
      if (path === null) return notFound();
      const page = pageOf(query, 'ascending');
      const keys = await blockedKeys.list(path, walkOf(page));
      return pageAnswer(keys, page, ({ messageId }) => messageId, showKey);
    },
  );

  operateOnApp(
    app,
    deps,
    {
      id: 'v1.endpoint.release-blocked-keys',
      method: 'post',
      path: `${AT}/release`,
      tag: TAG,
      summary: 'Let a blocked key go on with its next message, or all of them',
      description:
        'Without `orderingKey` all keys of the endpoint, and the endpoint as a whole where it is `fifo`, go on. The dead letters stay open: replay one instead to have its message sent first.',
      who: 'any',
      body: releaseIn,
      bodyOptional: true,
      answers: { 200: releaseOut },
      own: true,
    },
    async ({ application, params, body }) => {
      const path = await pathTo(application, params);
      if (path === null) return notFound();
      const released = await blockedKeys.release(path, body.orderingKey ?? null);
      if (released > 0) deps.wake(path.endpointId);
      return json(200, { released });
    },
  );

  return app;
};
