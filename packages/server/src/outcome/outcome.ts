import type { AttemptResult } from '../domain/attempt.ts';

/**
 * What a result means for the delivery and its endpoint, finer than success and failure:
 *
 * succeeded   A final 2xx in time, whatever became of the body after the status line.
 * gone        410: the receiver says that nobody listens here any more.
 * throttled   429: the receiver works and asks for less.
 * overloaded  502, 503, 504: the receiver or what stands before it cannot keep up.
 * failed      Anything else, redirects included: they are never followed.
 * unsent      Nothing left this side, for a reason of its own (the operator's proxy, no socket, a firewall here).
 * unknown     This side died; the request may have been sent. Says nothing about the receiver.
 */
export type Outcome = 'succeeded' | 'gone' | 'throttled' | 'overloaded' | 'failed' | 'unsent' | 'unknown';

/** Codes of attempts that never got out: the receiver had no part in them. */
const UNSENT: ReadonlySet<string> = new Set([
  'proxy_unreachable',
  'proxy_refused',
  'no_socket',
  'not_permitted',
]);

const ofStatus = (status: number): Outcome => {
  if (status >= 200 && status <= 299) return 'succeeded';
  switch (status) {
    case 410:
      return 'gone';
    case 429:
      return 'throttled';
    case 502:
    case 503:
    case 504:
      return 'overloaded';
    default:
      return 'failed';
  }
};

/** Total: every result has one outcome. */
export const outcomeOf = (result: AttemptResult): Outcome => {
  switch (result.kind) {
    case 'response':
      return ofStatus(result.status);
    case 'timeout':
    case 'refused':
    case 'dns':
    case 'tls':
    case 'protocol':
      return 'failed';
    case 'network':
      return UNSENT.has(result.code) ? 'unsent' : 'failed';
    case 'unknown':
      return 'unknown';
    default:
      return result satisfies never;
  }
};
