import { OpenAPIHono, z } from '@hono/zod-openapi';
import { json, noContent, notFound } from './answers.ts';
import type { Answer } from './answers.ts';
import { attemptHeadersOut, attemptOutBytes } from './attempt-out.ts';
import { endpointPathOf, pathOf } from './endpoints.ts';
import { flag } from './fields.ts';
import { listOf, rendered, renderedPage } from './list-out.ts';
import { attemptHeaders, attemptListQuery, attemptOut, countOut, filterOf } from './message-shapes.ts';
import { operateOnApp } from './operation.ts';
import type { AppCaller } from './operation.ts';
import type { ApiDeps, AppPath, AttemptFilter, MessagePath, Walked } from './port.ts';
import type { AttemptRow, EndpointRecord } from './records.ts';
import { timePage } from './time-page.ts';

const TAG = 'Message Attempt';

type Query = z.infer<typeof attemptListQuery>;

const attemptFilter = (
  query: Omit<Query, 'limit' | 'iterator'>,
  endpoint: EndpointRecord | null,
): AttemptFilter => ({
  ...filterOf(query),
  status: query.status ?? null,
  codeClass: query.status_code_class ?? null,
  endpointId: endpoint?.id ?? null,
});

/** Attempts: what was tried, and what came of it. */
export const attemptRoutes = (deps: ApiDeps): OpenAPIHono => {
  const app = new OpenAPIHono();
  const { attempts, endpoints, messages } = deps.store;

  const findMessage = async (path: AppPath, idOrEventId: string): Promise<MessagePath | null> => {
    const found = await messages.find(path, idOrEventId, false);
    return found === null ? null : { ...path, messageId: found.id };
  };

  const answerList = async (
    path: AppPath,
    query: Query,
    read: (window: ReturnType<typeof timePage>['window'], limit: number) => Promise<Walked<AttemptRow>>,
  ): Promise<Answer> => {
    const { page, window } = timePage('attempt', query, deps.clock.nowMs());
    const walked = await read(window, page.limit);
    const ids = query.with_msg === true ? [...new Set(walked.rows.map((row) => row.messageId))] : [];
    const withContent = query.with_content !== false;
    const { known } = await messages.byIds(path, ids, false);
    const show = (row: AttemptRow): Buffer => attemptOutBytes(row, withContent, known.get(row.messageId));
    return renderedPage(walked.rows, page, ({ id }) => id, show, walked.stoppedAt);
  };

  const listByEndpoint = async (caller: AppCaller<Query, undefined>): Promise<Answer> => {
    const { application, params, query } = caller;
    const path = pathOf(application);
    const endpoint = await endpoints.find(path, params['endpoint_id'] ?? '');
    if (endpoint === null) return notFound();
    const filter = attemptFilter({ ...query, endpoint_id: undefined }, null);
    const withContent = query.with_content !== false;
    return answerList(path, query, (window, limit) =>
      attempts.byEndpoint(endpointPathOf(endpoint), window, filter, limit, withContent),
    );
  };

  const listByMessage = async (
    caller: AppCaller<Query, undefined>,
    endpointIdOrUid: string | undefined,
  ): Promise<Answer> => {
    const { application, params, query } = caller;
    const path = pathOf(application);
    const message = await findMessage(path, params['msg_id'] ?? '');
    if (message === null) return notFound();
    const endpoint = endpointIdOrUid === undefined ? null : await endpoints.find(path, endpointIdOrUid);
    if (endpointIdOrUid !== undefined && endpoint === null) return notFound();
    const filter = attemptFilter(query, endpoint);
    const withContent = query.with_content !== false;
    return answerList(path, query, (window, limit) =>
      attempts.byMessage(message, window, filter, limit, withContent),
    );
  };

  const list = {
    method: 'get',
    tag: TAG,
    who: 'any',
    query: attemptListQuery,
    answers: { 200: listOf(attemptOut) },
  } as const;

  operateOnApp(
    app,
    deps,
    {
      ...list,
      id: 'v1.message-attempt.list-by-endpoint',
      path: '/app/{app_id}/attempt/endpoint/{endpoint_id}',
      summary: 'List the attempts of an endpoint, newest first',
    },
    listByEndpoint,
  );

  operateOnApp(
    app,
    deps,
    {
      ...list,
      id: 'v1.message-attempt.list-by-msg',
      path: '/app/{app_id}/attempt/msg/{msg_id}',
      summary: 'List the attempts of a message, newest first',
    },
    (caller) => listByMessage(caller, caller.query.endpoint_id),
  );

  operateOnApp(
    app,
    deps,
    {
      ...list,
      id: 'v1.message-attempt.list-by-msg-deprecated',
      path: '/app/{app_id}/msg/{msg_id}/attempt',
      summary: 'The older path of the attempts of a message',
      hidden: true,
    },
    (caller) => listByMessage(caller, caller.query.endpoint_id),
  );

  operateOnApp(
    app,
    deps,
    {
      ...list,
      id: 'v1.message-attempt.list-by-endpoint-deprecated',
      path: '/app/{app_id}/msg/{msg_id}/endpoint/{endpoint_id}/attempt',
      summary: 'The older path of the attempts of a message to an endpoint',
      hidden: true,
    },
    (caller) => listByMessage(caller, caller.params['endpoint_id']),
  );

  operateOnApp(
    app,
    deps,
    {
      id: 'v1.message-attempt.get',
      method: 'get',
      path: '/app/{app_id}/msg/{msg_id}/attempt/{attempt_id}',
      tag: TAG,
      summary: 'Get an attempt with its evidence',
      who: 'any',
      query: z.object({ expanded_statuses: flag.optional() }),
      answers: { 200: attemptOut },
    },
    async ({ application, params }) => {
      const message = await findMessage(pathOf(application), params['msg_id'] ?? '');
      if (message === null) return notFound();
      const row = await attempts.find(message, params['attempt_id'] ?? '');
      return row === null ? notFound() : rendered(200, attemptOutBytes(row, true, undefined));
    },
  );

  operateOnApp(
    app,
    deps,
    {
      id: 'v1.message-attempt.get-headers',
      method: 'get',
      path: '/app/{app_id}/msg/{msg_id}/attempt/{attempt_id}/headers',
      tag: TAG,
      summary: 'Get the headers of an attempt; of sensitive ones only the names',
      who: 'any',
      answers: { 200: attemptHeaders },
    },
    async ({ application, params }) => {
      const message = await findMessage(pathOf(application), params['msg_id'] ?? '');
      if (message === null) return notFound();
      const row = await attempts.find(message, params['attempt_id'] ?? '');
      return row === null ? notFound() : json(200, attemptHeadersOut(row));
    },
  );

  operateOnApp(
    app,
    deps,
    {
      id: 'v1.message-attempt.count-by-endpoint',
      method: 'get',
      path: '/app/{app_id}/attempt/endpoint/{endpoint_id}/count',
      tag: TAG,
      summary: 'Count the attempts of an endpoint, up to 10,000',
      who: 'any',
      query: attemptListQuery.omit({ limit: true, iterator: true, endpoint_id: true }),
      answers: { 200: countOut },
    },
    async ({ application, params, query }) => {
      const endpoint = await endpoints.find(pathOf(application), params['endpoint_id'] ?? '');
      if (endpoint === null) return notFound();
      const { window } = timePage('attempt', query, deps.clock.nowMs());
      const filter = attemptFilter(query, null);
      return json(200, await attempts.countByEndpoint(endpointPathOf(endpoint), window, filter));
    },
  );

  operateOnApp(
    app,
    deps,
    {
      id: 'v1.message-attempt.expunge-content',
      method: 'delete',
      path: '/app/{app_id}/msg/{msg_id}/attempt/{attempt_id}/content',
      tag: TAG,
      summary: 'Delete the response that an attempt got',
      who: 'org',
      answers: { 204: null },
    },
    async ({ application, params }) => {
      const message = await findMessage(pathOf(application), params['msg_id'] ?? '');
      if (message === null) return notFound('Message not found');
      const done = await attempts.expunge(message, params['attempt_id'] ?? '');
      return done ? noContent : notFound('Message attempt not found');
    },
  );

  return app;
};
