import type { DeadReason } from './delivery.ts';

/** Why the guard did not let a request out. Told to tenants without the resolved address. */
export type RefusedReason =
  /** The address, or any address that the name resolves to, is not allowed. */
  | 'blocked_address'
  /** Port not allowed. */
  | 'blocked_port'
  /** The URL is not usable: scheme, user info, port 0, unparsable. */
  | 'bad_url'
  /** http where only https is allowed. */
  | 'https_only';

/** The phase in which the deadline struck. */
export type TimeoutPhase = 'dns' | 'connect' | 'tls' | 'headers' | 'body';

/**
 * What one try came to. Only a final status in time is a `response`; what happens after the
 * status line annotates it (`bodyError`). `unknown` is what a node's death leaves behind: the
 * request may have been sent. Codes are short, stable, lower-case words.
 */
export type AttemptResult =
  | {
      readonly kind: 'response';
      readonly status: number;
      /** The Retry-After header as it came, or null. */
      readonly retryAfter: string | null;
      /** Set when the body broke, was cut at the limit or did not end in time. */
      readonly bodyError: string | null;
    }
  | { readonly kind: 'timeout'; readonly phase: TimeoutPhase }
  | { readonly kind: 'refused'; readonly why: RefusedReason }
  | { readonly kind: 'dns'; readonly code: string }
  | { readonly kind: 'tls'; readonly code: string }
  | { readonly kind: 'network'; readonly code: string }
  | { readonly kind: 'protocol'; readonly code: string }
  | { readonly kind: 'unknown' };

/** Header lines `name: value` as they stand on the wire, each ended by CRLF. Bytes are latin1 characters. */
export type HeaderLines = string;

/** Name, as it was written, and value. */
export type HeaderPair = readonly [name: string, value: string];

/** What stands for the value of a header that is a secret, wherever headers are kept. */
export const REDACTED = '[redacted]';

/** One pair for each line. */
export const headerPairs = (lines: HeaderLines): HeaderPair[] =>
  lines
    .split('\r\n')
    .filter((line) => line !== '')
    .map((line) => {
      const colon = line.indexOf(':');
      return [line.slice(0, colon), line.slice(colon + 1).trim()];
    });

/** Milliseconds from the start of the attempt to the end of each phase; null when not reached or reused. */
export type AttemptPhases = {
  readonly dnsMs: number | null;
  readonly connectMs: number | null;
  readonly tlsMs: number | null;
  readonly firstByteMs: number | null;
  readonly totalMs: number;
};

/** All that is kept of one try, besides its verdict. */
export type AttemptReport = {
  readonly result: AttemptResult;
  readonly startedAtMs: number;
  readonly phases: AttemptPhases;
  /** As sent, secrets redacted. */
  readonly requestHeaders: HeaderLines;
  /** At most 8 KiB of whole lines. */
  readonly responseHeaders: HeaderLines;
  /** At most 16 KiB of a failure, 1 KiB of a success. */
  readonly responseBody: Uint8Array;
  readonly bodyBytes: number;
  /** Address and port of the connected peer, or null when no connection was made. */
  readonly peer: string | null;
};

export type AttemptTrigger = 'scheduled' | 'manual';

/**
 * The verdict on an attempt; made in outcome/, carried out by dispatch/ and store/.
 *
 * `retry` names the next time; `countsAsAttempt` is false where the try used up nothing (an
 * unknown one, a 429 within its bound). `dead` gives up.
 */
export type Verdict =
  | { readonly kind: 'succeeded' }
  | { readonly kind: 'retry'; readonly atMs: number; readonly countsAsAttempt: boolean }
  | { readonly kind: 'dead'; readonly reason: DeadReason };

/** One short, stable word for the cause of a failure, as kept and shown; null for a 2xx. */
export const causeOf = (result: AttemptResult): string | null => {
  switch (result.kind) {
    case 'response':
      return result.status >= 200 && result.status < 300 ? null : `http_${result.status}`;
    case 'timeout':
      return `${result.phase}_timeout`;
    case 'refused':
      return result.why;
    case 'dns':
    case 'tls':
    case 'network':
    case 'protocol':
      return result.code;
    case 'unknown':
      return 'unknown';
    default:
      return result satisfies never;
  }
};
