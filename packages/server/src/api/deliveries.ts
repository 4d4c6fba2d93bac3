import { OpenAPIHono, z } from '@hono/zod-openapi';
import { badRequest, json, notFound } from './answers.ts';
import type { Refusal } from './answers.ts';
import { standingOf } from './attempt-out.ts';
import { formatDate } from './dates.ts';
import { messageEndpointOut, showEndpoint } from './endpoint-shapes.ts';
import { endpointPathOf, pathOf } from './endpoints.ts';
import { listQuery, moment } from './fields.ts';
import { listOf, pageAnswer, pageOf, renderedPage } from './list-out.ts';
import { payloadGone } from './message-content.ts';
import { messageOut } from './message-out.ts';
import { deliveryListQuery, endpointMessageOut, filterOf } from './message-shapes.ts';
import { operateOnApp } from './operation.ts';
import { walkOf } from './paging.ts';
import type { ApiDeps } from './port.ts';
import type { DeliveryStatus } from './records.ts';
import { sample } from './sample.ts';
import { timePage } from './time-page.ts';

const TAG = 'Message Attempt';
const STATS_SPAN_MS = 28 * 24 * 3600 * 1000;

const statsOut = z
  .object({
    success: z.int(),
    pending: z.int(),
    sending: z.int(),
    fail: z.int(),
    canceled: z.int(),
  })
  .openapi('EndpointStats', { example: { success: 4120, pending: 3, sending: 1, fail: 7, canceled: 0 } });

const throttlingOut = z
  .object({ status: z.enum(['Ok', 'RateLimited']), throttledSince: z.string().nullable() })
  .openapi('EndpointThrottleRateStatusOut', {
    example: { status: 'RateLimited', throttledSince: sample.time },
  });

const empty = z.object({}).openapi('EmptyResponse', { example: {} });

export const tooManyResends: Refusal = {
  kind: 'refused',
  status: 503,
  code: 'overloaded',
  detail: 'More is being sent by hand than this server does at once. Try again shortly.',
  headers: { 'retry-after': '1' },
};

/** Deliveries: messages of an endpoint, endpoints of a message, counts, and one more try by hand. */
export const deliveryRoutes = (deps: ApiDeps): OpenAPIHono => {
  const app = new OpenAPIHono();
  const { attempts, endpoints, messages } = deps.store;

  operateOnApp(
    app,
    deps,
    {
      id: 'v1.message-attempt.list-attempted-messages',
      method: 'get',
      path: '/app/{app_id}/endpoint/{endpoint_id}/msg',
      tag: TAG,
      summary: 'List the messages of an endpoint, with where each stands',
      who: 'any',
      query: deliveryListQuery,
      answers: { 200: listOf(endpointMessageOut) },
    },
    async ({ application, params, query }) => {
      const path = pathOf(application);
      const endpoint = await endpoints.find(path, params['endpoint_id'] ?? '');
      if (endpoint === null) return notFound();
      const { page, window } = timePage('message', query, deps.clock.nowMs());
      const filter = { ...filterOf(query), status: (query.status ?? null) as DeliveryStatus | null };
      const walked = await attempts.deliveriesOf(endpointPathOf(endpoint), window, filter, page.limit);
      const ids = walked.rows.map((row) => row.messageId);
      const { known, count } = await messages.byIds(path, ids, query.with_content !== false);
      // What has outlived its message is not shown, but the walk goes on beyond it.
      const rows = walked.rows.slice(0, count).flatMap((delivery) => {
        const message = known.get(delivery.messageId);
        return message === undefined ? [] : [{ delivery, message }];
      });
      const isCut = walked.rows.length > page.limit || count < walked.rows.length;
      const last = walked.rows[Math.min(count, page.limit) - 1];
      const isShort = isCut && rows.length <= page.limit;
      const stoppedAt = isShort ? last!.messageId : walked.stoppedAt;
      return renderedPage(
        rows,
        page,
        ({ message }) => message.id,
        ({ delivery, message }) =>
          messageOut(message, standingOf(delivery, query.expanded_statuses === true)),
        stoppedAt,
      );
    },
  );

  operateOnApp(
    app,
    deps,
    {
      id: 'v1.message-attempt.list-attempted-destinations',
      method: 'get',
      path: '/app/{app_id}/msg/{msg_id}/endpoint',
      tag: TAG,
      summary: 'List the endpoints of a message, with where each delivery stands',
      who: 'any',
      query: z.object(listQuery),
      answers: { 200: listOf(messageEndpointOut) },
    },
    async ({ application, params, query }) => {
      const path = pathOf(application);
      const message = await messages.find(path, params['msg_id'] ?? '', false);
      if (message === null) return notFound();
      const page = pageOf(query, 'descending');
      const walked = await attempts.destinationsOf({ ...path, messageId: message.id }, walkOf(page));
      return pageAnswer(
        walked.rows,
        page,
        ({ endpoint }) => endpoint.id,
        ({ delivery, endpoint }) => {
          const { metadata: _metadata, ...shown } = showEndpoint(endpoint, deps.clock.nowMs());
          return { ...shown, ...standingOf(delivery) };
        },
        walked.stoppedAt,
      );
    },
  );

  operateOnApp(
    app,
    deps,
    {
      id: 'v1.message-attempt.resend',
      method: 'post',
      path: '/app/{app_id}/msg/{msg_id}/endpoint/{endpoint_id}/resend',
      tag: TAG,
      summary: 'Try once more, now, beside the schedule',
      who: 'any',
      needs: 'CreateAttempts',
      answers: { 202: empty },
    },
    async ({ application, params }) => {
      const path = pathOf(application);
      const message = await messages.find(path, params['msg_id'] ?? '', false);
      const endpoint = await endpoints.find(path, params['endpoint_id'] ?? '');
      if (message === null || endpoint === null) return notFound();
      if (message.payload.kind === 'gone') {
        return payloadGone;
      }
      if (endpoint.disabled) return json(202, {});
      const sent = await deps.resend({ ...endpointPathOf(endpoint), messageId: message.id });
      return sent === 'busy' ? tooManyResends : json(202, {});
    },
  );

  operateOnApp(
    app,
    deps,
    {
      id: 'v1.endpoint.get-stats',
      method: 'get',
      path: '/app/{app_id}/endpoint/{endpoint_id}/stats',
      tag: 'Endpoint',
      summary: 'Count the deliveries of an endpoint by where they stand, over at most 28 days',
      who: 'any',
      query: z.object({ since: moment.optional(), until: moment.optional() }),
      answers: { 200: statsOut },
    },
    async ({ application, params, query }) => {
      const endpoint = await endpoints.find(pathOf(application), params['endpoint_id'] ?? '');
      if (endpoint === null) return notFound();
      const until = query.until ?? deps.clock.nowMs() + 1000;
      const since = query.since ?? until - STATS_SPAN_MS;
      if (since > until || until - since > STATS_SPAN_MS) {
        return badRequest('`since` must be before `until`, and at most 28 days before it.', 'invalid_range');
      }
      return json(200, await attempts.stats(endpointPathOf(endpoint), since, until));
    },
  );

  operateOnApp(
    app,
    deps,
    {
      id: 'v1.endpoint.get-throttling-status',
      method: 'get',
      path: '/app/{app_id}/endpoint/{endpoint_id}/rate-limit-status',
      tag: 'Endpoint',
      summary: 'Tell whether deliveries that are due wait for the rate limit of the endpoint',
      who: 'any',
      answers: { 200: throttlingOut },
    },
    async ({ application, params }) => {
      const endpoint = await endpoints.find(pathOf(application), params['endpoint_id'] ?? '');
      if (endpoint === null) return notFound();
      const sinceMs = await endpoints.throttledSinceMs(endpointPathOf(endpoint));
      return json(
        200,
        sinceMs === null
          ? { status: 'Ok', throttledSince: null }
          : { status: 'RateLimited', throttledSince: formatDate(sinceMs) },
      );
    },
  );

  return app;
};
