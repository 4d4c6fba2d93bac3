import { OpenAPIHono, z } from '@hono/zod-openapi';
import { invalid, notFound, refused } from './answers.ts';
import { pathOf } from './endpoints.ts';
import { eventTypeName, eventTypesQuery, flag, idOrUid, listQuery, moment } from './fields.ts';
import { letterOut, showLetter } from './letter-shapes.ts';
import { listOf, pageAnswer, pageOf } from './list-out.ts';
import { operateOnApp } from './operation.ts';
import { walkOf } from './paging.ts';
import type { ApiDeps } from './port.ts';
import { startTask } from './recovery.ts';
import { sample } from './sample.ts';
import { taskStarted } from './task-out.ts';

const TAG = 'Dead Letter';
const AT = '/app/{app_id}/dead-letter';

const replayIn = z
  .object({
    since: moment,
    until: moment.nullish(),
    endpointId: idOrUid.nullish(),
    eventTypes: z.array(eventTypeName).nullish(),
  })
  .openapi('DeadLetterReplayIn', { example: { since: sample.time, endpointId: sample.endpointUid } });

/** Dead letters: deliveries that were given up, listed and replayed in numbers. */
export const deadLetterRoutes = (deps: ApiDeps): OpenAPIHono => {
  const app = new OpenAPIHono();
  const { deadLetters, endpoints } = deps.store;

  operateOnApp(
    app,
    deps,
    {
      id: 'v1.dead-letter.list',
      method: 'get',
      path: AT,
      tag: TAG,
      summary: 'List dead letters, latest first',
      who: 'any',
      query: z.object({
        ...listQuery,
        ...eventTypesQuery,
        endpoint_id: idOrUid.optional(),
        state: z.enum(['open', 'replayed', 'discarded']).optional(),
        reason: eventTypeName.optional(),
        reviewed: flag.optional(),
        since: moment.optional(),
        until: moment.optional(),
      }),
      answers: { 200: listOf(letterOut) },
      own: true,
    },
    async ({ application, query }) => {
      const path = pathOf(application);
      const endpoint = query.endpoint_id === undefined ? null : await endpoints.find(path, query.endpoint_id);
      if (query.endpoint_id !== undefined && endpoint === null) return notFound();
      const page = pageOf(query, 'descending');
      const filter = {
        endpointId: endpoint?.id ?? null,
        eventTypes: query.event_types ?? null,
        state: query.state ?? null,
        reason: query.reason ?? null,
        reviewed: query.reviewed ?? null,
        sinceMs: query.since ?? null,
        untilMs: query.until ?? null,
      };
      const walk = walkOf(page);
      if (walk.from !== null && !deadLetters.isKey(walk.from)) {
        return invalid(['query', 'iterator'], 'The iterator is not one of this list.');
      }
      const walked = await deadLetters.list(path, filter, walk);
      return pageAnswer(walked.rows, page, ({ key }) => key, showLetter, walked.stoppedAt);
    },
  );

  operateOnApp(
    app,
    deps,
    {
      id: 'v1.dead-letter.replay-many',
      method: 'post',
      path: `${AT}/replay`,
      tag: TAG,
      summary: 'Deliver dead letters again, by endpoint, event type and time; a background task',
      who: 'any',
      needs: 'CreateAttempts',
      body: replayIn,
      answers: { 202: taskStarted },
      own: true,
    },
    async ({ application, body }) => {
      const path = pathOf(application);
      const wanted = body.endpointId ?? null;
      const endpoint = wanted === null ? null : await endpoints.find(path, wanted);
      if (wanted !== null && endpoint === null) return refused(404, 'not_found', 'Endpoint not found');
      return startTask(deps, application, 'application.replay', {
        endpointId: endpoint?.id ?? null,
        sinceMs: body.since,
        untilMs: body.until ?? null,
        eventTypes: body.eventTypes ?? null,
        channel: null,
        tag: null,
        status: null,
      });
    },
  );

  return app;
};
