import type { ApplicationId, EndpointId, OrgId } from './ids.ts';
import type { HeaderPair } from './attempt.ts';
import type { RetryPolicy } from './policy.ts';

/**
 * A signing key. Symmetric: the bytes behind `whsec_`. Asymmetric: Ed25519, 32 bytes of seed and
 * 32 of public key, behind `whsk_` (Standard Webhooks).
 */
export type SigningKey =
  | { readonly kind: 'hmac256'; readonly key: Uint8Array }
  | { readonly kind: 'ed25519'; readonly seed: Uint8Array; readonly publicKey: Uint8Array };

/** A key with its end; null is the current one, others sign beside it until then. */
export type EndpointKey = { readonly key: SigningKey; readonly expiresAtMs: number | null };

/** Nothing is sent until then; null: until somebody resumes it. One that has passed is over. */
export type Pause = { readonly untilMs: number | null };

/** What matching and delivering need to know about an endpoint. Deleted ones are absent. */
export type EndpointConfig = {
  readonly id: EndpointId;
  readonly applicationId: ApplicationId;
  readonly orgId: OrgId;
  readonly partition: number;
  readonly url: string;
  readonly disabled: boolean;
  /** Its deliveries wait; new ones are made. */
  readonly paused: Pause | null;
  /** null: all event types. */
  readonly eventTypes: readonly string[] | null;
  /** null: all messages; else only those that share a channel. */
  readonly channels: readonly string[] | null;
  /** Current key first. */
  readonly keys: readonly EndpointKey[];
  readonly headers: readonly HeaderPair[];
  readonly retryPolicy: RetryPolicy | null;
  /** Requests a second at most, in any second; null: no limit. */
  readonly rateLimit: number | null;
  /** The same of all endpoints of its application together. Absent where there is none, or nobody delivers by it. */
  readonly applicationRateLimit?: number;
  /** What is stored of it does not open here: nothing can be signed, so it is paused until it does. */
  readonly isUnreadable?: true;
  /** Its deliveries go one after the other, in the order of their messages. */
  readonly fifo: boolean;
};

/** An application as message acceptance sees it, at one version of its configuration. */
export type ApplicationConfig = {
  readonly id: ApplicationId;
  readonly uid: string | null;
  readonly orgId: OrgId;
  /** Raised in the transaction of every change to the application or its endpoints. */
  readonly configVersion: number;
  readonly endpoints: readonly EndpointConfig[];
};
