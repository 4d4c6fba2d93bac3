import { OpenAPIHono, z } from '@hono/zod-openapi';
import { invalid, json, noContent, notFound } from './answers.ts';
import type { Answer } from './answers.ts';
import { pathOf } from './endpoints.ts';
import { channelName, eventTypeName, moment, tagName } from './fields.ts';
import { statusCodeClasses } from './message-shapes.ts';
import { operateOnApp } from './operation.ts';
import type { ApiDeps } from './port.ts';
import { deliveryStatus } from './records.ts';
import type { ApplicationRecord, TaskInput, TaskKind } from './records.ts';
import { sample } from './sample.ts';
import { beginTask, showTaskStarted, taskStarted } from './task-out.ts';

const TAG = 'Endpoint';
const AT = '/app/{app_id}/endpoint/{endpoint_id}';
const RECOVER_SPAN_MS = 14 * 24 * 3600 * 1000;

const span = { since: moment, until: moment.nullish() };
const recoverIn = z.object(span).openapi('RecoverIn', { example: { since: sample.time } });
const bulkReplayIn = z
  .object({
    ...span,
    eventTypes: z.array(eventTypeName).nullish(),
    channel: channelName.nullish(),
    tag: tagName.nullish(),
    status: z.literal(Object.values(deliveryStatus)).nullish(),
    statusCodeClass: z.literal(statusCodeClasses).nullish(),
  })
  .openapi('BulkReplayIn', { example: { since: sample.time, eventTypes: [sample.eventType] } });
const cancelIn = z
  .object({ createdBefore: moment })
  .openapi('CancelMsgsIn', { example: { createdBefore: sample.time } });

type Span = { readonly since: number; readonly until?: number | null | undefined };

const noFilter = { eventTypes: null, channel: null, tag: null, status: null, codeClass: null } as const;

/** Starts a task on behalf of an operation. */
export const startTask = async (
  deps: ApiDeps,
  application: ApplicationRecord,
  kind: TaskKind,
  input: TaskInput,
): Promise<Answer> => {
  if (input.untilMs !== null && input.untilMs < input.sinceMs) {
    return invalid(['body', 'until'], '`until` must not be before `since`.');
  }
  return json(202, showTaskStarted(await beginTask(deps, pathOf(application), kind, input)));
};

/** Sending again what failed or was missed, and no longer sending what waits. */
export const recoveryRoutes = (deps: ApiDeps): OpenAPIHono => {
  const app = new OpenAPIHono();

  const start = async (
    application: ApplicationRecord,
    endpointIdOrUid: string,
    kind: TaskKind,
    body: Span,
    filter: Pick<TaskInput, keyof typeof noFilter> = noFilter,
  ): Promise<Answer> => {
    const endpoint = await deps.store.endpoints.find(pathOf(application), endpointIdOrUid);
    if (endpoint === null) return notFound();
    return startTask(deps, application, kind, {
      ...filter,
      endpointId: endpoint.id,
      sinceMs: body.since,
      untilMs: body.until ?? null,
    });
  };

  operateOnApp(
    app,
    deps,
    {
      id: 'v1.endpoint.recover',
      method: 'post',
      path: `${AT}/recover`,
      tag: TAG,
      summary: 'Send again what failed since a moment',
      who: 'any',
      needs: 'CreateAttempts',
      body: recoverIn,
      answers: { 202: taskStarted },
    },
    async ({ application, params, body }) => {
      if (body.since < deps.clock.nowMs() - RECOVER_SPAN_MS) {
        return invalid(['body', 'since'], 'Cannot recover messages more than 14 days in the past');
      }
      return start(application, params['endpoint_id'] ?? '', 'endpoint.recover', body);
    },
  );

  operateOnApp(
    app,
    deps,
    {
      id: 'v1.endpoint.replay-missing',
      method: 'post',
      path: `${AT}/replay-missing`,
      tag: TAG,
      summary: 'Send what the endpoint subscribes to and was never sent to it',
      who: 'any',
      needs: 'CreateAttempts',
      body: recoverIn,
      answers: { 202: taskStarted },
    },
    async ({ application, params, body }) =>
      start(application, params['endpoint_id'] ?? '', 'endpoint.replay', body),
  );

  operateOnApp(
    app,
    deps,
    {
      id: 'v1.endpoint.bulk-replay',
      method: 'post',
      path: `${AT}/bulk-replay`,
      tag: TAG,
      summary: 'Send again what was sent before, by filter',
      who: 'any',
      needs: 'CreateAttempts',
      body: bulkReplayIn,
      answers: { 202: taskStarted },
    },
    async ({ application, params, body }) =>
      start(application, params['endpoint_id'] ?? '', 'endpoint.bulk-replay', body, {
        eventTypes: body.eventTypes ?? null,
        channel: body.channel ?? null,
        tag: body.tag ?? null,
        status: body.status ?? null,
        codeClass: body.statusCodeClass ?? null,
      }),
  );

  operateOnApp(
    app,
    deps,
    {
      id: 'v1.endpoint.cancel-msgs',
      method: 'post',
      path: `${AT}/cancel-msgs`,
      tag: TAG,
      summary: 'Cancel what waits to be sent and was created before a moment',
      who: 'any',
      needs: 'CreateAttempts',
      body: cancelIn,
      answers: { 204: null },
    },
    async ({ application, params, body }) => {
      const span = { since: 0, until: body.createdBefore };
      const started = await start(application, params['endpoint_id'] ?? '', 'endpoint.cancel', span);
      return started.kind === 'json' ? noContent : started;
    },
  );

  return app;
};
