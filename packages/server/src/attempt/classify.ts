import type { AttemptResult } from '../domain/attempt.ts';

/**
 * Causes as codes. An error may carry a system code, one of TLS or nothing at all; whatever is not
 * known by its code still ends as a result.
 */

/** An error before there was a connection. `open` cannot fail here and counts as connect. */
export const classifyConnectError = (
  error: unknown,
  phase: 'dns' | 'connect' | 'tls' | 'open',
): AttemptResult => {
  const code = codeOf(error);
  if (phase === 'tls') return { kind: 'tls', code: tlsCode(code) };
  if (code === 'ETIMEDOUT') return { kind: 'timeout', phase: 'connect' };
  return { kind: 'network', code: networkCode(code) };
};

/** What was known of the exchange when it broke. */
export type ExchangeFacts = {
  /** The socket had served an earlier request. */
  readonly wasReused: boolean;
  /** Something of a response had come. */
  readonly hadResponse: boolean;
};

/**
 * A connection that broke between the request and the final status line.
 *
 * @param error undefined: the peer closed it.
 */
export const classifyExchangeError = (error: Error | undefined, facts: ExchangeFacts): AttemptResult => {
  if (error === undefined) return closed('connection_closed', facts);
  const code = codeOf(error);
  if (code.startsWith('ERR_SSL_')) return { kind: 'tls', code: tlsCode(code) };
  switch (code) {
    case 'ETIMEDOUT':
      return { kind: 'timeout', phase: 'headers' };
    case 'ECONNRESET':
    case 'EPIPE':
    case 'ECONNABORTED':
      return closed('connection_reset', facts);
    default:
      return { kind: 'network', code: networkCode(code) };
  }
};

/**
 * A kept-alive socket that closes before any byte of the response was most likely closed by the
 * receiver while it was idle. It may still have processed the request, so there is no second one
 * in secret; the code lets the verdict tell this apart.
 */
const closed = (code: string, facts: ExchangeFacts): AttemptResult => {
  if (facts.hadResponse) return { kind: 'protocol', code: 'response_cut' };
  return { kind: 'network', code: facts.wasReused ? 'stale_connection' : code };
};

const networkCode = (code: string): string => {
  switch (code) {
    case 'ECONNREFUSED':
      return 'connection_refused';
    case 'ECONNRESET':
    case 'EPIPE':
    case 'ECONNABORTED':
      return 'connection_reset';
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
    case 'EHOSTDOWN':
    case 'ENETDOWN':
    case 'EADDRNOTAVAIL':
    case 'EAFNOSUPPORT':
      return 'no_route';
    case 'EMFILE':
    case 'ENFILE':
    case 'ENOBUFS':
    case 'ENOMEM':
      return 'no_socket';
    case 'EACCES':
    case 'EPERM':
      return 'not_permitted';
    default:
      return 'connection_failed';
  }
};

const tlsCode = (code: string): string => {
  switch (code) {
    case 'DEPTH_ZERO_SELF_SIGNED_CERT':
    case 'SELF_SIGNED_CERT_IN_CHAIN':
      return 'tls_self_signed';
    case 'UNABLE_TO_VERIFY_LEAF_SIGNATURE':
    case 'UNABLE_TO_GET_ISSUER_CERT':
    case 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY':
    case 'CERT_UNTRUSTED':
      return 'tls_unknown_authority';
    case 'ERR_TLS_CERT_ALTNAME_INVALID':
    case 'ERR_TLS_CERT_ALTNAME_FORMAT':
    case 'HOSTNAME_MISMATCH':
      return 'tls_wrong_host';
    case 'CERT_HAS_EXPIRED':
      return 'tls_expired';
    case 'CERT_NOT_YET_VALID':
      return 'tls_not_yet_valid';
    case 'CERT_REVOKED':
      return 'tls_revoked';
    case 'ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION':
    case 'ERR_SSL_UNSUPPORTED_PROTOCOL':
    case 'ERR_SSL_VERSION_TOO_LOW':
      return 'tls_version';
    case 'ERR_SSL_WRONG_VERSION_NUMBER':
    case 'ERR_SSL_PACKET_LENGTH_TOO_LONG':
    case 'ERR_SSL_HTTP_REQUEST':
      return 'tls_not_spoken';
    case '':
    case 'ECONNRESET':
    case 'EPIPE':
      return 'tls_closed';
    default:
      return 'tls_failed';
  }
};

const codeOf = (error: unknown): string =>
  error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : '';
