import type { EndpointKey, SigningKey } from '../domain/configuration.ts';
import type { Priority } from '../domain/delivery.ts';
import type { IdSource } from '../domain/ids.ts';
import type { IdempotencyKey } from '../domain/message.ts';
import type { RetryPolicy } from '../domain/policy.ts';
import type { Clock, Random } from '../clock.ts';
import type { EventTypeStore } from './event-type-port.ts';
import type { BlockedKeyStore } from './blocked-key-port.ts';
import type { DeadLetterStore, LetterPath } from './letter-port.ts';
import type { Walk } from './paging.ts';
import type {
  ApplicationFields,
  ApplicationRecord,
  AttemptRow,
  ClusterRecord,
  DeliveryRow,
  DeliveryStatus,
  EndpointFields,
  EndpointRecord,
  HeaderMap,
  MessageRecord,
  PauseRecord,
} from './records.ts';
import type { EnvironmentStore } from './environment-port.ts';
import type { PollerStore } from './poller-port.ts';
import type { StatisticStore } from './statistic-port.ts';
import type { TaskStore } from './task-port.ts';
import type { IdWindow } from './time-window.ts';
import type { Revocations } from './revocations.ts';
import type { Authenticator } from './tokens.ts';

/** An endpoint's whole address; every statement compares all three. */
export type EndpointPath = {
  readonly orgId: string;
  readonly applicationId: string;
  readonly endpointId: string;
};
export type AppPath = { readonly orgId: string; readonly applicationId: string };
export type MessagePath = AppPath & { readonly messageId: string };

export type Written<Row> =
  | { readonly kind: 'written'; readonly row: Row }
  | { readonly kind: 'missing' }
  /** The uid (or name) is taken. */
  | { readonly kind: 'conflict' };

export type ApplicationStore = {
  readonly find: (orgId: string, idOrUid: string) => Promise<ApplicationRecord | null>;
  readonly list: (
    orgId: string,
    walk: Walk,
    filter: { readonly withEndpoints: boolean; readonly withEnabledEndpoints: boolean },
  ) => Promise<Walked<ApplicationRecord>>;
  /** Which of these ids and uids there are, each with the application's id. */
  readonly resolve: (orgId: string, idsOrUids: readonly string[]) => Promise<ReadonlyMap<string, string>>;
  readonly create: (
    orgId: string,
    id: string,
    fields: ApplicationFields,
    nowMs: number,
  ) => Promise<Written<ApplicationRecord>>;
  readonly update: (
    path: AppPath,
    changes: Partial<ApplicationFields>,
    nowMs: number,
  ) => Promise<Written<ApplicationRecord>>;
  /** Marks it and its endpoints deleted; their uids are free. Returns the endpoints, null if there is none. */
  readonly remove: (path: AppPath, nowMs: number) => Promise<readonly string[] | null>;
};

export type EndpointStore = {
  readonly find: (path: AppPath, idOrUid: string) => Promise<EndpointRecord | null>;
  readonly list: (path: AppPath, walk: Walk) => Promise<Walked<EndpointRecord>>;
  /** Whether an enabled endpoint subscribes to such a message. */
  readonly anyFor: (
    path: AppPath,
    message: { readonly eventType: string; readonly channels: readonly string[] | null },
  ) => Promise<boolean>;
  /** Writes the endpoint and its lane; `conflict` also when the application went away. */
  readonly create: (
    path: EndpointPath,
    fields: EndpointFields,
    key: SigningKey,
    headers: HeaderMap | null,
    nowMs: number,
  ) => Promise<Written<EndpointRecord>>;
  readonly update: (
    path: EndpointPath,
    changes: Partial<EndpointFields> & { readonly key?: SigningKey },
    nowMs: number,
  ) => Promise<Written<EndpointRecord>>;
  readonly remove: (path: EndpointPath, nowMs: number) => Promise<boolean>;
  /** Holds its deliveries back, or lets them go on (null); null if there is no such endpoint. */
  readonly pause: (
    path: EndpointPath,
    pause: Omit<PauseRecord, 'sinceMs'> | null,
    nowMs: number,
  ) => Promise<EndpointRecord | null>;
  /**
   * Since when deliveries that are due have waited for the endpoint's rate (Unix milliseconds); null: they
   * do not.
   */
  readonly throttledSinceMs: (path: EndpointPath) => Promise<number | null>;
  /** Current key first; null if there is no such endpoint. */
  readonly keys: (path: EndpointPath) => Promise<readonly EndpointKey[] | null>;
  /** Makes `next` current; the one before signs along until `graceUntilMs`. At most 10 old keys live. */
  readonly rotate: (
    path: EndpointPath,
    next: SigningKey,
    graceUntilMs: number,
    nowMs: number,
  ) => Promise<'rotated' | 'missing' | 'too_many_keys'>;
  readonly headers: (path: EndpointPath) => Promise<HeaderMap | null>;
  /** `change` makes the new headers from the present ones, inside the transaction. */
  readonly changeHeaders: (
    path: EndpointPath,
    change: (headers: HeaderMap) => HeaderMap,
    nowMs: number,
  ) => Promise<boolean>;
};

/** Filters of the lists of messages and attempts. */
export type ListFilter = {
  readonly eventTypes: readonly string[] | null;
  readonly channel: string | null;
  readonly tag: string | null;
};
export type AttemptFilter = ListFilter & {
  readonly status: number | null;
  /** 0, 100 to 500. */
  readonly codeClass: number | null;
  readonly endpointId: string | null;
};

/**
 * Rows of a list in the order they were walked, one more than asked for if there are more.
 * `stoppedAt`: the walk ended early at this id, because the filter has no index.
 */
export type Walked<Row> = { readonly rows: readonly Row[]; readonly stoppedAt: string | null };

export type MessageStore = {
  /** By id or by event id. */
  readonly find: (path: AppPath, idOrEventId: string, withContent: boolean) => Promise<MessageRecord | null>;
  readonly list: (
    path: AppPath,
    window: IdWindow,
    filter: ListFilter,
    limit: number,
    withContent: boolean,
  ) => Promise<Walked<MessageRecord>>;
  /** `count`: so many of the ids were looked at, in their order; the content of the rest is too much for one page. */
  readonly byIds: (
    path: AppPath,
    ids: readonly string[],
    withContent: boolean,
  ) => Promise<{ readonly known: ReadonlyMap<string, MessageRecord>; readonly count: number }>;
  /** For how long its payload was to be kept; null if there is no such message. */
  readonly retentionHours: (path: MessagePath) => Promise<number | null>;
  /** Removes the payload; false if there is no such message. */
  readonly expunge: (path: MessagePath) => Promise<boolean>;
  /** The same of many, by id or event id; returns those of the names that there were. */
  readonly expungeMany: (path: AppPath, idsOrEventIds: readonly string[]) => Promise<ReadonlySet<string>>;
};

export type AttemptStore = {
  readonly byEndpoint: (
    path: EndpointPath,
    window: IdWindow,
    filter: AttemptFilter,
    limit: number,
    withContent: boolean,
  ) => Promise<Walked<AttemptRow>>;
  readonly byMessage: (
    path: MessagePath,
    window: IdWindow,
    filter: AttemptFilter,
    limit: number,
    withContent: boolean,
  ) => Promise<Walked<AttemptRow>>;
  /** At most 10,000 are looked at; `approximated`: there are more. */
  readonly countByEndpoint: (
    path: EndpointPath,
    window: IdWindow,
    filter: AttemptFilter,
  ) => Promise<{ readonly count: number; readonly approximated: boolean }>;
  readonly find: (path: MessagePath, attemptId: string) => Promise<AttemptRow | null>;
  readonly expunge: (path: MessagePath, attemptId: string) => Promise<boolean>;
  /** Deliveries to one endpoint, newest message first, with where each stands. */
  readonly deliveriesOf: (
    path: EndpointPath,
    window: IdWindow,
    filter: ListFilter & { readonly status: DeliveryStatus | null },
    limit: number,
  ) => Promise<Walked<DeliveryRow>>;
  /**
   * The deliveries of one message with their endpoints, deleted ones too, by endpoint id. Of a message that left
   * more than 10,000 rows, an endpoint that was never due it counts by the latest 10,000 attempts.
   */
  readonly destinationsOf: (
    path: MessagePath,
    walk: Walk,
  ) => Promise<Walked<{ readonly delivery: DeliveryRow; readonly endpoint: EndpointRecord }>>;
  /**
   * Counts of an endpoint's deliveries: of those that ended, the ends in [since, until); of the open
   * ones, those whose message is from then.
   */
  readonly stats: (
    path: EndpointPath,
    sinceMs: number,
    untilMs: number,
  ) => Promise<Readonly<Record<'success' | 'pending' | 'fail' | 'sending' | 'canceled', number>>>;
};

export type IdempotencyBegin =
  /** Nobody asked this before: go ahead, then finish or release. */
  | { readonly kind: 'mine' }
  | { readonly kind: 'done'; readonly status: number; readonly body: Uint8Array<ArrayBuffer> | null }
  | { readonly kind: 'other_request' }
  | { readonly kind: 'busy' };

export type IdempotencyStore = {
  readonly begin: (key: IdempotencyEntry, leaseMs: number, keepMs: number) => Promise<IdempotencyBegin>;
  readonly finish: (key: IdempotencyEntry, status: number, body: Uint8Array | null) => Promise<void>;
  readonly release: (key: IdempotencyEntry) => Promise<void>;
  /** Deletes answers from before that moment (Unix milliseconds), some thousand at a time. Returns how many. */
  readonly prune: (beforeMs: number) => Promise<number>;
};

export type IdempotencyEntry = {
  readonly scope: string;
  readonly key: string;
  readonly requestHash: string;
};

/** What the API needs of the store. Each operation is one transaction. */
export type ApiStore = {
  readonly applications: ApplicationStore;
  readonly endpoints: EndpointStore;
  readonly eventTypes: EventTypeStore;
  readonly messages: MessageStore;
  readonly attempts: AttemptStore;
  readonly deadLetters: DeadLetterStore;
  readonly blockedKeys: BlockedKeyStore;
  readonly statistics: StatisticStore;
  readonly pollers: PollerStore;
  readonly environments: EnvironmentStore;
  readonly tasks: TaskStore;
  readonly idempotency: IdempotencyStore;
  readonly notices: NoticeBoard;
  /** Who does the work. */
  readonly cluster: () => Promise<ClusterRecord>;
  /** Whether the database answers. */
  readonly ping: () => Promise<boolean>;
};

/** Tells the owners of endpoints that something about them has changed. */
export type NoticeBoard = {
  /** Tells all owners but `node` (this process); returns what to wait for. Only for what is committed. */
  readonly post: (node: string, endpointIds: readonly string[]) => Promise<readonly number[]>;
  /** Which of these are neither confirmed nor addressed to a node whose lease has ended. */
  readonly pending: (ids: readonly number[]) => Promise<readonly number[]>;
};

/** A configuration that was changed and committed. null: may concern all of the organisation. */
export type ConfigChange = {
  readonly orgId: string;
  readonly applicationId: string | null;
  readonly endpointIds: readonly string[];
  /** The endpoints are new: nobody can know anything else about them. */
  readonly areNew?: true;
};

/** A message for one endpoint, whatever its filters; for nobody at first where that is null. */
export type PlacedMessage = Pick<MessageRecord, 'eventType' | 'contentType'> &
  Partial<Pick<MessageRecord, 'eventId' | 'channels' | 'tags' | 'occurredAtMs' | 'orderingKey'>> & {
    /** null: that of the event type. */
    readonly priority?: Priority | null;
    readonly orgId: string;
    readonly applicationId: string;
    readonly endpointId: string | null;
    readonly payload: Uint8Array;
    readonly payloadRetentionHours?: number | null;
    /** What makes it one message, however often it is placed. */
    readonly key?: IdempotencyKey;
  };

export type Placing =
  | { readonly kind: 'placed'; readonly message: MessageRecord }
  /** A message with that event id exists. */
  | { readonly kind: 'event_exists' }
  /** Another message was placed under the key. */
  | { readonly kind: 'key_reused' }
  | { readonly kind: 'unavailable' };

export type ServerAbout = {
  readonly version: string;
  /** As it was set; null: the server knows no other than where it listens. */
  readonly publicUrl: string | null;
  readonly node: { readonly id: string; readonly name: string; readonly role: string };
  readonly endpoints: { readonly httpsOnly: boolean; readonly allowSubnets: readonly string[] };
  readonly database: {
    readonly serverVersion: string;
    readonly schemaVersion: number | null;
    readonly programVersion: number;
    readonly connections: number;
    readonly maxConnections: number;
    readonly pool: number;
    readonly nowMs: number;
    readonly rowSecurity: boolean;
  };
};

export type ApiDeps = {
  readonly clock: Clock;
  readonly random: Random;
  readonly ids: IdSource;
  readonly store: ApiStore;
  readonly authenticator: Authenticator;
  readonly revocations: Pick<Revocations, 'revoke'>;
  /** Signs the tokens that the API gives out. */
  readonly tokenSecret: Uint8Array;
  /** Where people reach this server, without a slash at the end. */
  readonly publicUrl: string;
  /** What new endpoints sign with when they bring no secret. */
  readonly signature: 'hmac256' | 'ed25519';
  readonly egressIps: readonly string[];
  /** Why an endpoint may not have this URL (for people), or null if it may. */
  readonly checkEndpointUrl: (url: URL) => string | null;
  /** The waits of a policy, in seconds. */
  readonly retryWaits: (policy: RetryPolicy) => readonly number[];
  /** A retry policy from JSON, or what is wrong with it (for people). */
  readonly parseRetryPolicy: (
    input: unknown,
  ) => { readonly ok: true; readonly policy: RetryPolicy } | { readonly ok: false; readonly message: string };
  /** Resolves when deliveries go by the new configuration. */
  readonly onConfigChange: (change: ConfigChange) => Promise<void>;
  /** Makes one manual attempt, beside the schedule. Resolves once it is on its way; `busy`: it is not, try again. */
  readonly resend: (path: LetterPath) => Promise<'busy' | undefined>;
  /** Makes one manual attempt and waits for its end. `lost`: nobody knows how it went, or nothing was sent. */
  readonly attemptNow: (path: LetterPath) => Promise<'done' | 'busy' | 'lost'>;
  /** An endpoint has work that is due now. */
  readonly wake: (endpointId: string) => void;
  /** A background task was created. */
  readonly onTask: () => void;
  /** Accepts a message for one endpoint. */
  readonly place: (message: PlacedMessage) => Promise<Placing>;
  /** Message create, for hosts whose requests all come through `fetch`. */
  readonly createMessages: ((request: Request) => Promise<Response>) | null;
  readonly sleep: (ms: number) => Promise<void>;
  /** What this server runs with, as far as whoever may ask it may know. */
  readonly about: () => Promise<ServerAbout>;
  /** Told of what should not have happened; nobody else sees it. */
  readonly report: (error: unknown) => void;
};
