import { request as httpRequest } from 'node:http';
import { causeOf } from './connection.ts';
import { usage } from './tool.ts';

/** Where a developer's receiver listens on this machine. */
export type Target = {
  readonly host: string;
  readonly port: number;
  readonly path: string;
  readonly url: string;
};

/** What the receiver did with a request. */
export type Forwarded =
  /** `body`: its beginning, in text. */
  | {
      readonly kind: 'answered';
      readonly status: number;
      readonly durationMs: number;
      readonly body: string;
    }
  /** Nothing listens there: the request was not sent. */
  | { readonly kind: 'refused' }
  /** It was sent, and no answer came. */
  | { readonly kind: 'failed'; readonly why: string; readonly durationMs: number };

/** How long a receiver may take, as with a server's usual settings. */
export const ANSWER_MS = 15_000;
/** Characters of an answer that are kept, to be shown when it is no 2xx. */
const MOST_BODY = 300;
const LOOPBACK = /^(localhost|127\.[\d.]+|\[::1\])$/;

/** `3000`, `3000/path`, `localhost:3000/path` or an http URL of this machine. @throws ToolFailure */
export const parseTarget = (given: string): Target => {
  const text = /^\d+(\/|$)/.test(given) ? `http://localhost:${given}` : given;
  const url = URL.parse(/^https?:\/\//.test(text) ? text : `http://${text}`);
  if (url === null || url.protocol !== 'http:' || url.port === '0')
    throw usage(`"${given}" is no local port. Write PORT or PORT/path, such as 3000/webhooks.`);
  if (!LOOPBACK.test(url.hostname))
    throw usage(
      `${url.hostname} is not this machine. Forward to a local port; for others, make an endpoint.`,
    );
  return {
    host: url.hostname.replace(/^\[|\]$/g, ''),
    port: url.port === '' ? 80 : Number(url.port),
    path: url.pathname + url.search,
    url: url.href,
  };
};

/** Sends the bytes as they are, headers in their order. Never rejects. */
export const forward = (
  target: Target,
  headers: readonly (readonly [string, string])[],
  body: Buffer,
  monotonicMs: () => number,
  signal: AbortSignal,
): Promise<Forwarded> =>
  new Promise((resolve) => {
    const startedMs = monotonicMs();
    const durationMs = (): number => Math.round(monotonicMs() - startedMs);
    const fail = (error: Error & { code?: string }): void => {
      if (error.code === 'ECONNREFUSED') resolve({ kind: 'refused' });
      else resolve({ kind: 'failed', why: error.code ?? causeOf(error), durationMs: durationMs() });
    };
    const host = `${target.host.includes(':') ? `[${target.host}]` : target.host}:${target.port}`;
    const request = httpRequest(
      {
        host: target.host,
        port: target.port,
        path: target.path,
        method: 'POST',
        agent: false,
        signal: AbortSignal.any([signal, AbortSignal.timeout(ANSWER_MS)]),
        headers: ['host', host, ...headers.flat(), 'content-length', String(body.length)],
      },
      (response) => {
        let body = '';
        response.on('error', fail);
        response.setEncoding('utf8').on('data', (chunk: string) => {
          if (body.length < MOST_BODY) body += chunk.slice(0, MOST_BODY - body.length);
        });
        response.on('end', () =>
          resolve({ kind: 'answered', status: response.statusCode ?? 0, durationMs: durationMs(), body }),
        );
      },
    );
    request.on('error', (error: Error & { code?: string }) => fail(refusalOf(error)));
    request.end(body);
  });

/** Of a name with two addresses (localhost), each with an error of its own. */
const refusalOf = (error: Error & { code?: string; errors?: readonly { code?: string }[] }) =>
  error.errors?.every(({ code }) => code === 'ECONNREFUSED') === true
    ? Object.assign(new Error(error.message), { code: 'ECONNREFUSED' })
    : error;
