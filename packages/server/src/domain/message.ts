import type { Priority } from './delivery.ts';
import type { ApplicationId, EndpointId, MessageId, OrgId } from './ids.ts';

/** What makes a repeated request the same request: who asked, the key, a hash of what was asked. */
export type IdempotencyKey = {
  /** Token subject and route. */
  readonly scope: string;
  readonly key: string;
  /** SHA-256 of the request body, lower-case hex. */
  readonly requestHash: string;
};

/** A message as accepted: what is stored, signed and sent. The payload is bytes, never re-serialised. */
export type AcceptedMessage = {
  readonly id: MessageId;
  readonly orgId: OrgId;
  readonly applicationId: ApplicationId;
  readonly eventType: string;
  readonly eventId: string | null;
  readonly channels: readonly string[] | null;
  readonly tags: readonly string[] | null;
  readonly payload: Uint8Array;
  readonly contentType: string;
  /** Hours the payload is kept. */
  readonly payloadRetentionHours: number;
  /** When the thing happened, as the producer says; null when it does not. */
  readonly occurredAtMs: number | null;
  /** Its deliveries are due then; null: at once. */
  readonly deliverAtMs: number | null;
  /** From then on nothing of it is sent any more; null: never. */
  readonly expiresAtMs: number | null;
  /** Its deliveries' class, unless a replay has one of its own. */
  readonly priority: Priority;
  /** When it was accepted (the time its id carries). */
  readonly createdAtMs: number;
  /** Its deliveries to an endpoint follow those before it of the same key; null: no order. */
  readonly orderingKey: string | null;
};

/** A message as read again: its payload may have been expunged or have expired meanwhile. */
export type StoredMessage = Omit<AcceptedMessage, 'payload'> & { readonly payload: Uint8Array | null };

/** Which endpoint gets the message, and whether this node wants to hold the delivery at once. */
export type PlannedDelivery = {
  readonly endpointId: EndpointId;
  readonly partition: number;
  /** The epoch this node believes to hold the partition by, or null: store as waiting. */
  readonly holdEpoch: number | null;
  /** The key that it has its order by (see WHOLE_ENDPOINT); null: none. */
  readonly orderKey: string | null;
};

/** Whether a message has a place in an order, at any of its endpoints. */
export const isOrdered = (message: AcceptedMessage, deliveries: readonly PlannedDelivery[]): boolean =>
  message.orderingKey !== null || deliveries.some(({ orderKey }) => orderKey !== null);

/** The scope of the keys under which edited replays are posted: one message for each dead letter. */
export const replacementScope = (orgId: string): string => `letter ${orgId}`;

/** The scope of the idempotency keys of a broadcast's messages; the key is the application. */
export const broadcastScope = (taskId: string): string => `broadcast ${taskId}`;

/** What is large on one page of a list, together: the page ends before it would be more. One alone may be larger. */
export const PAGE_BYTES = 4 * 1024 * 1024;
