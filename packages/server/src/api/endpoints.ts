import { OpenAPIHono, z } from '@hono/zod-openapi';
import { conflict, json, noContent, notFound } from './answers.ts';
import type { Answer } from './answers.ts';
import { checkEndpoint, checkHeaderSet, checkHeaders, completeEndpoint } from './endpoint-input.ts';
import type { EndpointWish } from './endpoint-input.ts';
import { endpointIn, endpointOut, endpointPatch, showEndpoint } from './endpoint-shapes.ts';
import { listQuery, order } from './fields.ts';
import { mergeHeaders } from './header-rules.ts';
import { listOf, pageAnswer, pageOf } from './list-out.ts';
import { operateOnApp } from './operation.ts';
import { walkOf } from './paging.ts';
import type { ApiDeps, AppPath, EndpointPath } from './port.ts';
import type { ApplicationRecord, EndpointRecord, HeaderMap } from './records.ts';
import { makeSecret } from './secrets.ts';

const TAG = 'Endpoint';

export const pathOf = (application: ApplicationRecord): AppPath => ({
  orgId: application.orgId,
  applicationId: application.id,
});

export const endpointPathOf = (endpoint: EndpointRecord): EndpointPath => ({
  orgId: endpoint.orgId,
  applicationId: endpoint.applicationId,
  endpointId: endpoint.id,
});

/** Tells the rest of the process that an endpoint is not what it was. */
export const endpointChanged = (
  deps: ApiDeps,
  path: EndpointPath,
  what: { readonly areNew?: true } = {},
): Promise<void> =>
  deps.onConfigChange({
    orgId: path.orgId,
    applicationId: path.applicationId,
    endpointIds: [path.endpointId],
    ...what,
  });

/** Creates an endpoint as wished and answers with it. */
export const createEndpoint = async (
  deps: ApiDeps,
  application: ApplicationRecord,
  wish: EndpointWish,
  headers: HeaderMap,
  show: (endpoint: EndpointRecord, nowMs: number) => unknown = showEndpoint,
): Promise<Answer> => {
  const fields = completeEndpoint(wish.changes);
  if ('kind' in fields) return fields;
  const path = { ...pathOf(application), endpointId: deps.ids('endpoint') };
  const key = wish.key ?? makeSecret(deps.signature, deps.random.bytes);
  const nowMs = deps.clock.nowMs();
  const written = await deps.store.endpoints.create(path, fields, key, headers, nowMs);
  if (written.kind === 'missing') return notFound();
  if (written.kind === 'conflict') return conflict();
  await endpointChanged(deps, path, { areNew: true });
  return json(201, show(written.row, nowMs));
};

/** Changes an endpoint as wished and answers with it. */
export const updateEndpoint = async (
  deps: ApiDeps,
  endpoint: EndpointRecord,
  changes: EndpointWish['changes'],
  key: EndpointWish['key'],
  show: (endpoint: EndpointRecord, nowMs: number) => unknown = showEndpoint,
): Promise<Answer> => {
  const path = endpointPathOf(endpoint);
  const wanted = { ...changes, ...(key === null ? {} : { key }) };
  const nowMs = deps.clock.nowMs();
  const written = await deps.store.endpoints.update(path, wanted, nowMs);
  if (written.kind === 'missing') return notFound();
  if (written.kind === 'conflict') return conflict();
  await endpointChanged(deps, path);
  return json(200, show(written.row, nowMs));
};

/** Deletes an endpoint by id or uid. */
export const removeEndpoint = async (
  deps: ApiDeps,
  application: ApplicationRecord,
  idOrUid: string,
): Promise<Answer> => {
  const found = await deps.store.endpoints.find(pathOf(application), idOrUid);
  if (found === null) return notFound();
  const path = endpointPathOf(found);
  if (!(await deps.store.endpoints.remove(path, deps.clock.nowMs()))) return notFound();
  await endpointChanged(deps, path);
  return noContent;
};

/** Endpoints: where webhooks of an application go. */
export const endpointRoutes = (deps: ApiDeps): OpenAPIHono => {
  const app = new OpenAPIHono();
  const { endpoints } = deps.store;

  operateOnApp(
    app,
    deps,
    {
      id: 'v1.endpoint.list',
      method: 'get',
      path: '/app/{app_id}/endpoint',
      tag: TAG,
      summary: "List an application's endpoints",
      who: 'any',
      query: z.object({ ...listQuery, order: order.optional() }),
      answers: { 200: listOf(endpointOut) },
    },
    async ({ application, query }) => {
      const page = pageOf(query, 'descending');
      const { rows, stoppedAt } = await endpoints.list(pathOf(application), walkOf(page));
      const nowMs = deps.clock.nowMs();
      return pageAnswer(
        rows,
        page,
        ({ id }) => id,
        (row) => showEndpoint(row, nowMs),
        stoppedAt,
      );
    },
  );

  operateOnApp(
    app,
    deps,
    {
      id: 'v1.endpoint.create',
      method: 'post',
      path: '/app/{app_id}/endpoint',
      tag: TAG,
      summary: 'Create an endpoint',
      who: 'any',
      body: endpointIn,
      answers: { 201: endpointOut },
    },
    async ({ application, body }) => {
      const headers = body.headers ?? {};
      const badHeaders = checkHeaders(headers) ?? checkHeaderSet(headers);
      if (badHeaders !== null) return badHeaders;
      const wish = await checkEndpoint(deps, application.orgId, body);
      return 'kind' in wish ? wish : createEndpoint(deps, application, wish.value, mergeHeaders({}, headers));
    },
  );

  operateOnApp(
    app,
    deps,
    {
      id: 'v1.endpoint.get',
      method: 'get',
      path: '/app/{app_id}/endpoint/{endpoint_id}',
      tag: TAG,
      summary: 'Get an endpoint',
      who: 'any',
      answers: { 200: endpointOut },
    },
    async ({ application, params }) => {
      const found = await endpoints.find(pathOf(application), params['endpoint_id'] ?? '');
      return found === null ? notFound() : json(200, showEndpoint(found, deps.clock.nowMs()));
    },
  );

  operateOnApp(
    app,
    deps,
    {
      id: 'v1.endpoint.upsert',
      method: 'put',
      path: '/app/{app_id}/endpoint/{endpoint_id}',
      tag: TAG,
      summary: 'Update an endpoint, or create it if there is none',
      who: 'any',
      body: endpointIn,
      answers: { 200: endpointOut, 201: endpointOut },
    },
    async ({ application, params, body }) => {
      const headers = body.headers ?? null;
      const badHeaders = headers === null ? null : (checkHeaders(headers) ?? checkHeaderSet(headers));
      if (badHeaders !== null) return badHeaders;
      const wish = await checkEndpoint(deps, application.orgId, body);
      if ('kind' in wish) return wish;
      const found = await endpoints.find(pathOf(application), params['endpoint_id'] ?? '');
      if (found === null)
        return createEndpoint(deps, application, wish.value, mergeHeaders({}, headers ?? {}));
      const fields = completeEndpoint(wish.value.changes);
      return 'kind' in fields ? fields : updateEndpoint(deps, found, fields, wish.value.key);
    },
  );

  operateOnApp(
    app,
    deps,
    {
      id: 'v1.endpoint.patch',
      method: 'patch',
      path: '/app/{app_id}/endpoint/{endpoint_id}',
      tag: TAG,
      summary: 'Change some fields of an endpoint',
      who: 'any',
      body: endpointPatch,
      answers: { 200: endpointOut },
    },
    async ({ application, params, body }) => {
      const found = await endpoints.find(pathOf(application), params['endpoint_id'] ?? '');
      if (found === null) return notFound();
      const wish = await checkEndpoint(deps, application.orgId, body);
      if ('kind' in wish) return wish;
      return updateEndpoint(deps, found, wish.value.changes, wish.value.key);
    },
  );

  operateOnApp(
    app,
    deps,
    {
      id: 'v1.endpoint.delete',
      method: 'delete',
      path: '/app/{app_id}/endpoint/{endpoint_id}',
      tag: TAG,
      summary: 'Delete an endpoint',
      who: 'any',
      answers: { 204: null },
    },
    async ({ application, params }) => removeEndpoint(deps, application, params['endpoint_id'] ?? ''),
  );

  return app;
};
