/**
 * A delivery: one message on its way to one endpoint. Its states, and who moves it out of each.
 *
 * waiting    Due at a time, in the store only. Its lane's owner takes it when due (held), an API
 *            call cancels it or a manual resend that succeeds ends it. Nothing is lost if any
 *            process dies.
 * held       In the memory of the node whose token is on the row: queued in its lane or in
 *            flight. That node settles it (succeeded, dead, waiting again) or hands it back
 *            (waiting). If the node dies, whoever takes its partition over frees it (waiting),
 *            with one `unknown` attempt, for it may have been sent.
 * succeeded  Final: a receiver answered 2xx in time.
 * dead       Final: given up, with a reason. A dead letter; a replay starts a new run.
 * canceled   Final: withdrawn before it was sent, or its `expiresAt` has passed.
 *
 * An open delivery (waiting, held) is a row of table `live`; a final one is gone from there.
 * Blocked (endpoint disabled or gone, receiver asked for a pause) is a property of the lane.
 */
export const deliveryStates = {
  open: ['waiting', 'held'],
  final: ['succeeded', 'dead', 'canceled'],
} as const;

/** Why a delivery was given up. */
export type DeadReason =
  /** Every attempt of the schedule failed. */
  | 'exhausted'
  | 'endpoint_deleted'
  /** The payload was expunged or has expired before it could be sent. */
  | 'payload_gone';

/** Where a dead letter stands: open for replay, replayed in a new run, or discarded by somebody. */
export type DeadLetterState = 'open' | 'replayed' | 'discarded';

/** Classes of urgency; lower goes first. */
export const priorities = { critical: 0, normal: 1, bulk: 2 } as const;
export type PriorityName = keyof typeof priorities;
export type Priority = (typeof priorities)[PriorityName];

export const priorityNames = ['critical', 'normal', 'bulk'] as const satisfies readonly PriorityName[];

/**
 * A delivery can have a place in an order: that of its ordering key at its endpoint, or of the whole
 * endpoint (a `fifo` one), whose key is this. The next one of a key is sent once the one before has ended.
 */
export const WHOLE_ENDPOINT = '';

/** Where a delivery waits for its turn at an endpoint: among those of its class, or, with an order, behind its key. */
export type Line = Priority | string;

/** An order comes first: inside a key the class changes nothing. */
export const lineOf = (priority: Priority, orderKey: string | null): Line => orderKey ?? priority;

/** What becomes of a key whose first delivery has died: it stops until somebody releases it, or the next goes on. */
export type PoisonPolicy = 'block' | 'skip';
