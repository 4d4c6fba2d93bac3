export type { RawBody } from './bytes.ts';
export type {
  Claim,
  DedupStore,
  HeadersLike,
  IncomingRequest,
  ReceivedEvent,
  Refused,
  Seen,
  SeenFact,
  Sink,
  Source,
  Verified,
} from './contract.ts';
export {
  type ErrorCode,
  handlerStatus,
  type RefusalCode,
  refusalStatus,
  WebhookVerificationError,
} from './errors.ts';
export type { Secret } from './secrets.ts';
export { sign, type SignOptions } from './sign.ts';
export { standardWebhooks } from './standard-webhooks.ts';
export {
  verify,
  verifyOrThrow,
  type VerifiedWebhook,
  type VerifyOptions,
  type VerifyResult,
} from './verify.ts';
