import { type ErrorCode, handlerStatus, refusalStatus } from '../errors.ts';

/** The HTTP answer, for the adapter to send as it is. */
export type Answer = {
  readonly status: number;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
};

/** Why a request was not taken, before it is an answer. */
export type Failure = {
  readonly code: ErrorCode;
  readonly message: string;
  readonly field?: string;
  readonly retryAfterMs?: number;
  /** For this side's log only. */
  readonly log?: string;
  readonly headers?: Readonly<Record<string, string>>;
};

const statuses = { ...refusalStatus, ...handlerStatus };
export const statusOf = (code: ErrorCode): number => statuses[code];

export const answerJson = (
  status: number,
  body: object,
  headers: Readonly<Record<string, string>> = {},
): Answer => ({
  status,
  headers: { 'content-type': 'application/json; charset=utf-8', ...headers },
  body: JSON.stringify(body),
});

/** `{error, message, field, timestamp}` with the status of the code; each 503 says when to come again. */
export const answerFailure = (
  { code, message, field = '', headers, retryAfterMs }: Failure,
  usualRetryAfterMs: number,
  nowMs: number,
): Answer => {
  const status = statusOf(code);
  const seconds = Math.max(1, Math.ceil((retryAfterMs ?? usualRetryAfterMs) / 1_000));
  return answerJson(
    status,
    { error: code, message, field: field || null, timestamp: new Date(nowMs).toISOString() },
    { ...headers, ...(status === 503 ? { 'retry-after': String(seconds) } : {}) },
  );
};

/** HEAD is answered like GET, without the body (RFC 9110, 9.3.2). */
export const withoutBody = ({ status, headers: { 'content-type': _, ...headers } }: Answer): Answer => ({
  status,
  headers,
  body: '',
});
