import { z } from '@hono/zod-openapi';
import type { OpenAPIHono } from '@hono/zod-openapi';
import type { Context } from 'hono';
import { operationalOrgId } from '../domain/operational.ts';
import { prefersStrict } from '../ingest/prefer.ts';
import { forbidden, notFound, toResponse } from './answers.ts';
import type { Answer, Refusal } from './answers.ts';
import { jsonBody, largeBody, ordinaryBody, readBody } from './body.ts';
import { allows, needsOf } from './capabilities.ts';
import type { Capability } from './capabilities.ts';
import { isIdOrUid } from './fields.ts';
import { once } from './idempotency.ts';
import type { Repeat } from './idempotency.ts';
import { describeOperation } from './openapi.ts';
import type { ApiDeps } from './port.ts';
import { readQuery } from './query.ts';
import type { ApplicationRecord } from './records.ts';
import type { Tenant } from './tokens.ts';
import { unknownField } from './unknown-fields.ts';
import { bodyRefusal, queryRefusal, unknownRefusal } from './validation.ts';

/** What one operation of the API is: all that its routing, checks and documentation need. */
export type Operation<Query, Body> = {
  /** The reference's operation id, or one of ours. */
  readonly id: string;
  readonly method: 'get' | 'post' | 'put' | 'patch' | 'delete';
  /** As in OpenAPI, below `/api/v1`. */
  readonly path: string;
  readonly tag: string;
  readonly summary: string;
  /** More than the summary says, as Markdown. */
  readonly description?: string;
  /**
   * Whose tokens are good for it. `any`: an application's too, for that application. `operator`: only those of
   * whoever runs the server, which are good for nothing else.
   */
  readonly who: 'nobody' | 'org' | 'any' | 'operator';
  /** What an application's token must be good for. Default: anything to read, `ManageEndpoint` to write. */
  readonly needs?: Capability;
  readonly query?: z.ZodType<Query>;
  readonly body?: z.ZodType<Body>;
  /** The body may be left out altogether. */
  readonly bodyOptional?: boolean;
  /** The body may be a whole document. */
  readonly large?: boolean;
  readonly answers: Readonly<Record<number, z.ZodType | null>>;
  /** Bodies for the documentation, where the schemas' own examples do not tell enough. */
  readonly example?: { readonly request?: unknown; readonly answer?: unknown };
  readonly repeat?: Repeat;
  /** A path that the Svix API does not have: refusals are RFC 9457 problems, and nothing unknown is ignored. */
  readonly own?: boolean;
  /** Served, but not documented. */
  readonly hidden?: boolean;
};

export type Caller<Query, Body> = {
  readonly principal: Tenant;
  readonly params: Readonly<Record<string, string>>;
  readonly query: Query;
  readonly body: Body;
  readonly userAgent: string;
  /** Done already, under the same idempotency key: only its answer is wanted, where none is stored. */
  readonly isRepeated: boolean;
  /** The body as it was posted. */
  readonly bytes: Buffer;
};

export type AppCaller<Query, Body> = Caller<Query, Body> & {
  readonly application: ApplicationRecord;
};

type Handler<Given> = (caller: Given) => Promise<Answer>;

/** Of no tenant: what such an operation does concerns none. */
const nobody: Tenant = { kind: 'org', orgId: '', subject: '', digest: '' };

const authorize = async (
  deps: ApiDeps,
  { who, method, needs }: Pick<Operation<unknown, unknown>, 'who' | 'method' | 'needs'>,
  header: string | undefined,
): Promise<Tenant | Refusal> => {
  if (who === 'nobody') return nobody;
  const auth = await deps.authenticator.authenticate(header);
  if (auth.kind === 'refusal') return auth.refusal;
  const { principal } = auth;
  if (who === 'operator' || principal.kind === 'operator') return who === principal.kind ? nobody : forbidden;
  if (principal.kind === 'org') return principal;
  return who === 'any' && allows(principal.capabilities, needs ?? needsOf(method)) ? principal : forbidden;
};

const isRefusal = (value: object): value is Refusal =>
  'kind' in value && (value.kind === 'refused' || value.kind === 'invalid');

const nothing = z.object({});

const parseQuery = <Query>(
  schema: z.ZodType<Query> | undefined,
  search: string,
  isStrict: boolean,
): { readonly value: Query } | Refusal => {
  const read = readQuery(search);
  if (read.kind === 'refusal') return read.refusal;
  const values = { ...read.values };
  const parsed = schema?.safeParse(values, { reportInput: true });
  if (parsed?.success === false) return queryRefusal(parsed.error.issues);
  const unknown = isStrict ? unknownField(schema ?? nothing, values) : null;
  return unknown === null ? { value: parsed?.data as Query } : unknownRefusal('query', unknown);
};

const limitsOf = ({ large }: { readonly large?: boolean }) => (large === true ? largeBody : ordinaryBody);

const parseBody = <Body>(
  operation: Operation<unknown, Body>,
  bytes: Uint8Array,
  isStrict: boolean,
): { readonly value: Body } | Refusal => {
  const schema = operation.body;
  if (schema === undefined) return { value: undefined as Body };
  const read: ReturnType<typeof jsonBody> =
    bytes.length === 0 && operation.bodyOptional === true
      ? { kind: 'value', value: {} }
      : jsonBody(bytes, limitsOf(operation).depth);
  if (read.kind === 'refusal') return read.refusal;
  const parsed = schema.safeParse(read.value, { reportInput: true });
  if (!parsed.success) return bodyRefusal(parsed.error.issues);
  const unknown = isStrict ? unknownField(schema, read.value) : null;
  return unknown === null ? { value: parsed.data } : unknownRefusal('body', unknown);
};

/** The application of the path, if the token may see it: another's is as good as none. */
export const visibleApplication = async (
  deps: Pick<ApiDeps, 'store'>,
  principal: Tenant,
  idOrUid: string,
): Promise<ApplicationRecord | null> => {
  const found = await deps.store.applications.find(principal.orgId, idOrUid);
  if (found === null) return null;
  return principal.kind === 'app' && principal.applicationId !== found.id ? null : found;
};

/** `resolve` turns a checked path into what the handler gets beside query and body. */
const register = <Query, Body, Extra extends object>(
  app: OpenAPIHono,
  deps: ApiDeps,
  operation: Operation<Query, Body>,
  resolve: (principal: Tenant, params: Readonly<Record<string, string>>) => Promise<Extra | Refusal>,
  handler: Handler<Caller<Query, Body> & Extra>,
): void => {
  const answer = async (context: Context): Promise<Answer> => {
    const principal = await authorize(deps, operation, context.req.header('authorization'));
    if (isRefusal(principal)) return principal;
    const params = context.req.param() as Record<string, string>;
    if (!Object.values(params).every(isIdOrUid)) return notFound();
    const extra = await resolve(principal, params);
    if (isRefusal(extra)) return extra;
    const url = new URL(context.req.url);
    const isStrict = operation.own === true || prefersStrict(context.req.header('prefer'));
    const query = parseQuery(operation.query, url.search, isStrict);
    if ('kind' in query) return query;
    const read = await readBody(context.req.raw, limitsOf(operation).bytes);
    if (read.kind === 'refusal') return read.refusal;
    const body = parseBody(operation as Operation<unknown, Body>, read.bytes, isStrict);
    if ('kind' in body) return body;
    const bytes = Buffer.from(read.bytes.buffer, read.bytes.byteOffset, read.bytes.byteLength);
    const userAgent = context.req.header('user-agent') ?? '';
    const given = { principal, params, query: query.value, body: body.value, bytes, userAgent, ...extra };
    const work = (isRepeated: boolean): Promise<Answer> => handler({ ...given, isRepeated });
    if (operation.method !== 'post' || principal.subject === '') return work(false);
    return once(
      deps,
      {
        key: context.req.header('idempotency-key') ?? null,
        subject: principal.subject,
        route: `${context.req.path}${url.search}`,
        body: read.bytes,
        repeat: operation.repeat ?? 'stored',
      },
      work,
    );
  };
  if (operation.hidden !== true) {
    app.openAPIRegistry.registerPath(describeOperation(operation));
  }
  const path = operation.path.replaceAll(/\{(\w+)\}/g, ':$1');
  app.on(operation.method.toUpperCase(), path, async (context) =>
    toResponse(await answer(context), operation.own === true),
  );
};

/** Adds an operation whose path names no application, or one that need not exist. */
export const operate = <Query = undefined, Body = undefined>(
  app: OpenAPIHono,
  deps: ApiDeps,
  operation: Operation<Query, Body>,
  handler: Handler<Caller<Query, Body>>,
): void => register(app, deps, operation, async () => ({}), handler);

/** How an operation is added whose handler gets an application. */
export type OperateOnApplication = <Query = undefined, Body = undefined>(
  app: OpenAPIHono,
  deps: ApiDeps,
  operation: Operation<Query, Body>,
  handler: Handler<AppCaller<Query, Body>>,
) => void;

/** Adds an operation on the hidden application that the organisation's operational events go to. */
export const operateOnOperational: OperateOnApplication = (app, deps, operation, handler) =>
  register(
    app,
    deps,
    operation,
    async ({ orgId }) => {
      const application = await deps.store.applications.find(operationalOrgId, orgId);
      return application === null ? notFound() : { application };
    },
    handler,
  );

/** Adds an operation below `/app/{app_id}`; the application is looked up before anything else. */
export const operateOnApp: OperateOnApplication = (app, deps, operation, handler) =>
  register(
    app,
    deps,
    operation,
    async (principal, params) => {
      const application = await visibleApplication(deps, principal, params['app_id'] ?? '');
      return application === null ? notFound() : { application };
    },
    handler,
  );
