/**
 * What was seen from outside of the system, and what its database says in the end. The checker
 * compares the two; nothing in here comes from the process under test.
 *
 * All times are Unix milliseconds of the one machine that everything runs on.
 */

/** One event that a producer wanted to be a message, over all of its tries. */
export type Posting = {
  readonly eventId: string;
  /** SHA-256 of the payload's bytes, lower-case hex. */
  readonly payloadSha256: string;
  /** Every different message id that an answer named. */
  readonly messageIds: readonly string[];
  /**
   * acknowledged  A 202, or a conflict that says that the event is there.
   * refused       Every try was answered, and each answer said that nothing was written.
   * unknown       Some try had no answer, or one that left it open, and no later one settled it.
   */
  readonly end: 'acknowledged' | 'refused' | 'unknown';
};

/** One request that arrived at a receiver. */
export type WireRequest = {
  readonly endpointId: string;
  readonly messageId: string;
  /** The process that sent it, by its id. */
  readonly sender: number;
  readonly bodySha256: string;
  /** What an independent library says about its signature. */
  readonly isSigned: boolean;
  readonly arrivedMs: number;
  /** When the answer was out or the connection broke; null: neither yet. */
  readonly endedMs: number | null;
  /** The status that was written in full; null when the connection broke before. */
  readonly answered: number | null;
};

/** Something done to the system, from its beginning until the harm was over. */
export type Fault = {
  readonly kind: string;
  /** The process that it was done to; null: to something that all of them need. */
  readonly sender: number | null;
  readonly fromMs: number;
  readonly toMs: number;
};

export type StoredMessage = {
  readonly id: string;
  readonly eventId: string | null;
  /** Of the stored bytes, computed by the database. */
  readonly payloadSha256: string | null;
};

export type StoredAttempt = {
  readonly id: string;
  readonly messageId: string;
  readonly endpointId: string;
  /** The delivery's final state where this attempt ended it. */
  readonly final: 'succeeded' | 'dead' | null;
  /** 0 where no response came. */
  readonly responseStatus: number;
  readonly cause: string | null;
  /** Its begin and its duration: when it was over, or found without an end. */
  readonly endedMs: number;
};

export type DeliveryName = { readonly messageId: string; readonly endpointId: string };

/** The tables, once nothing is under way any more (or the wait for that was given up). */
export type Snapshot = {
  readonly messages: readonly StoredMessage[];
  readonly attempts: readonly StoredAttempt[];
  readonly live: readonly (DeliveryName & { readonly state: string })[];
  readonly closed: readonly DeliveryName[];
};

export type History = {
  readonly postings: readonly Posting[];
  readonly requests: readonly WireRequest[];
  readonly faults: readonly Fault[];
  /** Every message goes to every one of these. */
  readonly endpointIds: readonly string[];
  readonly database: Snapshot;
};
