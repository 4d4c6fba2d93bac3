import { OpenAPIHono } from '@hono/zod-openapi';
import { getPath } from 'hono/utils/url';
import { aboutRoutes } from './about.ts';
import { accessRoutes } from './access.ts';
import { corsHeaders, refused, toResponse } from './answers.ts';
import type { Refusal } from './answers.ts';
import { applicationRoutes } from './applications.ts';
import { attemptRoutes } from './attempts.ts';
import { backgroundTaskRoutes } from './background-tasks.ts';
import { broadcastRoutes } from './broadcast.ts';
import { clusterRoutes } from './cluster.ts';
import { deadLetterRoutes } from './dead-letters.ts';
import { deliveryRoutes } from './deliveries.ts';
import { openapiDocument } from './document.ts';
import { blockedKeyRoutes } from './blocked-keys.ts';
import { endpointPauseRoutes } from './endpoint-pause.ts';
import { endpointSettingRoutes } from './endpoint-settings.ts';
import { endpointRoutes } from './endpoints.ts';
import { eventTypeRetryRoutes } from './event-type-retry.ts';
import { eventTypeTransferRoutes } from './event-type-transfer.ts';
import { environmentRoutes } from './environment.ts';
import { eventTypeRoutes } from './event-types.ts';
import { healthRoutes } from './health.ts';
import { leftOutRoutes } from './left-out-routes.ts';
import { letterActionRoutes } from './letter-actions.ts';
import { messageContentRoutes } from './message-content.ts';
import { messageCreateOperations } from './message-create.ts';
import { messageRoutes } from './messages.ts';
import { describeOperation } from './openapi.ts';
import { operationalWebhookRoutes } from './operational-webhooks.ts';
import { pollerRoutes } from './pollers.ts';
import { pollingEndpointRoutes } from './polling-endpoints.ts';
import type { ApiDeps } from './port.ts';
import { recoveryRoutes } from './recovery.ts';
import { redriveRoutes } from './redrive.ts';
import { referencePage, referencePolicy } from './reference-page.ts';
import type { ShownDocument } from './reference-page.ts';
import { sendExampleRoutes } from './send-example.ts';
import { testAttemptRoutes } from './test-attempt.ts';
import { statisticRoutes } from './statistics.ts';

const BASE = '/api/v1';

const resources = [
  healthRoutes,
  aboutRoutes,
  accessRoutes,
  clusterRoutes,
  statisticRoutes,
  applicationRoutes,
  endpointRoutes,
  endpointSettingRoutes,
  endpointPauseRoutes,
  blockedKeyRoutes,
  eventTypeRoutes,
  eventTypeRetryRoutes,
  eventTypeTransferRoutes,
  messageRoutes,
  messageContentRoutes,
  broadcastRoutes,
  pollerRoutes,
  pollingEndpointRoutes,
  environmentRoutes,
  attemptRoutes,
  deliveryRoutes,
  recoveryRoutes,
  backgroundTaskRoutes,
  deadLetterRoutes,
  letterActionRoutes,
  sendExampleRoutes,
  testAttemptRoutes,
  operationalWebhookRoutes,
  redriveRoutes,
];

const withoutEndSlash = (path: string): string => path.replace(/(?<=.)\/+$/, '');

const preflight = (request: Request): Response =>
  new Response(null, {
    status: 200,
    headers: {
      ...corsHeaders,
      'access-control-allow-methods': '*',
      'access-control-allow-headers': request.headers.get('access-control-request-headers') ?? '*',
      'access-control-max-age': '600',
      vary: 'origin, access-control-request-method, access-control-request-headers',
    },
  });

const unavailable: Refusal = {
  kind: 'refused',
  status: 503,
  code: 'unavailable',
  detail: 'The database cannot be reached now. Try again in a moment.',
  headers: { 'retry-after': '1' },
};

const internal = refused(500, 'internal_error', 'Something went wrong in the server. Its log says more.');

const unreadable = refused(
  500,
  'secret_unreadable',
  'What is stored of this endpoint is sealed with a main secret that this server does not have, or was changed. Its operator has to add that secret to POSTHORN_MAIN_SECRET_OLD, or restore the row. Nothing was sent or written.',
);

// SQLSTATE class 42: the statement itself is wrong, and waiting will not mend it.
const isUnavailable = (error: Error & { readonly failure?: { readonly code: string | null } }): boolean =>
  error.name === 'StoreUnavailable' && error.failure?.code?.startsWith('42') !== true;

/** Which methods a path has; for telling an unknown path from a wrong method. */
const methodsOf = (app: OpenAPIHono): ((path: string) => readonly string[]) => {
  const routes = app.routes.map(({ method, path }) => ({
    method,
    pattern: new RegExp(`^${path.replaceAll(/:\w+/g, '[^/]+').replaceAll('.', '\\.')}$`),
  }));
  return (path) => [
    ...new Set(
      routes
        .filter(({ method, pattern }) => method !== 'ALL' && pattern.test(path))
        .flatMap(({ method }) => (method === 'GET' ? ['GET', 'HEAD'] : [method])),
    ),
  ];
};

const addMessageCreate = (app: OpenAPIHono, deps: ApiDeps): void => {
  for (const operation of messageCreateOperations) {
    const described = describeOperation<unknown, unknown>(operation);
    app.openAPIRegistry.registerPath({ ...described, path: `${BASE}${described.path}` });
    app.post(`${BASE}${operation.path.replace('{app_id}', ':app_id')}`, async (context) =>
      deps.createMessages === null
        ? toResponse(refused(501, 'not_implemented', 'This process takes no messages.'))
        : deps.createMessages(context.req.raw),
    );
  }
};

const addDocument = (app: OpenAPIHono, deps: ApiDeps): void => {
  let made: ReturnType<typeof openapiDocument> | undefined;
  let text: string | undefined;
  let page: string | undefined;
  const document = (): ReturnType<typeof openapiDocument> => (made ??= openapiDocument(app, deps.publicUrl));
  app.get(`${BASE}/openapi.json`, () => {
    text ??= JSON.stringify(document());
    return new Response(text, { headers: { 'content-type': 'application/json', ...corsHeaders } });
  });
  app.get('/', () => new Response(null, { status: 307, headers: { location: '/docs' } }));
  app.get('/docs', () => {
    page ??= referencePage(document() as unknown as ShownDocument);
    return new Response(page, {
      headers: { 'content-type': 'text/html; charset=utf-8', 'content-security-policy': referencePolicy },
    });
  });
};

export type Api = { readonly fetch: (request: Request) => Promise<Response> };

/**
 * The HTTP API, as a function from request to response. It never rejects: what breaks is reported
 * and answered with a 500, a database that is away with a 503.
 */
export const createApi = (deps: ApiDeps): Api => {
  const pathOf = (request: Request): string => withoutEndSlash(getPath(request));
  const app = new OpenAPIHono({ getPath: pathOf });
  for (const routes of resources) app.route(BASE, routes(deps));
  addMessageCreate(app, deps);
  addDocument(app, deps);
  app.route('/', leftOutRoutes(deps));
  const methods = methodsOf(app);

  app.notFound((context) => {
    const path = pathOf(context.req.raw);
    const allowed = methods(path);
    if (allowed.length === 0) {
      return toResponse(
        refused(
          404,
          'route_not_found',
          `There is no ${path.slice(0, 200)} in this API. See ${BASE}/openapi.json.`,
        ),
      );
    }
    const allow = allowed.join(', ');
    return toResponse({
      kind: 'refused',
      status: 405,
      code: 'method_not_allowed',
      detail: `This path has ${allow}.`,
      headers: { allow },
    });
  });

  app.onError((error) => {
    if (isUnavailable(error)) return toResponse(unavailable);
    deps.report(error);
    return toResponse(error.name === 'SealBroken' ? unreadable : internal);
  });

  return {
    fetch: async (request) => (request.method === 'OPTIONS' ? preflight(request) : app.fetch(request)),
  };
};
