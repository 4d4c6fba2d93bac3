import type { Refused } from './contract.ts';

/**
 * Why a request was refused, with the HTTP status that answers it. The lists are closed: switch
 * over them. Each code has a section in docs/receiver/errors.md.
 */
export const refusalStatus = {
  /** A header that the source needs is absent or empty. */
  missing_header: 400,
  /** It came more than once. */
  duplicate_header: 400,
  /** The id holds a dot, which would let signed content be cut in another place. */
  bad_id: 400,
  /** The timestamp is not a whole number of seconds. */
  bad_timestamp: 400,
  timestamp_too_old: 401,
  timestamp_too_new: 401,
  /** No entry of the signature header is a well-formed one of a known version. */
  no_usable_signature: 400,
  /** More than ten entries in the signature header. */
  too_many_signatures: 400,
  /** None of the signatures was made with one of the secrets over these bytes. */
  signature_mismatch: 401,
  /** The receiver's own fault: a secret cannot be read, or there is none. */
  bad_secret: 500,
  /** No password, key, token or certificate came with the request. */
  missing_credentials: 401,
  /** One came and is not the right one. */
  bad_credentials: 401,
  /** The JWT cannot be read. */
  bad_token: 401,
  /** The JWT's algorithm is not one that its key is for. */
  token_algorithm: 401,
  token_expired: 401,
  token_not_yet_valid: 401,
  /** The JWT was made by, or for, somebody else. */
  token_issuer: 401,
  token_audience: 401,
  /** The keys to check with cannot be fetched. */
  keys_unavailable: 503,
  /** The request came past the proxy that vouches for it. */
  untrusted_proxy: 403,
  /** The sender's address is not on the allow-list. */
  address_not_allowed: 403,
  /** The sender's address is not known, because the host or the hops are wrong. */
  address_unknown: 403,
  /** The allow-list could not be fetched and there is no older one. */
  addresses_unavailable: 503,
} as const;

/** Why a verified request was not taken by the handler all the same. */
export const handlerStatus = {
  unknown_source: 404,
  method_not_allowed: 405,
  /** A body parser ran before the receiver and the bytes are gone. */
  body_already_parsed: 500,
  body_too_large: 413,
  /** The body did not arrive in time. */
  body_timeout: 408,
  /** The body ended early or cannot be read. */
  body_unreadable: 400,
  /** A schema is asked for and the body is not JSON. */
  bad_json: 400,
  /** The body is not what the schema says; `field` is where. */
  schema_mismatch: 422,
  /** The same event is being handled at this moment. Not 409: some senders never retry after a 4xx. */
  in_progress: 503,
  /** The inbox or queue is full. */
  full: 503,
  /** The store of the inbox, the queue or the deduplication is away or slow. */
  store_unavailable: 503,
  /** A function of this side's own (orderKey, dedup.key, dedup.pass) threw, or gave no key. */
  key_failed: 500,
  /** The handler did not end in time. */
  handler_timeout: 503,
  /** The handler threw. */
  handler_failed: 500,
} as const;

export type RefusalCode = keyof typeof refusalStatus;
export type ErrorCode = RefusalCode | keyof typeof handlerStatus;

export const refuse = (code: RefusalCode, message: string, field?: string): Refused => ({
  ok: false,
  code,
  message,
  ...(field === undefined ? {} : { field }),
});

/** A function that was to name a key threw, or named none. */
export class KeyFailed extends Error {
  override readonly name = 'KeyFailed';
  readonly code = 'key_failed';
}

/** What `verifyOrThrow` throws. */
export class WebhookVerificationError extends Error {
  override readonly name = 'WebhookVerificationError';
  readonly code: RefusalCode;

  constructor(code: RefusalCode, message: string) {
    super(message);
    this.code = code;
  }
}
