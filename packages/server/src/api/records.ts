import type { DeadLetterState, PoisonPolicy, Priority } from '../domain/delivery.ts';
import type { RetryPolicy } from '../domain/policy.ts';

/** Things as the API's store hands them over: plain values, times in Unix milliseconds. */

export type ApplicationFields = {
  readonly uid: string | null;
  readonly name: string;
  readonly rateLimit: number | null;
  readonly metadata: Readonly<Record<string, string>>;
};

export type ApplicationRecord = ApplicationFields & {
  readonly id: string;
  readonly orgId: string;
  readonly createdAtMs: number;
  readonly updatedAtMs: number;
};

export type EndpointFields = {
  readonly uid: string | null;
  /** As WHATWG URL writes it. */
  readonly url: string;
  readonly description: string;
  readonly rateLimit: number | null;
  readonly version: number;
  readonly disabled: boolean;
  readonly eventTypes: readonly string[] | null;
  readonly channels: readonly string[] | null;
  readonly metadata: Readonly<Record<string, string>>;
  readonly ownerEmail: string | null;
  readonly retryPolicy: RetryPolicy | null;
  readonly fifo: boolean;
  readonly poisonPolicy: PoisonPolicy;
};

/** Somebody holds an endpoint's deliveries back; one whose `untilMs` has passed is over. */
export type PauseRecord = {
  readonly sinceMs: number;
  /** null: until it is resumed. */
  readonly untilMs: number | null;
  readonly reason: string | null;
};

export type EndpointRecord = EndpointFields & {
  readonly id: string;
  readonly orgId: string;
  readonly applicationId: string;
  /** Why a verdict disabled it, or null. */
  readonly disabledReason: string | null;
  readonly pause: PauseRecord | null;
  /** Why its owner sends nothing for a while, as last written down. */
  readonly block: { readonly reason: string; readonly untilMs: number } | null;
  /** First failure since the last success. */
  readonly failingSinceMs: number | null;
  /** Since when a dead letter has stopped the order of all its deliveries. */
  readonly stoppedSinceMs: number | null;
  readonly createdAtMs: number;
  readonly updatedAtMs: number;
};

/** Custom request headers of an endpoint; secrets among them, so they are sealed at rest. */
export type HeaderMap = Readonly<Record<string, string>>;

export type EventTypeFields = {
  readonly description: string;
  readonly archived: boolean;
  readonly deprecated: boolean;
  /** Versions to JSON Schemas (draft 7). */
  readonly schemas: Readonly<Record<string, unknown>> | null;
  readonly featureFlags: readonly string[] | null;
  readonly groupName: string | null;
  readonly retryPolicy: RetryPolicy | null;
  /** Of its messages that name none; null: normal. */
  readonly priority: Priority | null;
};

export type EventTypeRecord = EventTypeFields & {
  readonly name: string;
  readonly createdAtMs: number;
  readonly updatedAtMs: number;
};

/** A payload as read: its bytes, gone (expunged or expired), or not asked for and how many bytes it has. */
export type PayloadView =
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array }
  | { readonly kind: 'gone' }
  | { readonly kind: 'omitted'; readonly bytes: number };

export type MessageRecord = {
  readonly id: string;
  readonly eventType: string;
  readonly eventId: string | null;
  readonly channels: readonly string[] | null;
  readonly tags: readonly string[] | null;
  readonly contentType: string;
  readonly payload: PayloadView;
  readonly occurredAtMs: number | null;
  readonly deliverAtMs: number | null;
  readonly expiresAtMs: number | null;
  readonly priority: Priority;
  readonly createdAtMs: number;
  readonly orderingKey: string | null;
  /** The message of the dead letter that this one was edited from. */
  readonly replaces?: string | null;
};

export type AttemptRow = {
  readonly id: string;
  readonly messageId: string;
  readonly endpointId: string;
  readonly url: string;
  /** 0 success, 2 fail. */
  readonly status: 0 | 2;
  readonly trigger: 0 | 1;
  readonly cause: string | null;
  /** 0 where no response came. */
  readonly responseStatus: number;
  /** null when not asked for or nothing came. */
  readonly response: Uint8Array | null;
  readonly durationMs: number;
  readonly nextAtMs: number | null;
  readonly createdAtMs: number;
  /** Headers, phases, peer, hash of the body: what the attempt left as proof; null when not asked for. */
  readonly evidence: unknown;
};

/** The API's numbers for where a delivery stands. */
export const deliveryStatus = { success: 0, pending: 1, fail: 2, sending: 3, canceled: 4 } as const;
export type DeliveryStatus = (typeof deliveryStatus)[keyof typeof deliveryStatus];

/** Where one message's delivery to one endpoint stands. */
export type DeliveryRow = {
  readonly messageId: string;
  readonly endpointId: string;
  readonly status: DeliveryStatus;
  /** When it is tried next; only of pending ones. */
  readonly nextAtMs: number | null;
};

/** Who looked at a dead letter, when, and what they noted. */
export type LetterReview = { readonly by: string; readonly atMs: number; readonly note: string | null };

export type DeadLetter = {
  readonly messageId: string;
  readonly endpointId: string;
  readonly run: number;
  readonly eventType: string;
  readonly reason: string;
  readonly state: DeadLetterState;
  readonly diedAtMs: number;
  readonly changedAtMs: number;
  /** Who looked at it last. */
  readonly review: LetterReview | null;
  /** The message that an edited replay made. */
  readonly replacedBy: string | null;
  /** The key that it had its order by (see WHOLE_ENDPOINT); null: none. */
  readonly orderKey: string | null;
  /** What comes after it in its order waits for it to be dealt with. */
  readonly blocks: boolean;
  /** Its place in the lists, as iterators name it. */
  readonly key: string;
};

/** What the Svix API knows as tasks. Strict SDKs refuse a list with any other word in it. */
export const sharedTaskKinds = [
  'endpoint.recover',
  'endpoint.replay',
  'endpoint.bulk-replay',
  'application.purge_content',
  'application.stats',
  'event-type.aggregate',
  'message.broadcast',
  'sdk.generate',
] as const;
/** Tasks of our own: listed only for who asks for them. */
export const ownTaskKinds = ['application.replay', 'endpoint.cancel'] as const;
export const taskKinds = [...sharedTaskKinds, ...ownTaskKinds] as const;
export type TaskKind = (typeof taskKinds)[number];
export type TaskStatus = 'running' | 'finished' | 'failed';

/** What a task is to work on; which fields count depends on its kind. */
export type TaskInput = {
  readonly endpointId: string | null;
  readonly sinceMs: number;
  readonly untilMs: number | null;
  readonly eventTypes: readonly string[] | null;
  readonly channel: string | null;
  readonly tag: string | null;
  readonly status: DeliveryStatus | null;
  /** 0, 100 to 500: of the last attempt's status code. Absent in tasks from before it was there. */
  readonly codeClass?: number | null;
  /** Only these applications (`application.stats`); all where absent. */
  readonly applicationIds?: readonly string[];
  /** What to send (`message.broadcast`). */
  readonly message?: BroadcastMessage;
};

/** A message for every application. */
export type BroadcastMessage = {
  readonly eventType: string;
  readonly eventId: string | null;
  readonly channels: readonly string[] | null;
  readonly tags: readonly string[] | null;
  /** The posted bytes. */
  readonly payloadBase64: string;
  readonly contentType: string;
  readonly payloadRetentionHours: number;
  readonly occurredAtMs: number | null;
  /** Absent in tasks of older versions. */
  readonly priority?: Priority | null;
  readonly deliverAtMs?: number | null;
  readonly orderingKey?: string | null;
  readonly expiresAtMs?: number | null;
};

export type TaskProgress = {
  /** Where the next chunk starts; null: at the beginning. */
  readonly cursor: string | null;
  /** Deliveries started anew; of other tasks what they have done something to. */
  readonly started: number;
  /** Left as they were: payload gone, endpoint disabled or gone, or open again already. */
  readonly skipped: number;
  /** Why it failed. */
  readonly error?: string;
};

export type TaskRecord = {
  readonly id: string;
  readonly orgId: string;
  readonly applicationId: string | null;
  readonly kind: TaskKind;
  readonly status: TaskStatus;
  readonly input: TaskInput;
  readonly progress: TaskProgress;
  readonly updatedAtMs: number;
};

/** Who does the work, as the database has it. */
export type ClusterRecord = {
  /** Database time. */
  readonly nowMs: number;
  /** Nodes whose lease runs. */
  readonly nodes: readonly {
    readonly id: string;
    readonly name: string;
    readonly role: 'all' | 'api' | 'worker';
    readonly joinedAtMs: number;
    readonly leaseUntilMs: number;
    readonly partitions: number;
  }[];
  readonly partitions: readonly {
    readonly id: number;
    readonly epoch: number;
    readonly node: string | null;
    readonly leaseUntilMs: number | null;
    readonly draining: number;
    readonly lanesDue: number;
    readonly oldestDueMs: number | null;
  }[];
  readonly lanes: { readonly total: number; readonly blocked: number };
};
