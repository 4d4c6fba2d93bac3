import { OpenAPIHono, z } from '@hono/zod-openapi';
import { operationalEventTypes, operationalOrgId } from '../domain/operational.ts';
import { json, notFound } from './answers.ts';
import { checkEndpoint, checkHeaderSet, checkHeaders, completeEndpoint } from './endpoint-input.ts';
import { addEndpointSettings } from './endpoint-settings.ts';
import type { EndpointPlace } from './endpoint-settings.ts';
import { endpointIn, endpointOut, showEndpoint } from './endpoint-shapes.ts';
import type { EndpointIn } from './endpoint-shapes.ts';
import { createEndpoint, pathOf, removeEndpoint, updateEndpoint } from './endpoints.ts';
import { listQuery, order } from './fields.ts';
import { mergeHeaders } from './header-rules.ts';
import { listOf, pageAnswer, pageOf } from './list-out.ts';
import { operate, operateOnOperational } from './operation.ts';
import { walkOf } from './paging.ts';
import type { ApiDeps } from './port.ts';
import type { ApplicationRecord, EndpointRecord } from './records.ts';
import { sample } from './sample.ts';

const PATH = '/operational-webhook/endpoint';
const place: EndpointPlace = {
  operateOn: operateOnOperational,
  id: 'v1.operational-webhook.endpoint',
  at: `${PATH}/{endpoint_id}`,
  tag: 'Webhook Endpoint',
  who: 'org',
};

/** What they have no use for: their events have no order that anybody asks for. */
const UNUSED = { channels: true, version: true, fifo: true, poisonPolicy: true } as const;
const operationalIn = z.object(endpointIn.omit(UNUSED).shape).openapi('OperationalWebhookEndpointIn', {
  example: { url: sample.url, uid: sample.endpointUid, eventTypes: ['message.attempt.exhausted'] },
});
const operationalOut = z.object(endpointOut.omit(UNUSED).shape).openapi('OperationalWebhookEndpointOut', {
  example: {
    id: sample.endpointId,
    url: sample.url,
    uid: sample.endpointUid,
    description: '',
    rateLimit: null,
    throttleRate: null,
    disabled: false,
    eventTypes: ['message.attempt.exhausted'],
    filterTypes: ['message.attempt.exhausted'],
    metadata: {},
    createdAt: sample.time,
    updatedAt: sample.time,
    delivering: { state: 'active' },
  },
});

const show = (endpoint: EndpointRecord, nowMs: number): z.infer<typeof operationalOut> => {
  const {
    channels: _channels,
    version: _version,
    fifo: _fifo,
    poisonPolicy: _poisonPolicy,
    ...shown
  } = showEndpoint(endpoint, nowMs);
  return shown;
};

const missing = async (names: readonly string[]): Promise<readonly string[]> =>
  names.filter((name) => !operationalEventTypes.some((known) => known === name));

/** Endpoints that an organisation is told by what becomes of its endpoints and messages. */
export const operationalWebhookRoutes = (deps: ApiDeps): OpenAPIHono => {
  const app = new OpenAPIHono();
  const { applications, endpoints } = deps.store;
  const of = (orgId: string): Promise<ApplicationRecord | null> => applications.find(operationalOrgId, orgId);

  /** The organisation's hidden application, made when it is first needed. */
  const ensure = async (orgId: string): Promise<ApplicationRecord> => {
    const present = await of(orgId);
    if (present !== null) return present;
    const fields = { uid: orgId, name: `Operational webhooks of ${orgId}`, rateLimit: null, metadata: {} };
    const id = deps.ids('application');
    const written = await applications.create(operationalOrgId, id, fields, deps.clock.nowMs());
    const row = written.kind === 'written' ? written.row : await of(orgId);
    if (row === null) throw new Error(`the operational application of ${orgId} is neither there nor new`);
    return row;
  };

  const check = async (orgId: string, body: Omit<EndpointIn, 'channels' | 'version'>) => {
    const headers = body.headers ?? {};
    const bad = checkHeaders(headers) ?? checkHeaderSet(headers);
    return bad ?? checkEndpoint(deps, orgId, body, missing);
  };

  operate(
    app,
    deps,
    {
      id: `${place.id}.list`,
      method: 'get',
      path: PATH,
      tag: place.tag,
      summary: 'List the endpoints for operational events',
      who: place.who,
      query: z.object({ ...listQuery, order: order.optional() }),
      answers: { 200: listOf(operationalOut) },
    },
    async ({ principal, query }) => {
      const page = pageOf(query, 'descending');
      const application = await of(principal.orgId);
      const { rows, stoppedAt } =
        application === null
          ? { rows: [], stoppedAt: null }
          : await endpoints.list(pathOf(application), walkOf(page));
      const nowMs = deps.clock.nowMs();
      return pageAnswer(
        rows,
        page,
        ({ id }) => id,
        (row) => show(row, nowMs),
        stoppedAt,
      );
    },
  );

  operate(
    app,
    deps,
    {
      id: `${place.id}.create`,
      method: 'post',
      path: PATH,
      tag: place.tag,
      summary: 'Create an endpoint for operational events',
      who: place.who,
      body: operationalIn,
      answers: { 201: operationalOut },
    },
    async ({ principal, body }) => {
      const wish = await check(principal.orgId, body);
      if ('kind' in wish) return wish;
      const application = await ensure(principal.orgId);
      return createEndpoint(deps, application, wish.value, mergeHeaders({}, body.headers ?? {}), show);
    },
  );

  operateOnOperational(
    app,
    deps,
    {
      id: `${place.id}.get`,
      method: 'get',
      path: place.at,
      tag: place.tag,
      summary: 'Get an endpoint for operational events',
      who: place.who,
      answers: { 200: operationalOut },
    },
    async ({ application, params }) => {
      const found = await endpoints.find(pathOf(application), params['endpoint_id'] ?? '');
      return found === null ? notFound() : json(200, show(found, deps.clock.nowMs()));
    },
  );

  operate(
    app,
    deps,
    {
      id: `${place.id}.upsert`,
      method: 'put',
      path: place.at,
      tag: place.tag,
      summary: 'Update an endpoint for operational events, or create it if there is none',
      who: place.who,
      body: operationalIn,
      answers: { 200: operationalOut, 201: operationalOut },
    },
    async ({ principal, params, body }) => {
      const wish = await check(principal.orgId, body);
      if ('kind' in wish) return wish;
      const application = await ensure(principal.orgId);
      const found = await endpoints.find(pathOf(application), params['endpoint_id'] ?? '');
      if (found === null) {
        return createEndpoint(deps, application, wish.value, mergeHeaders({}, body.headers ?? {}), show);
      }
      const fields = completeEndpoint(wish.value.changes);
      return 'kind' in fields ? fields : updateEndpoint(deps, found, fields, wish.value.key, show);
    },
  );

  operateOnOperational(
    app,
    deps,
    {
      id: `${place.id}.delete`,
      method: 'delete',
      path: place.at,
      tag: place.tag,
      summary: 'Delete an endpoint for operational events',
      who: place.who,
      answers: { 204: null },
    },
    async ({ application, params }) => removeEndpoint(deps, application, params['endpoint_id'] ?? ''),
  );

  addEndpointSettings(app, deps, place);
  return app;
};
