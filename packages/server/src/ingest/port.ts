import type { ApplicationConfig } from '../domain/configuration.ts';
import type { Priority } from '../domain/delivery.ts';
import type { AcceptedMessage, IdempotencyKey, PlannedDelivery, StoredMessage } from '../domain/message.ts';

/** One message with its fan-out, matched against one version of its application's configuration. */
export type MessageInsert = {
  readonly message: AcceptedMessage;
  readonly configVersion: number;
  readonly deliveries: readonly PlannedDelivery[];
  /**
   * The partition whose owner writes the deliveries after the commit, in chunks (a fan-out too large for one
   * transaction; none of them is held); null: they are written with the message.
   */
  readonly unfoldedBy: number | null;
  readonly idempotency: IdempotencyKey | null;
};

/**
 * What became of one message of a batch. Only `accepted` wrote anything.
 *
 * accepted     Committed. `held` lists the endpoints whose delivery was stored as held by this
 *              node (the others are waiting).
 * stale        The application's configuration is newer than the one matched with (or the
 *              application is gone): load it again, match again, insert again.
 * repeated     Same idempotency key and same request: `message` is what was accepted then.
 * key_reused   Same idempotency key, another request.
 * event_exists A message with this event id exists in the application.
 */
export type InsertOutcome =
  | { readonly kind: 'accepted'; readonly held: readonly string[] }
  | { readonly kind: 'stale' }
  | { readonly kind: 'repeated'; readonly message: StoredMessage }
  | { readonly kind: 'key_reused' }
  | { readonly kind: 'event_exists' };

/**
 * What became of a batch.
 *
 * done         Committed; one outcome per message, in order.
 * rejected     Nothing was written: the database refused the statement because of its data.
 *              Split the batch to find the guilty message; a batch of one is the guilty one.
 * unavailable  Nothing was written: the database could not be reached or is full. Try again later.
 * unknown      The statement was sent and no reply came: it may or may not have committed. Nothing
 *              of it may be delivered from memory; the store's reconcile frees what was written.
 */
export type InsertReply =
  | { readonly kind: 'done'; readonly outcomes: readonly InsertOutcome[] }
  | { readonly kind: 'rejected'; readonly detail: string }
  | { readonly kind: 'unavailable'; readonly detail: string }
  | { readonly kind: 'unknown'; readonly detail: string };

/** What ingest needs of the store. */
export type IngestStore = {
  /**
   * The application by id or uid inside an organisation, with its live endpoints, in one snapshot;
   * null when there is none (or it is deleted).
   */
  readonly loadApplication: (orgId: string, idOrUid: string) => Promise<ApplicationConfig | null>;
  /** The event types of an organisation that have a priority. */
  readonly loadEventTypePriorities: (orgId: string) => Promise<ReadonlyMap<string, Priority>>;
  /**
   * Writes messages and their deliveries in one transaction. A delivery is stored as held only
   * where the partition's row, read in that statement, names `node` and the delivery's
   * `holdEpoch`; else as waiting and due now, lowering its lane's next due time. Where there is an
   * order, messages get their places in it as they stand in the batch. Never rejects.
   */
  readonly insertMessages: (node: string, batch: readonly MessageInsert[]) => Promise<InsertReply>;
  /** What was accepted under the key, without writing anything; null when nothing was. */
  readonly recall: (
    key: IdempotencyKey,
    nowMs: number,
  ) => Promise<Extract<InsertOutcome, { kind: 'repeated' | 'key_reused' }> | null>;
};
