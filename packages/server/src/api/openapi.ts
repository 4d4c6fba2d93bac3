import { z } from '@hono/zod-openapi';
import type { Operation } from './operation.ts';
import { sample } from './sample.ts';

const httpError = z.object({ code: z.string(), detail: z.string() }).openapi('HttpErrorOut');
const validationError = z
  .object({
    detail: z.array(
      z.object({ loc: z.array(z.string()), msg: z.string(), type: z.string() }).openapi('ValidationError'),
    ),
  })
  .openapi('HTTPValidationError');
const problem = z
  .object({
    type: z.string(),
    title: z.string(),
    status: z.int(),
    code: z.string(),
    detail: z.string(),
  })
  .openapi('Problem');

/** Status → what it means, and the code and sentence of its example. */
const refusals = {
  400: ['The query or the token cannot be read', 'generic_error', 'Failed to deserialize query string'],
  401: ['No valid token', 'authentication_failed', 'Invalid token'],
  403: [
    'The token is not good for this',
    'insufficient access',
    'Insufficient access for the given operation.',
  ],
  404: ['There is no such thing, or it is not yours', 'not_found', 'Entity not found'],
  409: ['It conflicts with what is there', 'conflict', 'A conflict has occurred'],
  413: ['The body is too large', 'payload_too_large', 'Request payload is too large.'],
  429: [
    'More than the operator’s limits allow; the answer says when to try again',
    'rate_limited',
    'More than 100 requests a second (limit "token"); nothing was done; try again in 1 s',
  ],
  503: [
    'Not now; the answer says when to try again',
    'unavailable',
    'The database cannot be reached now. Try again in a moment.',
  ],
} as const;

type RefusedStatus = keyof typeof refusals;

const notValid = { loc: ['body', 'limit'], msg: 'must be at least 1', type: 'value_error' };

const content = (schema: z.ZodType, example?: unknown, type = 'application/json') => ({
  [type]: { schema, ...(example === undefined ? {} : { example }) },
});

/** What stands in a path, by name. */
const parameters: Readonly<Record<string, readonly [description: string, example: string]>> = {
  app_id: ['Id or uid of the application', sample.appUid],
  endpoint_id: ['Id or uid of the endpoint', sample.endpointUid],
  msg_id: ['Id of the message, or its event id', sample.messageId],
  attempt_id: ['Id of the attempt', sample.attemptId],
  event_type_name: ['Name of the event type', sample.eventType],
  task_id: ['Id of the background task', sample.taskId],
  sink_id: ['Id or uid of the endpoint', sample.endpointUid],
  consumer_id: ['Name of the consumer', 'archive'],
};

const pathParams = (path: string): z.ZodObject | undefined => {
  const names = [...path.matchAll(/\{(\w+)\}/g)].map((match) => match[1]!);
  if (names.length === 0) return undefined;
  return z.object(
    Object.fromEntries(
      names.map((name) => {
        const [description, example] = parameters[name] ?? [name.replaceAll('_', ' '), name];
        return [name, z.string().openapi({ param: { description, example } })];
      }),
    ),
  );
};

const whoMay = {
  nobody: 'Needs no token.',
  org: "Needs an organisation's token.",
  any: "An application's own token will do as well as an organisation's.",
  operator: "Needs an operator's token (`posthorn token create --operator`): it concerns no tenant.",
} as const;

/** The roles of OpenAPI 3.1's security requirements. */
const roles = {
  nobody: [],
  org: ['organisation'],
  any: ['organisation', 'application'],
  operator: ['operator'],
} as const;

/** Which refusals can come: from what is asked, not from what is meant. */
const refusedBy = <Query, Body>(operation: Operation<Query, Body>): readonly RefusedStatus[] => [
  ...(operation.who === 'nobody' ? [] : ([400, 401, 429] as const)),
  ...(operation.who === 'org' || operation.who === 'operator' ? ([403] as const) : []),
  ...(operation.path.includes('{') ? ([404] as const) : []),
  ...(operation.method === 'get' ? [] : ([409, 413] as const)),
  503,
];

const refusal = (status: RefusedStatus, own: boolean) => {
  const [description, code, detail] = refusals[status];
  const body = own
    ? content(
        problem,
        { type: 'about:blank', title: code.replaceAll('_', ' '), status, code, detail },
        'application/problem+json',
      )
    : content(httpError, { code, detail });
  return { description, content: body };
};

const invalidity = (own: boolean) => ({
  description: 'The request is not valid',
  content: own
    ? content(
        problem,
        {
          type: 'about:blank',
          title: 'The request is not valid',
          status: 422,
          code: 'validation',
          detail: notValid.msg,
          errors: [notValid],
        },
        'application/problem+json',
      )
    : content(validationError, { detail: [notValid] }),
});

const successes: Readonly<Record<number, string>> = {
  200: 'Done',
  201: 'Created',
  202: 'Accepted',
  204: 'Done; the answer has no body',
};

/** An operation as OpenAPI has it, from the same schemas that check its requests. */
export const describeOperation = <Query, Body>(operation: Operation<Query, Body>) => {
  const own = operation.own === true;
  const { example = {} } = operation;
  const params = pathParams(operation.path);
  const responses: Record<number, { description: string; content?: ReturnType<typeof content> }> = {};
  // Who asks for too much is refused before anything is looked at, in one shape.
  for (const status of refusedBy(operation)) responses[status] = refusal(status, own && status !== 429);
  responses[422] = invalidity(own);
  for (const [status, schema] of Object.entries(operation.answers)) {
    responses[Number(status)] = {
      description: successes[Number(status)] ?? 'Not done, and why',
      ...(schema === null ? {} : { content: content(schema, example.answer) }),
    };
  }
  const headers =
    operation.method === 'post'
      ? z.object({
          'idempotency-key': z
            .string()
            .optional()
            .openapi({
              param: {
                description: 'A second request with the same key and body gets the answer of the first',
              },
            }),
        })
      : undefined;
  return {
    operationId: operation.id,
    method: operation.method,
    path: operation.path,
    tags: [operation.tag],
    ...(own ? { 'x-posthorn': true } : {}),
    summary: operation.summary,
    description: [
      ...(operation.description === undefined ? [] : [operation.description]),
      whoMay[operation.who],
      ...(own ? ['The Svix API does not have this path.'] : []),
    ].join('\n\n'),
    ...(operation.who === 'nobody'
      ? {}
      : { security: roles[operation.who].map((role) => ({ HTTPBearer: [role] })) }),
    request: {
      ...(params === undefined ? {} : { params }),
      ...(operation.query === undefined ? {} : { query: operation.query as unknown as z.ZodObject }),
      ...(headers === undefined ? {} : { headers }),
      ...(operation.body === undefined
        ? {}
        : {
            body: {
              required: operation.bodyOptional !== true,
              content: content(operation.body, example.request),
            },
          }),
    },
    responses,
  };
};
