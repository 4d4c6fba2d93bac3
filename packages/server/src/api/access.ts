import { OpenAPIHono, z } from '@hono/zod-openapi';
import { applicationFields, applicationIn } from './application-shapes.ts';
import { badRequest, invalid, json, noContent, notFound } from './answers.ts';
import type { Refusal } from './answers.ts';
import { uidTaken } from './applications.ts';
import { capabilities } from './capabilities.ts';
import type { Capability } from './capabilities.ts';
import { operate, operateOnApp } from './operation.ts';
import type { Caller } from './operation.ts';
import type { ApiDeps } from './port.ts';
import type { ApplicationRecord } from './records.ts';
import type { RevokedSubject } from './revocations.ts';
import { sample } from './sample.ts';
import { mintToken } from './tokens.ts';

const TAG = 'Authentication';
const DEFAULT_EXPIRY_SECONDS = 604_800;
const MAX_DELAY_SECONDS = 259_200;
/** Longer than a token from here may be taken for valid by any clock. */
const SESSION_TOKENS_MS = 8 * 24 * 3600 * 1000;
/** After every token: the end of RFC 3339's years. */
const FOREVER_MS = Date.UTC(9999, 11, 31);

const featureFlag = z
  .string()
  .regex(/^[a-zA-Z0-9\-_.]{1,256}$/, 'must be 1 to 256 characters of [a-zA-Z0-9-_.]');
const sessionId = z.string().regex(/^[a-zA-Z0-9@_-]{1,64}$/, 'must be 1 to 64 characters of [a-zA-Z0-9@_-]');

const accessIn = z
  .object({
    application: applicationIn.nullish(),
    featureFlags: z.array(featureFlag).max(25, 'At most 25 feature flags').nullish(),
    capabilities: z.array(z.enum(capabilities)).nullish(),
    readOnly: z.boolean().nullish(),
    sessionId: sessionId.nullish(),
    expiry: z.int().min(3600, 'must be at least 3600').max(604_800, 'must be at most 604800').nullish(),
  })
  .openapi('AppPortalAccessIn', { example: { expiry: 86_400, featureFlags: [] } });
const accessOut = z.object({ url: z.string(), token: z.string() }).openapi('AppPortalAccessOut', {
  example: {
    url: 'https://posthorn.example/portal#key=eyJhcHBJZCI6ImFwcF8y…',
    token: 'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhcHBfMiJ9.c2lnbmF0dXJl',
  },
});

const expireIn = z
  .object({
    expiry: z
      .int()
      .min(0, 'must be at least 0')
      .max(MAX_DELAY_SECONDS, `must be at most ${MAX_DELAY_SECONDS}`)
      .nullish(),
    // None is not all: whoever has computed an empty list does not mean everybody.
    sessionIds: z
      .array(sessionId)
      .min(1, 'names no session; leave it out to take back all tokens of the application')
      .max(1000, 'At most 1000 session ids')
      .nullish(),
  })
  .openapi('ApplicationTokenExpireIn', { example: { expiry: 60 } });
const whoamiOut = z
  .object({
    envId: z.string(),
    appId: z.string().nullable(),
    streamAppId: z.null(),
    sessionId: z.string().nullable(),
    permissionSource: z.literal('SvixJwt'),
  })
  .openapi('WhoamiOut', {
    example: {
      envId: 'org_23rb8YdGqMT0qIzpgGwdXfHirMu',
      appId: sample.appId,
      streamAppId: null,
      sessionId: 'user_1FB8',
      permissionSource: 'SvixJwt',
    },
  });

/** What a token for people is good for; undefined: all. */
const capabilitiesOf = (body: z.infer<typeof accessIn>): readonly Capability[] | undefined =>
  body.capabilities ?? (body.readOnly === true ? ['ViewBase'] : undefined);

/**
 * The application of a path, or the one that a request brings along for it. Its uid must be the
 * path's: so that a typing error does not make a second application.
 */
export const findOrCreateApplication = async (
  deps: ApiDeps,
  orgId: string,
  idOrUid: string,
  brought: z.infer<typeof applicationIn> | null | undefined,
): Promise<ApplicationRecord | Refusal> => {
  const { applications } = deps.store;
  const present = await applications.find(orgId, idOrUid);
  if (present !== null) return present;
  if (brought === null || brought === undefined) return notFound('Application not found');
  const loc = ['body', 'application', 'uid'];
  if (brought.uid === null || brought.uid === undefined) {
    return invalid(
      loc,
      'Application uid in the body is required when the application does not exist yet',
      'application_uid_missing',
    );
  }
  if (brought.uid !== idOrUid) {
    return invalid(
      loc,
      'Application uid in the path and in the body must be the same',
      'application_uid_mismatch',
    );
  }
  const id = deps.ids('application');
  const written = await applications.create(orgId, id, applicationFields(brought), deps.clock.nowMs());
  if (written.kind === 'written') return written.row;
  return (await applications.find(orgId, idOrUid)) ?? uidTaken;
};

/** Tokens for the people of one application, and links for them. */
export const accessRoutes = (deps: ApiDeps): OpenAPIHono => {
  const app = new OpenAPIHono();

  const grant = async (caller: Caller<undefined, z.infer<typeof accessIn>>) => {
    const { principal, params, body } = caller;
    const idOrUid = params['app_id'] ?? '';
    const application = await findOrCreateApplication(deps, principal.orgId, idOrUid, body.application);
    if ('kind' in application) return application;
    const token = await mintToken({
      secret: deps.tokenSecret,
      orgId: principal.orgId,
      applicationId: application.id,
      featureFlags: body.featureFlags ?? undefined,
      capabilities: capabilitiesOf(body),
      sessionId: body.sessionId ?? undefined,
      nowMs: deps.clock.nowMs(),
      lifetimeSeconds: body.expiry ?? DEFAULT_EXPIRY_SECONDS,
    });
    const key = Buffer.from(JSON.stringify({ appId: application.id, token })).toString('base64url');
    return json(200, { url: `${deps.publicUrl}/portal#key=${key}`, token });
  };

  const access = {
    method: 'post',
    tag: TAG,
    who: 'org',
    body: accessIn,
    bodyOptional: true,
    answers: { 200: accessOut },
    // A token must not lie in a table of answers.
    repeat: 'again',
  } as const;

  operate(
    app,
    deps,
    {
      ...access,
      id: 'v1.authentication.app-portal-access',
      path: '/auth/app-portal-access/{app_id}',
      summary: 'Get a link and a token for the people of one application',
    },
    grant,
  );

  operate(
    app,
    deps,
    {
      ...access,
      id: 'v1.authentication.dashboard-access',
      path: '/auth/dashboard-access/{app_id}',
      summary: 'The older path of app-portal-access',
      hidden: true,
    },
    grant,
  );

  operate(
    app,
    deps,
    {
      id: 'v1.authentication.logout',
      method: 'post',
      path: '/auth/logout',
      tag: TAG,
      summary: 'Take back the token of an application that this is asked with',
      who: 'any',
      needs: 'ViewBase',
      answers: { 204: null },
    },
    async ({ principal }) => {
      if (principal.kind === 'org') {
        return badRequest(
          "Only an application's token can be logged out. This is an organisation's.",
          'bad_token',
        );
      }
      const { orgId, token } = principal;
      const nowMs = Math.floor(deps.clock.nowMs());
      await deps.revocations.revoke([
        {
          orgId,
          applicationId: token.applicationId,
          subject: `token ${token.digest}`,
          issuedBeforeMs: FOREVER_MS,
          effectiveAtMs: nowMs,
          untilMs: token.expiresAtMs,
        },
      ]);
      return noContent;
    },
  );

  operateOnApp(
    app,
    deps,
    {
      id: 'v1.authentication.expire-all',
      method: 'post',
      path: '/auth/app/{app_id}/expire-all',
      tag: TAG,
      summary: "Take back an application's tokens, all or those of some sessions, now or in a while",
      who: 'org',
      body: expireIn,
      bodyOptional: true,
      answers: { 204: null },
    },
    async ({ application, body }) => {
      const nowMs = Math.floor(deps.clock.nowMs());
      const effectiveAtMs = nowMs + (body.expiry ?? 0) * 1000;
      const subjects: readonly RevokedSubject[] = body.sessionIds?.map((id) => `session ${id}` as const) ?? [
        '*',
      ];
      await deps.revocations.revoke(
        [...new Set(subjects)].map((subject) => ({
          orgId: application.orgId,
          applicationId: application.id,
          subject,
          // One made in this very millisecond was made before.
          issuedBeforeMs: nowMs + 1,
          effectiveAtMs,
          // Tokens with a session come from here only, and live no longer than that.
          untilMs: subject === '*' ? null : effectiveAtMs + SESSION_TOKENS_MS,
        })),
      );
      return noContent;
    },
  );

  operate(
    app,
    deps,
    {
      id: 'v1.authentication.whoami',
      method: 'get',
      path: '/auth/whoami',
      tag: TAG,
      summary: 'Get whose token this is',
      who: 'any',
      answers: { 200: whoamiOut },
    },
    async ({ principal }) =>
      json(200, {
        envId: principal.orgId,
        appId: principal.kind === 'app' ? principal.applicationId : null,
        streamAppId: null,
        sessionId: principal.kind === 'app' ? principal.token.sessionId : null,
        permissionSource: 'SvixJwt',
      }),
  );

  return app;
};
