/** How the server is reached. */
export type Connection = {
  /** Where the server is, such as `https://posthorn.example`. */
  readonly url: string;
  /** An organisation's token, or where to get it: asked before each request, so that it can be rotated. */
  readonly token: string | (() => string | Promise<string>);
  /** For one request, from its beginning to the end of its answer. @default 30_000 */
  readonly timeoutMs?: number;
  /** @default the global one */
  readonly fetch?: typeof fetch;
};

export type Sending = {
  readonly method: string;
  /** From `/api/v1` on, with its query. */
  readonly path: string;
  readonly body?: Uint8Array<ArrayBuffer> | string;
  readonly key?: string;
  readonly signal?: AbortSignal;
};

/** What came of one request. `unreachable`: no answer; it may have been carried out. */
export type Reply =
  | {
      readonly kind: 'answer';
      readonly status: number;
      /** The parsed body; undefined where there is none or it is not JSON. */
      readonly body: unknown;
      readonly retryAfterMs: number | null;
    }
  | { readonly kind: 'unreachable'; readonly cause: unknown };

export type Send = (sending: Sending) => Promise<Reply>;

const DEFAULT_TIMEOUT_MS = 30_000;

const parsed = (text: string): unknown => {
  try {
    return text === '' ? undefined : JSON.parse(text);
  } catch {
    return undefined;
  }
};

const retryAfter = (value: string | null): number | null => {
  const seconds = Number(value ?? '');
  return value !== null && Number.isFinite(seconds) && seconds >= 0 ? seconds * 1000 : null;
};

/** Requests to one server. Never rejects. */
export const createSend = (connection: Connection): Send => {
  const base = connection.url.replace(/\/+$/, '');
  const ask = connection.fetch ?? fetch;
  return async ({ method, path, body, key, signal }) => {
    try {
      const { token } = connection;
      const timeout = AbortSignal.timeout(connection.timeoutMs ?? DEFAULT_TIMEOUT_MS);
      const response = await ask(base + path, {
        method,
        headers: {
          authorization: `Bearer ${typeof token === 'string' ? token : await token()}`,
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
          ...(key === undefined ? {} : { 'idempotency-key': key }),
        },
        ...(body === undefined ? {} : { body }),
        redirect: 'error',
        signal: signal === undefined ? timeout : AbortSignal.any([signal, timeout]),
      });
      return {
        kind: 'answer',
        status: response.status,
        body: parsed(await response.text()),
        retryAfterMs: retryAfter(response.headers.get('retry-after')),
      };
    } catch (cause) {
      return { kind: 'unreachable', cause };
    }
  };
};

/** The same request may be answered otherwise later. */
export const isWorthRetrying = (status: number): boolean =>
  status === 408 || status === 425 || status === 429 || (status >= 500 && status !== 501);

const FIRST_WAIT_MS = 100;
const LONGEST_WAIT_MS = 30_000;

/**
 * How long to wait before the next try. @param tries Made so far, from 1. @param random In [0, 1): clients
 * that were cut off together do not come back together.
 */
export const waitBefore = (tries: number, retryAfterMs: number | null, random: number): number => {
  const doubled = Math.min(FIRST_WAIT_MS * 2 ** Math.min(tries - 1, 20), LONGEST_WAIT_MS);
  return Math.max(doubled / 2 + (doubled / 2) * random, Math.min(retryAfterMs ?? 0, LONGEST_WAIT_MS));
};
