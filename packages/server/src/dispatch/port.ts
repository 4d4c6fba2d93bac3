import type { AttemptReport, AttemptTrigger, Verdict } from '../domain/attempt.ts';
import type { DeadReason, Priority } from '../domain/delivery.ts';
import type { EndpointConfig } from '../domain/configuration.ts';
import type { RetryPolicy } from '../domain/policy.ts';
import type { Claim } from './share.ts';

/** A delivery in this node's memory, with all that an attempt and its record need. */
export type HeldDelivery = {
  readonly orgId: string;
  readonly applicationId: string;
  readonly endpointId: string;
  readonly messageId: string;
  readonly partition: number;
  /** With the node's uuid: the token that is on the row. */
  readonly epoch: number;
  readonly priority: Priority;
  /** The key that it stands in an order by, first of all; null: none. */
  readonly orderKey: string | null;
  /** From then on it must not be sent; null: never. */
  readonly expiresAtMs: number | null;
  /** Attempts that counted so far. */
  readonly attemptsUsed: number;
  /** 429 answers so far that cost no attempt. */
  readonly throttled: number;
  /** Unknown attempts in a row so far. */
  readonly unknowns: number;
  /** Replays start a new run; the first is 0. */
  readonly run: number;
  /** The policy fixed at the first attempt of the run, or null before it. */
  readonly policy: RetryPolicy | null;
  readonly eventType: string;
  readonly channels: readonly string[] | null;
  readonly tags: readonly string[] | null;
  readonly payload: Uint8Array;
  readonly contentType: string;
  /** Its place among the open deliveries; null while no attempt is under way. Theirs alone to change. */
  openSlot: number | null;
};

/** An attempt as it is written: the try, its number and what it was for. */
export type AttemptRecord = {
  readonly id: string;
  readonly trigger: AttemptTrigger;
  /** 1-based number of the try inside its run, counted or not. */
  readonly report: AttemptReport;
  readonly url: string;
};

/** The end of one try: the record and the verdict, written together, fenced by the token. */
export type Settlement = {
  readonly delivery: HeldDelivery;
  readonly attempt: AttemptRecord;
  readonly verdict: Verdict;
  /** Written back with a retry. */
  readonly policy: RetryPolicy;
  /** Values of the counters after this attempt. */
  readonly attemptsUsed: number;
  readonly throttled: number;
  readonly unknowns: number;
};

/** `lost`: the row no longer carries the token; nothing was written for this settlement. */
export type SettleOutcome = 'settled' | 'lost';

export type SettleReply =
  | { readonly kind: 'done'; readonly outcomes: readonly SettleOutcome[] }
  | { readonly kind: 'rejected'; readonly detail: string }
  /** Not written, or not known to be: settling again is safe, the fence decides. */
  | { readonly kind: 'unavailable'; readonly detail: string };

/** An attempt beside the schedule: a resend by hand, from any state of the delivery. */
export type ManualSettlement = {
  readonly orgId: string;
  readonly applicationId: string;
  readonly endpointId: string;
  readonly messageId: string;
  readonly eventType: string;
  readonly channels: readonly string[] | null;
  readonly tags: readonly string[] | null;
  readonly attempt: AttemptRecord;
  readonly succeeded: boolean;
};

/** Why a lane does not start anything, until when (null: until told otherwise). */
export type LaneBlock = {
  readonly reason: 'retry_after' | 'throttled' | 'gone' | 'failing';
  readonly untilMs: number;
};

/** What the owner remembers of an endpoint across restarts. */
export type LaneState = {
  readonly endpointId: string;
  /** Hint: nothing waiting is due before. null: nothing waits. */
  readonly nextDueMs: number | null;
  /** Version of the hint; raising it needs the version that was read. */
  readonly version: number;
  readonly block: LaneBlock | null;
  readonly failingSinceMs: number | null;
  readonly goneSinceMs: number | null;
  /** Attempts that former owners of its partition, which they left while they drain, may have in flight; null: none of them drains. */
  readonly abroad: number | null;
  /** Deliveries with an order wait. */
  readonly hasOrdered: boolean;
};

/** What an owner writes of it, by the token that it holds its partition by. */
export type SavedLane = Pick<LaneState, 'endpointId' | 'block' | 'failingSinceMs' | 'goneSinceMs'> &
  OwnedPartition & { readonly node: string };

/** @property upto Nothing less urgent is wanted. */
export type PolledLane = { readonly endpointId: string; readonly limit: number; readonly upto: Priority };

/** Where to look for deliveries that are first in their key; each key yields one at most. */
export type PolledLine = {
  readonly endpointId: string;
  readonly keys: readonly string[];
  /** So many of those that wait for their time, the earliest first. */
  readonly timed: number;
  /** And the next keys behind one (the empty key itself is asked for by name). */
  readonly scan: { readonly after: string; readonly keys: number } | null;
};

export type OrderedPoll = {
  /** In the order of their places. */
  readonly deliveries: readonly HeldDelivery[];
  /** Keys to ask for once more: at once, or (`waits`) when somebody else has got on. */
  readonly again: readonly { readonly endpointId: string; readonly key: string; readonly waits: boolean }[];
  /** Of each lane that is this node's. */
  readonly lanes: readonly {
    readonly endpointId: string;
    /** The scan came as far as this key, and saw so many. */
    readonly lastKey: string | null;
    readonly keys: number;
    /** When the next of those that wait for their time is due; null: none waits for a later one. */
    readonly nextMs: number | null;
  }[];
};

/** A partition that this node holds, as the database says. */
export type OwnedPartition = { readonly partition: number; readonly epoch: number };

export type NodeRole = 'all' | 'api' | 'worker';

/** A node whose lease runs. */
export type ClusterNode = {
  readonly node: string;
  readonly name: string;
  readonly role: NodeRole;
  /** It takes partitions: false for one that only accepts, and for one that leaves. */
  readonly isTaking: boolean;
  /** Since when its lease has been running without a lapse. */
  readonly ageMs: number;
};

/** Who shares the partitions, and how many of them nobody holds (or by an ended lease). */
export type ClusterView = { readonly nodes: readonly ClusterNode[]; readonly free: number };

/** What a node claims of the rate of an application, of all of its endpoints together. */
export type ShareRequest = {
  readonly applicationId: string;
  /** Requests a second, as the node knows it. */
  readonly limit: number;
  readonly claim: Claim;
  readonly holdMs: number;
};

/** The lease that came back from a heartbeat: what is still (or newly) ours, and the database's time. */
export type Lease = {
  readonly owned: readonly OwnedPartition[];
  readonly databaseMs: number;
};

/**
 * What dispatch needs of the store. Each operation is one transaction. Those that return no reply
 * union reject with a StoreUnavailable error when the database cannot be reached; all are safe to
 * repeat.
 */
export type DispatchStore = {
  /**
   * Announces the node, renews its partitions (`token = mine`) and takes those that nobody holds or
   * whose lease has ended, up to `take` of them; `seize` also takes those with a running lease
   * (only for the process that has just started the database itself and holds its lock). A taken
   * partition gets epoch + 1, and all other nodes count as gone then. One statement over partition rows; what is not returned is lost.
   */
  readonly heartbeat: (input: {
    readonly node: string;
    readonly name: string;
    readonly role: NodeRole;
    readonly isTaking: boolean;
    readonly leaseMs: number;
    readonly take: number;
    readonly seize: boolean;
  }) => Promise<Lease>;
  /** Who is there, and how many partitions are free to take. */
  readonly cluster: () => Promise<ClusterView>;
  /**
   * Frees held rows of partitions that this node owns whose token is neither the current one nor
   * draining: waiting, due now, with one `unknown` attempt each (ids from `attemptIds`, one per
   * row, at most that many rows a call). A row's third unknown in a row counts as an attempt.
   * Returns how many it freed; call again while it equals the number of ids.
   */
  readonly takeOver: (input: {
    readonly node: string;
    readonly attemptIds: readonly string[];
  }) => Promise<number>;
  /** The same for the whole table: rows whose token is neither current nor draining. The always-on sweep. */
  readonly sweep: (input: { readonly attemptIds: readonly string[] }) => Promise<number>;
  /**
   * Held rows of this node's live tokens that are older than `olderThanMs`: those not in memory
   * (`isHeld` says no) go back to waiting, due now. What an insert of unknown outcome left behind.
   * Returns the keys it freed.
   */
  readonly reconcile: (input: {
    readonly node: string;
    readonly olderThanMs: number;
    readonly isHeld: (messageId: string, endpointId: string) => boolean;
  }) => Promise<number>;
  /** Hands rows that were not in flight back: waiting, due now, no attempt. Fenced by the token. */
  readonly handBack: (node: string, deliveries: readonly HeldDelivery[]) => Promise<void>;
  /** Gives partitions up at once (their rows must have been handed back or listed as draining). */
  readonly release: (input: {
    readonly node: string;
    readonly partitions: readonly OwnedPartition[];
    /** Rows in flight keep the old token until then; 0: none are. */
    readonly drainMs: number;
    /** The node itself goes: it no longer counts among those that share. */
    readonly isLeaving: boolean;
  }) => Promise<void>;
  /** Writes attempts and new states of many deliveries in one fenced statement. Never rejects. */
  readonly settle: (node: string, batch: readonly Settlement[]) => Promise<SettleReply>;
  /** Writes a manual attempt; its success ends an open delivery and replays its dead letter, its failure changes nothing. */
  readonly settleManual: (settlement: ManualSettlement) => Promise<void>;
  /**
   * Takes due waiting deliveries without an order of the given lanes: marks them held by this node (where it owns the
   * partition, checked in the statement) and returns them with payloads, by priority and due time,
   * at most `limit` a lane (nothing less urgent than `upto`) and about `budgetBytes` of payload over all (at least one row). Rows
   * whose payload is gone are closed as dead by the same statement, those that have expired as canceled.
   */
  readonly poll: (input: {
    readonly node: string;
    readonly lanes: readonly PolledLane[];
    readonly budgetBytes: number;
  }) => Promise<readonly HeldDelivery[]>;
  /**
   * The same for deliveries with an order: takes those that are first in their key (by their places),
   * due, and alone: nothing of the key is held, blocks it or is still to be unfolded. What was scheduled
   * and is due gets its place.
   */
  readonly pollOrdered: (input: {
    readonly node: string;
    readonly lanes: readonly PolledLine[];
    readonly budgetBytes: number;
  }) => Promise<OrderedPoll>;
  /**
   * Lanes of own partitions whose hint is due at or before `untilMs`, a page of at most `limit` in
   * the order (partition, next due, endpoint); `after` is the last lane of the page before, or null
   * to begin. Lanes that nobody may start stay due, so one page must not hide the next.
   */
  readonly dueLanes: (input: {
    readonly node: string;
    readonly untilMs: number;
    readonly after: { readonly endpointId: string; readonly nextDueMs: number } | null;
    readonly limit: number;
  }) => Promise<readonly LaneState[]>;
  /** The lanes' rows by endpoint, as they are. */
  readonly loadLanes: (endpointIds: readonly string[]) => Promise<readonly LaneState[]>;
  /**
   * Writes the next deliveries, at most `limit`, of an expansion of this node's partitions: of those in the
   * first of `classes` that has any, the one that has waited longest. Waiting, due now. Returns their
   * endpoints; null: there is no such expansion.
   */
  readonly unfold: (input: {
    readonly node: string;
    readonly limit: number;
    readonly classes: readonly Priority[];
  }) => Promise<readonly string[] | null>;
  /** Raises a hint to the true minimum of what waits (or null), only if `version` is still the one read. */
  readonly raiseHints: (
    lanes: readonly { readonly endpointId: string; readonly version: number }[],
  ) => Promise<void>;
  /**
   * Skip scan over the distinct endpoints of the waiting index, from `after` on, `limit` endpoints:
   * lowers hints that are too late. Returns the last endpoint seen, or null at the end.
   */
  readonly repairHints: (input: { readonly after: string; readonly limit: number }) => Promise<string | null>;
  /** Remembers what the owner knows of an endpoint; nothing where it is the owner no longer. */
  readonly saveLane: (lane: SavedLane) => Promise<void>;
  /**
   * Ends the open deliveries of an endpoint as dead, in chunks, where this node owns its partition:
   * those that wait and those that it holds itself. What others hold may be in flight with them; it
   * is found due once it is freed. Returns how many.
   */
  readonly closeLane: (input: {
    readonly node: string;
    readonly endpointId: string;
    readonly reason: DeadReason;
  }) => Promise<number>;
  /** Ends waiting deliveries whose `expiresAt` has passed as canceled, at most `limit`. Returns how many. */
  readonly cancelExpired: (input: { readonly limit: number }) => Promise<number>;
  /** Disables an endpoint by verdict (410 twice, unbroken failure): configuration version rises. */
  readonly disableEndpoint: (input: {
    readonly endpointId: string;
    readonly reason: 'gone' | 'failing';
  }) => Promise<void>;
  /** Endpoints of this node that somebody has changed and wants to be confirmed. */
  readonly notices: (
    node: string,
  ) => Promise<readonly { readonly id: number; readonly endpointId: string }[]>;
  /** This node goes by what the notices told of. */
  readonly confirmNotices: (ids: readonly number[]) => Promise<void>;
  /**
   * Claims parts of the rates of applications for a node, in place of what it claimed before, until `holdMs` from
   * now: as much of what it asks for as the running claims of others leave of the limit. Returns the running
   * claims of each application, this one among them.
   */
  readonly dealShares: (asked: readonly ShareRequest[]) => Promise<ReadonlyMap<string, readonly Claim[]>>;
  /** Endpoints by id, deleted ones absent, with the retry policies of their organisations' event types. */
  readonly loadEndpoints: (endpointIds: readonly string[]) => Promise<readonly EndpointConfig[]>;
  readonly loadEventTypePolicies: (orgId: string) => Promise<ReadonlyMap<string, RetryPolicy>>;
};

/** One try, as dispatch asks for it. */
export type AttemptRequest = {
  readonly endpoint: EndpointConfig;
  readonly messageId: string;
  readonly payload: Uint8Array;
  readonly contentType: string;
  /** Shared by many attempts; ends them when the lease is about to end. */
  readonly signal?: AbortSignal;
  /** Asked right before the request goes out, where that is later than the call; false: it must not. */
  readonly isWanted?: () => boolean;
};

/** What dispatch needs of attempt. Never rejects; an aborted attempt ends soon, with any result. */
export type Attempter = { readonly deliver: (request: AttemptRequest) => Promise<AttemptReport> };
