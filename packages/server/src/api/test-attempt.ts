import { OpenAPIHono } from '@hono/zod-openapi';
import { parseMessage } from '../ingest/parse-message.ts';
import { conflict, notFound, refused } from './answers.ts';
import type { Refusal } from './answers.ts';
import { attemptOutBytes } from './attempt-out.ts';
import { tooManyResends } from './deliveries.ts';
import { endpointPathOf, pathOf } from './endpoints.ts';
import { rendered } from './list-out.ts';
import { messageIn } from './message-create.ts';
import { attemptOut } from './message-shapes.ts';
import { operateOnApp } from './operation.ts';
import type { ApiDeps, AttemptFilter } from './port.ts';
import { notTaken } from './send-example.ts';
import { timePage } from './time-page.ts';

const noFilter: AttemptFilter = {
  eventTypes: null,
  channel: null,
  tag: null,
  status: null,
  codeClass: null,
  endpointId: null,
};

const notRecorded: Refusal = refused(
  503,
  'unavailable',
  'The attempt may have been made, but could not be recorded. Look at the message before you try again.',
);

/** One message, tried once at one endpoint, with the answer to it. */
export const testAttemptRoutes = (deps: ApiDeps): OpenAPIHono => {
  const app = new OpenAPIHono();
  const { attempts, endpoints } = deps.store;

  operateOnApp(
    app,
    deps,
    {
      id: 'v1.message.test-attempt',
      method: 'post',
      path: '/app/{app_id}/endpoint/{endpoint_id}/msg/test-attempt',
      tag: 'Message',
      summary: 'Try a message once at this endpoint alone, now, and get the attempt',
      who: 'org',
      body: messageIn,
      answers: { 201: attemptOut },
    },
    async ({ application, params, bytes }) => {
      const endpoint = await endpoints.find(pathOf(application), params['endpoint_id'] ?? '');
      if (endpoint === null) return notFound();
      // As message create reads it: the payload is the bytes that were posted.
      const parsed = parseMessage(bytes, ['body'], deps.clock.nowMs());
      if (parsed.kind === 'invalid') return { kind: 'invalid', items: parsed.issues };
      const placed = await deps.place({ ...parsed.value, ...pathOf(application), endpointId: null });
      if (placed.kind === 'event_exists') {
        return conflict('A message with that eventId already exists in this application');
      }
      if (placed.kind !== 'placed') return notTaken;
      const path = { ...endpointPathOf(endpoint), messageId: placed.message.id };
      const outcome = await deps.attemptNow(path);
      if (outcome === 'busy') return tooManyResends;
      const { window } = timePage('attempt', {}, deps.clock.nowMs());
      const made =
        outcome === 'done' ? await attempts.byMessage(path, window, noFilter, 1, true) : { rows: [] };
      const [row] = made.rows;
      return row === undefined ? notRecorded : rendered(201, attemptOutBytes(row, true, undefined));
    },
  );

  return app;
};
