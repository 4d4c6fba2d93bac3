import { createSend, isWorthRetrying, waitBefore } from './http.ts';
import type { Connection, Reply } from './http.ts';
import { createQueue } from './queue.ts';
import type { Queue, QueueOptions } from './queue.ts';
import { routes } from './schema.ts';
import type { components, operations } from './schema.ts';

export { QueueFull } from './queue.ts';
export type { Connection } from './http.ts';
export type { Counters, Enqueued, Flushed, QueueOptions, Settled } from './queue.ts';
export type { Outcome } from './verdict.ts';

/** A message as it is posted. */
export type Message = components['schemas']['MessageIn'];

/** An operation that Posthorn has beyond the Svix API, by its id in the OpenAPI document. */
export type OperationId = keyof operations & keyof typeof routes;

type Parts<Id extends OperationId> = operations[Id];
type PathOf<Id extends OperationId> = Parts<Id>['parameters']['path'];
type QueryOf<Id extends OperationId> = Parts<Id>['parameters']['query'];
type BodyOf<Id extends OperationId> =
  Parts<Id> extends {
    readonly requestBody: { readonly content: { readonly 'application/json': infer Body } };
  }
    ? Body
    : undefined;

type Given<Name extends string, Value> = [Value] extends [undefined]
  ? { readonly [name in Name]?: undefined }
  : undefined extends Value
    ? { readonly [name in Name]?: Value }
    : { readonly [name in Name]: Value };

/** What an operation takes: names in its path, its query, its body. */
export type Input<Id extends OperationId> = Given<'path', PathOf<Id>> &
  Given<'query', QueryOf<Id>> &
  Given<'body', BodyOf<Id>>;

type Content<Response> = Response extends { readonly content: { readonly 'application/json': infer Body } }
  ? Body
  : undefined;

/** What an operation answers when it succeeds. */
export type AnswerOf<Id extends OperationId> = {
  [Status in keyof Parts<Id>['responses']]: Content<Parts<Id>['responses'][Status]>;
}[keyof Parts<Id>['responses']];

/** A request that did not succeed. */
export class PosthornError extends Error {
  override readonly name = 'PosthornError';
  /** 0: no answer came. */
  readonly status: number;
  /** The server's word for it, such as `not_found`; `unreachable` without an answer. */
  readonly code: string;
  readonly body: unknown;

  constructor(message: string, status: number, code: string, body: unknown, options?: ErrorOptions) {
    super(message, options);
    this.status = status;
    this.code = code;
    this.body = body;
  }
}

export type ClientOptions = Connection & { readonly queue?: QueueOptions<Message> };

export type Client = Queue<Message> & {
  /**
   * Calls an operation, up to three times while no answer or a passing failure comes; a POST under one
   * idempotency key. @throws PosthornError
   */
  readonly request: <Id extends OperationId>(
    id: Id,
    input: Input<Id>,
    options?: { readonly signal?: AbortSignal; readonly idempotencyKey?: string },
  ) => Promise<AnswerOf<Id>>;
};

const TRIES = 3;

type Anything = Readonly<Record<string, unknown>>;

/** A list as the API reads it: separated by commas. */
const textOf = (value: unknown): string =>
  Array.isArray(value) ? value.join(',') : typeof value === 'string' ? value : JSON.stringify(value);

const pathTo = (template: string, given: Anything = {}, query: Anything = {}): string => {
  const path = template.replaceAll(/\{(\w+)\}/g, (_all, name: string) =>
    encodeURIComponent(textOf(given[name])),
  );
  const search = new URLSearchParams(
    Object.entries(query).flatMap(([name, value]): [string, string][] =>
      value === undefined || value === null ? [] : [[name, textOf(value)]],
    ),
  ).toString();
  return search === '' ? path : `${path}?${search}`;
};

const errorOf = (id: string, reply: Reply): PosthornError => {
  if (reply.kind === 'unreachable')
    return new PosthornError(`${id}: no answer came`, 0, 'unreachable', undefined, { cause: reply.cause });
  const { status, body } = reply;
  const { code = 'http_error', detail = '' } = (body ?? {}) as { code?: string; detail?: unknown };
  const why = typeof detail === 'string' ? detail : JSON.stringify(detail);
  return new PosthornError(`${id}: ${status} ${code} ${why}`.trim(), status, code, body);
};

const isPassing = (reply: Reply): boolean => reply.kind === 'unreachable' || isWorthRetrying(reply.status);

/** A client for what Posthorn has beyond the Svix API; for the rest there are the Svix SDKs. */
export const createClient = (options: ClientOptions): Client => {
  const send = createSend(options);
  const queue = createQueue<Message>(send, options.queue);

  const request: Client['request'] = async (id, input, { signal, idempotencyKey } = {}) => {
    const [method, template] = routes[id];
    const { path, query, body } = input as { path?: Anything; query?: Anything; body?: unknown };
    const key = method === 'POST' ? (idempotencyKey ?? `auto_${crypto.randomUUID()}`) : undefined;
    const sending = {
      method,
      path: pathTo(template, path, query),
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      ...(key === undefined ? {} : { key }),
      ...(signal === undefined ? {} : { signal }),
    };
    let reply = await send(sending);
    for (let tries = 1; tries < TRIES && isPassing(reply) && signal?.aborted !== true; tries++) {
      const retryAfterMs = reply.kind === 'answer' ? reply.retryAfterMs : null;
      const waitMs = waitBefore(tries, retryAfterMs, Math.random());
      await new Promise((resolve) => setTimeout(resolve, waitMs));
      reply = await send(sending);
    }
    if (reply.kind === 'unreachable' || reply.status >= 300) throw errorOf(id, reply);
    return reply.body as AnswerOf<typeof id>;
  };

  return { ...queue, request };
};
