import { hash } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { IdempotencyKey, StoredMessage } from '../domain/message.ts';
import { discard, type BodyReader, type BodyReading } from './body.ts';
import { PAST, type Issue } from './fields.ts';
import type { Acceptance, Ingest } from './ingest.ts';
import { parseBatch, parseMessage, type MessageRequest, type Parsed } from './parse-message.ts';
import { prefersStrict } from './prefer.ts';

/** Who may post: an organisation, or the answer that says why not. */
export type PosterAuth =
  | { readonly kind: 'org'; readonly orgId: string }
  | { readonly kind: 'failed'; readonly status: number; readonly body: string };

export type MessageRoutesDeps = {
  readonly ingest: Ingest;
  /** Synchronous for a token seen before. */
  readonly authenticate: (authorization: string | undefined) => PosterAuth | Promise<PosterAuth>;
  /** The API's `MessageOut`, payload spliced in as bytes (`{}` without content). */
  readonly render: (message: StoredMessage, withContent: boolean) => Buffer | string;
  /**
   * Makes the application a message brings along when the path's does not exist.
   * `ok`: it exists now. `failed`: the answer to give.
   */
  readonly createApplication: (
    orgId: string,
    pathId: string,
    application: unknown,
  ) => Promise<
    { readonly kind: 'ok' } | { readonly kind: 'failed'; readonly status: number; readonly body: string }
  >;
  readonly bodies: Pick<BodyReader, 'read'>;
  readonly nowMs: () => number;
  /** A request brought a batch of so many messages. */
  readonly onBatch: (request: IncomingMessage, response: ServerResponse, messages: number) => void;
  /** Told what became of each message, for metrics. */
  readonly onAnswer: (result: string) => void;
  /** Hears of broken invariants; the request is answered with a 500. */
  readonly onError: (error: unknown) => void;
};

type Route = { readonly application: string; readonly batch: boolean; readonly query: string };

const PREFIX = '/api/v1/app/';
const PATH_ID = /^[a-zA-Z0-9\-_.]{1,256}$/;
const RETRY_AFTER_SECONDS = '1';
/** As on every other POST: visible ASCII. */
const IDEMPOTENCY_KEY = /^[\x21-\x7e]{1,255}$/;

/** The route of a message create, or null when the request is somebody else's. */
export const matchRoute = (method: string | undefined, url: string | undefined): Route | null => {
  if (method !== 'POST' || url === undefined || !url.startsWith(PREFIX)) return null;
  const queryAt = url.indexOf('?');
  let pathEnd = queryAt < 0 ? url.length : queryAt;
  if (url.charCodeAt(pathEnd - 1) === 0x2f) pathEnd--;
  const slash = url.indexOf('/', PREFIX.length);
  if (slash < 0 || slash >= pathEnd) return null;
  const tail = url.slice(slash, pathEnd);
  if (tail !== '/msg' && tail !== '/msg/batch') return null;
  return {
    application: url.slice(PREFIX.length, slash),
    batch: tail !== '/msg',
    query: queryAt < 0 ? '' : url.slice(queryAt + 1),
  };
};

const errorBody = (code: string, detail: string): string => JSON.stringify({ code, detail });
const issuesBody = (issues: readonly Issue[]): string => JSON.stringify({ detail: issues });

const send = (
  response: ServerResponse,
  status: number,
  body: string | Buffer,
  extra: readonly string[] = [],
): void => {
  response.writeHead(status, [
    'content-type',
    'application/json',
    'content-length',
    String(Buffer.byteLength(body)),
    'access-control-allow-origin',
    '*',
    ...extra,
  ]);
  response.end(body);
};

type Answer = { readonly status: number; readonly body: string | Buffer };

const overloaded: Answer = {
  status: 503,
  body: errorBody(
    'overloaded',
    'More messages are under way than this server takes; nothing was written; try again shortly',
  ),
};

const answerFor = (acceptance: Acceptance, render: (message: StoredMessage) => Buffer | string): Answer => {
  switch (acceptance.kind) {
    case 'accepted':
    case 'repeated':
      return { status: 202, body: render(acceptance.message) };
    case 'no_application':
      return { status: 404, body: errorBody('not_found', 'Application not found') };
    case 'event_exists':
      return {
        status: 409,
        body: errorBody('conflict', 'A message with that eventId already exists in this application'),
      };
    case 'key_reused':
      return {
        status: 422,
        body: issuesBody([
          {
            loc: ['header', 'idempotency-key'],
            msg: 'this key was used with another request; use a new key for a new request',
            type: 'value_error',
          },
        ]),
      };
    case 'overloaded':
      return overloaded;
    case 'unavailable':
      return {
        status: 503,
        body: errorBody(
          'unavailable',
          'The database cannot be reached; nothing was written; try again shortly',
        ),
      };
    case 'unknown':
      return {
        status: 503,
        body: errorBody(
          'outcome_unknown',
          'The connection to the database was lost while writing; try again with the same idempotency-key or eventId',
        ),
      };
    case 'rejected':
      return {
        status: 422,
        body: issuesBody([{ loc: ['body'], msg: acceptance.detail, type: 'value_error' }]),
      };
    default:
      return acceptance satisfies never;
  }
};

const sendAnswer = (response: ServerResponse, { status, body }: Answer): void =>
  send(response, status, body, status === 503 ? ['retry-after', RETRY_AFTER_SECONDS] : []);

const withContentOf = (query: string): boolean => !/(?:^|&)with_content=false(?:&|$)/.test(query);

/**
 * Message create and its batch on the bare server: the hot path skips every layer that it does not
 * need. Answers as the rest of the API does.
 *
 * @returns A handler that takes the request and says true, or says false when it is not its own.
 */
export const createMessageRoutes = (deps: MessageRoutesDeps) => {
  const keyOf = (
    request: IncomingMessage,
    orgId: string,
    route: Route,
    body: Buffer,
    index: number,
  ): IdempotencyKey | null => {
    const key = request.headers['idempotency-key'];
    if (typeof key !== 'string') return null;
    return {
      scope: `${orgId} ${route.batch ? 'msg/batch' : 'msg'} ${route.application}`,
      key: route.batch ? `${key}#${index}` : key,
      requestHash: hash('sha256', body, 'hex'),
    };
  };

  const acceptOne = (
    orgId: string,
    route: Route,
    message: MessageRequest,
    idempotency: IdempotencyKey | null,
    answer: (answer: Answer) => void,
  ): void => {
    const render = (accepted: StoredMessage): Buffer | string =>
      deps.render(accepted, withContentOf(route.query));
    const input = { orgId, application: route.application, request: message, idempotency };
    const take = (mayCreate: boolean): void =>
      deps.ingest.take(input, (acceptance) => {
        deps.onAnswer(acceptance.kind);
        if (acceptance.kind !== 'no_application' || message.application === null || !mayCreate)
          return answer(rendered(acceptance, render));
        deps.createApplication(orgId, route.application, message.application).then(
          (created) => (created.kind === 'failed' ? answer(created) : take(false)),
          (error: unknown) => answer(failure(error)),
        );
      });
    take(true);
  };

  const failure = (error: unknown): Answer => {
    deps.onError(error);
    return { status: 500, body: '{}' };
  };

  /** Never throws: the caller has the other messages of a statement to answer. */
  const rendered = (acceptance: Acceptance, render: (message: StoredMessage) => Buffer | string): Answer => {
    try {
      return answerFor(acceptance, render);
    } catch (error) {
      return failure(error);
    }
  };

  /** Answers one message; `bytes` is what makes a repeated request the same request. */
  const answerOne = (
    request: IncomingMessage,
    route: Route,
    orgId: string,
    parsed: Parsed<MessageRequest>,
    bytes: Buffer,
    index: number,
    answer: (answer: Answer) => void,
  ): void => {
    const key = keyOf(request, orgId, route, bytes, index);
    if (parsed.kind === 'ok') return acceptOne(orgId, route, parsed.value, key, answer);
    const refusal = { status: 422, body: issuesBody(parsed.issues) };
    // It may be the repetition of one that was in time.
    if (key === null || parsed.issues.some(({ type }) => type !== PAST)) return answer(refusal);
    const render = (message: StoredMessage): Buffer | string =>
      deps.render(message, withContentOf(route.query));
    deps.ingest.recall(key).then(
      (before) => {
        if (before !== null) deps.onAnswer(before.kind);
        answer(before === null ? refusal : rendered(before, render));
      },
      (error: unknown) => answer(failure(error)),
    );
  };

  const joined = (answers: readonly Answer[]): Answer => {
    const first = answers[0]!;
    // Nothing of it can have succeeded where every item met the same wall: say it once.
    if (
      first.status !== 202 &&
      first.status !== 422 &&
      answers.every((answer) => answer.status === first.status)
    ) {
      return first;
    }
    const parts = answers.flatMap(({ status, body: item }, index) => [
      Buffer.from(
        `${index === 0 ? '' : ','}{"status":${status},${status === 202 ? '"message"' : '"error"'}:`,
      ),
      typeof item === 'string' ? Buffer.from(item) : item,
      Buffer.from('}'),
    ]);
    return { status: 202, body: Buffer.concat([Buffer.from('{"data":['), ...parts, Buffer.from(']}')]) };
  };

  const batch = (
    request: IncomingMessage,
    response: ServerResponse,
    route: Route,
    orgId: string,
    body: Buffer,
    answer: (answer: Answer) => void,
  ): void => {
    const parsed = parseBatch(body, deps.nowMs());
    if (parsed.kind === 'invalid') return answer({ status: 422, body: issuesBody(parsed.issues) });
    deps.onBatch(request, response, parsed.value.length);
    const answers: Answer[] = [];
    let left = parsed.value.length;
    parsed.value.forEach(({ bytes, message }, index) =>
      answerOne(request, route, orgId, message, bytes, index, (one) => {
        answers[index] = one;
        if (--left === 0) answer(joined(answers));
      }),
    );
  };

  const respond = (
    request: IncomingMessage,
    response: ServerResponse,
    route: Route,
    orgId: string,
    body: BodyReading,
  ) => {
    if (body.kind === 'too_large') {
      return send(response, 413, errorBody('payload_too_large', 'Request payload is too large.'));
    }
    if (body.kind === 'no_room') return sendAnswer(response, overloaded);
    if (!PATH_ID.test(route.application)) {
      const loc = ['path', 'app_id_or_uid', '__all__'];
      const msg = 'may only contain letters, digits, "-", "_" and "."';
      return send(response, 422, issuesBody([{ loc, msg, type: 'value_error' }]));
    }
    const key = request.headers['idempotency-key'];
    if (typeof key === 'string' && !IDEMPOTENCY_KEY.test(key)) {
      const detail = 'The idempotency-key header must be 1 to 255 visible ASCII characters.';
      return send(response, 400, errorBody('invalid_idempotency_key', detail));
    }
    const { bytes } = body;
    const answer = (ready: Answer): void => sendAnswer(response, ready);
    if (route.batch) batch(request, response, route, orgId, bytes, answer);
    else {
      const isStrict = prefersStrict(request.headers['prefer']);
      const parsed = parseMessage(bytes, ['body'], deps.nowMs(), isStrict);
      answerOne(request, route, orgId, parsed, bytes, -1, answer);
    }
  };

  const fail = (response: ServerResponse, error: unknown): void => {
    const answer = failure(error);
    if (!response.headersSent) sendAnswer(response, answer);
  };

  return (request: IncomingMessage, response: ServerResponse): boolean => {
    const route = matchRoute(request.method, request.url);
    if (route === null) return false;
    // The token first: the bytes of strangers are not kept.
    const proceed = (auth: PosterAuth): void => {
      if (auth.kind === 'failed') {
        discard(request);
        return sendAnswer(response, auth);
      }
      deps.bodies.read(request, (body) => {
        try {
          respond(request, response, route, auth.orgId, body);
        } catch (error) {
          fail(response, error);
        }
      });
    };
    const auth = deps.authenticate(request.headers.authorization);
    if (auth instanceof Promise) {
      auth.then(proceed, (error: unknown) => {
        discard(request);
        fail(response, error);
      });
    } else proceed(auth);
    return true;
  };
};
