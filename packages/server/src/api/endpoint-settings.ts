import { OpenAPIHono, z } from '@hono/zod-openapi';
import { badRequest, invalid, json, noContent, notFound } from './answers.ts';
import type { Answer } from './answers.ts';
import { checkHeaderSet, checkHeaders } from './endpoint-input.ts';
import { endpointChanged, endpointPathOf, pathOf } from './endpoints.ts';
import { mergeHeaders, showHeaders } from './header-rules.ts';
import { operateOnApp } from './operation.ts';
import type { OperateOnApplication } from './operation.ts';
import type { ApiDeps, EndpointPath } from './port.ts';
import type { ApplicationRecord, HeaderMap } from './records.ts';
import { makeSecret, parseSecret, showSecret } from './secrets.ts';

/** Where the endpoints are, and whose tokens are good for them. */
export type EndpointPlace = {
  readonly operateOn: OperateOnApplication;
  /** How ids of operations begin. */
  readonly id: string;
  readonly at: string;
  readonly tag: string;
  readonly who: 'org' | 'any';
};

const ofApplications: EndpointPlace = {
  operateOn: operateOnApp,
  id: 'v1.endpoint',
  at: '/app/{app_id}/endpoint/{endpoint_id}',
  tag: 'Endpoint',
  who: 'any',
};

const DEFAULT_GRACE_SECONDS = 86_400;
const MAX_GRACE_SECONDS = 604_800;

const rotateIn = z
  .object({
    key: z.string().nullish(),
    gracePeriodSeconds: z
      .int()
      .min(0, 'must be at least 0')
      .max(MAX_GRACE_SECONDS, `must be at most ${MAX_GRACE_SECONDS}`)
      .nullish(),
  })
  .openapi('EndpointSecretRotateIn', { example: { gracePeriodSeconds: 86_400 } });
const secretOut = z
  .object({ key: z.string() })
  .openapi('EndpointSecretOut', { example: { key: 'whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD' } });

const headersIn = z
  .object({ headers: z.record(z.string(), z.string()) })
  .openapi('EndpointHeadersIn', { example: { headers: { 'x-team': 'billing' } } });
const headersPatchIn = z
  .object({
    headers: z.record(z.string(), z.string().nullable()),
    deleteHeaders: z.array(z.string()).default([]),
  })
  .openapi('EndpointHeadersPatchIn', {
    example: { headers: { 'x-team': 'billing' }, deleteHeaders: ['x-old'] },
  });
const headersOut = z
  .object({ headers: z.record(z.string(), z.string()), sensitive: z.array(z.string()) })
  .openapi('EndpointHeadersOut', {
    example: { headers: { 'x-team': 'billing' }, sensitive: ['authorization'] },
  });

/**
 * Whether a rotation has to answer with the new secret: official SDKs from 2.7 on fail without it, and
 * older ones fail on it (Java's 1.99). Nothing else in their requests tells them apart.
 */
const readsRotatedSecret = (userAgent: string): boolean => {
  const [, major = '', minor = ''] = /^svix-libs\/(\d+)\.(\d+)/.exec(userAgent) ?? [];
  return Number(major) > 2 || (major === '2' && Number(minor) >= 7);
};

const find = async (
  deps: ApiDeps,
  application: ApplicationRecord,
  params: Readonly<Record<string, string>>,
): Promise<EndpointPath | null> => {
  const found = await deps.store.endpoints.find(pathOf(application), params['endpoint_id'] ?? '');
  return found === null ? null : endpointPathOf(found);
};

const changeHeaders = async (
  deps: ApiDeps,
  path: EndpointPath,
  next: (headers: HeaderMap) => HeaderMap,
): Promise<Answer> => {
  if (!(await deps.store.endpoints.changeHeaders(path, next, deps.clock.nowMs()))) return notFound();
  await endpointChanged(deps, path);
  return noContent;
};

/** Secrets and custom headers of the endpoints of a place. */
export const addEndpointSettings = (app: OpenAPIHono, deps: ApiDeps, place: EndpointPlace): void => {
  const { endpoints } = deps.store;
  const { operateOn, at, tag, who } = place;

  const currentSecret = async (path: EndpointPath): Promise<Answer> => {
    const current = (await endpoints.keys(path))?.[0];
    return current === undefined ? notFound() : json(200, { key: showSecret(current.key) });
  };

  operateOn(
    app,
    deps,
    {
      id: `${place.id}.get-secret`,
      method: 'get',
      path: `${at}/secret`,
      tag,
      summary: 'Get what a receiver verifies signatures with',
      who,
      needs: 'ViewEndpointSecret',
      answers: { 200: secretOut },
    },
    async ({ application, params }) => {
      const path = await find(deps, application, params);
      return path === null ? notFound() : currentSecret(path);
    },
  );

  operateOn(
    app,
    deps,
    {
      id: `${place.id}.rotate-secret`,
      method: 'post',
      path: `${at}/secret/rotate`,
      tag,
      summary: 'Replace the signing secret; the old one signs along for a while',
      who,
      needs: 'ManageEndpointSecret',
      body: rotateIn,
      bodyOptional: true,
      answers: { 204: null, 200: secretOut },
      repeat: 'again',
    },
    async ({ application, params, body, userAgent, isRepeated }) => {
      const path = await find(deps, application, params);
      if (path === null) return notFound();
      const wantsSecret = readsRotatedSecret(userAgent);
      if (isRepeated) return wantsSecret ? currentSecret(path) : noContent;
      let key = makeSecret(deps.signature, deps.random.bytes);
      if (typeof body.key === 'string') {
        const reading = parseSecret(body.key);
        if (reading.kind === 'bad') return invalid(['body', 'key', '__all__'], reading.why);
        key = reading.key;
      }
      const nowMs = deps.clock.nowMs();
      const graceMs = (body.gracePeriodSeconds ?? DEFAULT_GRACE_SECONDS) * 1000;
      const rotated = await endpoints.rotate(path, key, nowMs + graceMs, nowMs);
      if (rotated === 'missing') return notFound();
      if (rotated === 'too_many_keys') {
        return badRequest(
          'At most 10 old keys may sign at a time. Rotate with a shorter grace period, or wait until some have ended.',
          'limit_reached',
        );
      }
      await endpointChanged(deps, path);
      return wantsSecret ? json(200, { key: showSecret(key) }) : noContent;
    },
  );

  operateOn(
    app,
    deps,
    {
      id: `${place.id}.get-headers`,
      method: 'get',
      path: `${at}/headers`,
      tag,
      summary: 'Get the custom headers; of sensitive ones only the names',
      who,
      answers: { 200: headersOut },
    },
    async ({ application, params }) => {
      const path = await find(deps, application, params);
      const headers = path === null ? null : await endpoints.headers(path);
      return headers === null ? notFound() : json(200, showHeaders(headers));
    },
  );

  operateOn(
    app,
    deps,
    {
      id: `${place.id}.set-headers`,
      method: 'put',
      path: `${at}/headers`,
      tag,
      summary: 'Replace the custom headers',
      who,
      body: headersIn,
      answers: { 204: null },
    },
    async ({ application, params, body }) => {
      const path = await find(deps, application, params);
      if (path === null) return notFound();
      const bad = checkHeaders(body.headers) ?? checkHeaderSet(body.headers);
      return bad ?? changeHeaders(deps, path, () => mergeHeaders({}, body.headers));
    },
  );
};

/** Secrets and custom headers of applications' endpoints. */
export const endpointSettingRoutes = (deps: ApiDeps): OpenAPIHono => {
  const app = new OpenAPIHono();
  addEndpointSettings(app, deps, ofApplications);

  operateOnApp(
    app,
    deps,
    {
      id: 'v1.endpoint.patch-headers',
      method: 'patch',
      path: `${ofApplications.at}/headers`,
      tag: ofApplications.tag,
      summary: 'Set some custom headers, remove others',
      who: 'any',
      body: headersPatchIn,
      answers: { 204: null },
    },
    async ({ application, params, body }) => {
      const path = await find(deps, application, params);
      if (path === null) return notFound();
      const bad = checkHeaders(body.headers);
      if (bad !== null) return bad;
      const changes = {
        ...Object.fromEntries(body.deleteHeaders.map((name) => [name, null])),
        ...body.headers,
      };
      const present = await deps.store.endpoints.headers(path);
      const tooMuch = present === null ? null : checkHeaderSet(mergeHeaders(present, changes));
      return tooMuch ?? changeHeaders(deps, path, (headers) => mergeHeaders(headers, changes));
    },
  );

  return app;
};
