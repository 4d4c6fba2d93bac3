import type { Clock } from '../clock.ts';
import type { ApplicationConfig, EndpointConfig } from '../domain/configuration.ts';
import type { IdSource } from '../domain/ids.ts';
import type { AcceptedMessage, IdempotencyKey, PlannedDelivery, StoredMessage } from '../domain/message.ts';
import { partitionOf } from '../domain/partition.ts';
import { lineOf, priorities, WHOLE_ENDPOINT, type Line, type Priority } from '../domain/delivery.ts';
import { createDirectory, type Directory } from './directory.ts';
import { createEventTypes, type EventTypePriorities } from './event-types.ts';
import { createGroupCommit, type CommitResult } from './group-commit.ts';
import { matchEndpoints } from './match.ts';
import type { MessageRequest } from './parse-message.ts';
import type { IngestStore, InsertReply, MessageInsert } from './port.ts';

/** What ingest needs of dispatch: may this node hold the delivery, and here it is. */
export type Admission = {
  /** Reserves room for a delivery in its lane; the epoch to hold it by, or null: store it as waiting. */
  readonly admit: (endpoint: EndpointConfig, bytes: number, priority: Priority) => number | null;
  /** Puts a stored, held delivery into the lane that {@link admit} made room in. */
  readonly deliver: (message: AcceptedMessage, endpoint: EndpointConfig, epoch: number) => void;
  /** Gives the room back. */
  readonly cancel: (endpoint: EndpointConfig, bytes: number) => void;
  /** A delivery was stored as waiting in a line, due at `dueMs` (Unix milliseconds; null: now). */
  readonly wake: (endpointId: string, dueMs: number | null, line: Line) => void;
  /** A message was stored whose deliveries are written later, by the owner of a partition. */
  readonly unfold: (applicationId: string) => void;
};

/** The answer to one message. Only `accepted` is new; everything but `accepted` and `repeated` wrote nothing, save perhaps `unknown`. */
export type Acceptance =
  | { readonly kind: 'accepted'; readonly message: AcceptedMessage }
  | { readonly kind: 'repeated'; readonly message: StoredMessage }
  | { readonly kind: 'no_application' }
  | { readonly kind: 'event_exists' }
  | { readonly kind: 'key_reused' }
  /** More is under way than this node takes; try again shortly. */
  | { readonly kind: 'overloaded' }
  | { readonly kind: 'unavailable' }
  | { readonly kind: 'unknown' }
  | { readonly kind: 'rejected'; readonly detail: string };

export type AcceptInput = {
  readonly orgId: string;
  /** Application id or uid. */
  readonly application: string;
  readonly request: MessageRequest;
  readonly idempotency: IdempotencyKey | null;
  /** Only this endpoint gets it, whatever it subscribes to (send-example). */
  readonly onlyEndpoint?: string | null;
};

export type Ingest = {
  /** Accepts one message: calls `answer` once it is durable, or with the reason why it is not. */
  readonly take: (input: AcceptInput, answer: (acceptance: Acceptance) => void) => void;
  /** The same as a promise. */
  readonly accept: (input: AcceptInput) => Promise<Acceptance>;
  /**
   * The answer to a message that cannot be accepted any more (what it was scheduled for has passed), if it
   * was accepted before under its key; null: it was not.
   */
  readonly recall: (key: IdempotencyKey) => Promise<Acceptance | null>;
  /** Forgets what is known about an application, or an organisation's event types, whose configuration changed here. */
  readonly forget: (change: { readonly applicationId: string } | { readonly orgId: string }) => void;
  /** Bytes of payload accepted into memory and not answered yet. */
  readonly pendingBytes: () => number;
};

export type IngestDeps = {
  readonly store: IngestStore;
  readonly admission: Admission;
  readonly node: string;
  readonly clock: Clock;
  /** What is known of event types is used for so long before it is read again. */
  readonly refreshMs: number;
  readonly ids: IdSource;
  readonly schedule: (run: () => void) => void;
  /** Payload bytes that may be under way before `overloaded`. */
  readonly maxPendingBytes: number;
  /** Hears of broken invariants in the store; the messages concerned are answered as `unknown`. */
  readonly onError: (error: unknown) => void;
};

/** A fan-out above this commits with a row that stands for its deliveries. */
const LARGEST_FAN_OUT = 1_000;

// A version that keeps changing under one message is somebody else's loop, not a reason to hang.
const MATCH_ROUNDS = 10;

const planFor = (
  application: ApplicationConfig,
  request: MessageRequest,
  onlyEndpoint: string | null | undefined,
): readonly EndpointConfig[] =>
  onlyEndpoint === undefined
    ? matchEndpoints(application, request)
    : application.endpoints.filter((endpoint) => endpoint.id === onlyEndpoint && !endpoint.disabled);

/** The key that the delivery of a message has its order by. */
const orderKeyFor = ({ fifo }: EndpointConfig, { orderingKey }: MessageRequest): string | null =>
  fifo ? WHOLE_ENDPOINT : orderingKey;

type Found =
  | { readonly kind: 'found'; readonly application: ApplicationConfig }
  | { readonly kind: 'no_application' }
  | { readonly kind: 'unavailable' };

/** The store rejects a read only when the database cannot answer. */
const lookUp = (read: Promise<ApplicationConfig | null>): Promise<Found> =>
  read.then(
    (application) => (application === null ? { kind: 'no_application' } : { kind: 'found', application }),
    () => ({ kind: 'unavailable' }),
  );

const acceptanceOf = (
  result: Exclude<CommitResult, { kind: 'stale' }>,
  message: AcceptedMessage,
): Acceptance => {
  switch (result.kind) {
    case 'accepted':
      return { kind: 'accepted', message };
    case 'unavailable':
    case 'unknown':
      return { kind: result.kind };
    case 'repeated':
    case 'key_reused':
    case 'event_exists':
    case 'rejected':
      return result;
    default:
      return result satisfies never;
  }
};

/**
 * Message acceptance: find the application, match its endpoints, write message and deliveries in
 * one transaction with others that arrive meanwhile, and hand what this node holds to its lanes.
 */
export const createIngest = (deps: IngestDeps): Ingest => {
  const directory: Directory = createDirectory(deps.store);
  const eventTypes = createEventTypes({
    load: deps.store.loadEventTypePriorities,
    monotonicMs: deps.clock.monotonicMs,
    refreshMs: deps.refreshMs,
  });
  // One message that breaks the store must not end the process for all the others.
  const insert = async (batch: readonly MessageInsert[]): Promise<InsertReply> => {
    try {
      return await deps.store.insertMessages(deps.node, batch);
    } catch (error) {
      deps.onError(error);
      return { kind: 'unknown', detail: String(error) };
    }
  };
  const commits = createGroupCommit(insert, deps.schedule);
  let pendingBytes = 0;

  const compose = (
    application: ApplicationConfig,
    request: MessageRequest,
    defaults: EventTypePriorities,
  ): AcceptedMessage => ({
    id: deps.ids('message'),
    orgId: application.orgId,
    applicationId: application.id,
    eventType: request.eventType,
    eventId: request.eventId,
    channels: request.channels,
    tags: request.tags,
    payload: request.payload,
    contentType: request.contentType,
    payloadRetentionHours: request.payloadRetentionHours,
    occurredAtMs: request.occurredAtMs,
    deliverAtMs: request.deliverAtMs,
    expiresAtMs: request.expiresAtMs,
    priority: request.priority ?? defaults.get(request.eventType) ?? priorities.normal,
    createdAtMs: Math.floor(deps.clock.nowMs()),
    orderingKey: request.orderingKey,
  });

  const handOver = (
    result: CommitResult,
    message: AcceptedMessage,
    endpoints: readonly EndpointConfig[],
    planned: readonly PlannedDelivery[],
  ): void => {
    if (planned.length > LARGEST_FAN_OUT)
      return result.kind === 'accepted' ? deps.admission.unfold(message.applicationId) : undefined;
    for (let i = 0; i < planned.length; i++) {
      const epoch = planned[i]!.holdEpoch;
      const endpoint = endpoints[i]!;
      if (result.kind === 'accepted') {
        if (epoch !== null && result.held.includes(endpoint.id)) {
          deps.admission.deliver(message, endpoint, epoch);
          continue;
        }
        deps.admission.wake(endpoint.id, message.deliverAtMs, lineOf(message.priority, planned[i]!.orderKey));
      }
      if (epoch !== null) deps.admission.cancel(endpoint, message.payload.byteLength);
    }
  };

  /** Callbacks and not promises from here to the store: this is the path of every message. */
  const commit = (
    application: ApplicationConfig,
    input: AcceptInput,
    message: AcceptedMessage,
    round: number,
    answer: (acceptance: Acceptance) => void,
  ): void => {
    const endpoints = planFor(application, input.request, input.onlyEndpoint);
    const isLarge = endpoints.length > LARGEST_FAN_OUT;
    const planned = endpoints.map((endpoint): PlannedDelivery => {
      const orderKey = orderKeyFor(endpoint, input.request);
      // What is scheduled waits in the store, however soon; and there alone it is known whose turn it is.
      const mustWait = isLarge || message.deliverAtMs !== null || orderKey !== null;
      return {
        endpointId: endpoint.id,
        partition: endpoint.partition,
        holdEpoch: mustWait
          ? null
          : deps.admission.admit(endpoint, message.payload.byteLength, message.priority),
        orderKey,
      };
    });
    commits.add(
      {
        message,
        configVersion: application.configVersion,
        deliveries: planned,
        unfoldedBy: isLarge ? partitionOf(application.id) : null,
        idempotency: input.idempotency,
      },
      (result) => {
        if (result.kind === 'stale') matchAgain(application, input, message, round, answer);
        else answer(acceptanceOf(result, message));
        handOver(result, message, endpoints, planned);
      },
    );
  };

  const matchAgain = (
    stale: ApplicationConfig,
    input: AcceptInput,
    message: AcceptedMessage,
    round: number,
    answer: (acceptance: Acceptance) => void,
  ): void => {
    if (round === MATCH_ROUNDS) return answer({ kind: 'unavailable' });
    void lookUp(directory.refresh(input.orgId, input.application, stale)).then((found) => {
      if (found.kind !== 'found') return answer(found);
      const { application } = found;
      // A uid can have moved to another application meanwhile.
      const own =
        application.id === message.applicationId ? message : { ...message, applicationId: application.id };
      commit(application, input, own, round + 1, answer);
    });
  };

  const take: Ingest['take'] = (input, onAnswer) => {
    const bytes = input.request.payload.byteLength;
    if (pendingBytes + bytes > deps.maxPendingBytes) return onAnswer({ kind: 'overloaded' });
    pendingBytes += bytes;
    const answer = (acceptance: Acceptance): void => {
      pendingBytes -= bytes;
      onAnswer(acceptance);
    };
    const into = (application: ApplicationConfig, defaults: EventTypePriorities): void =>
      commit(application, input, compose(application, input.request, defaults), 1, answer);
    const known = directory.peek(input.orgId, input.application);
    const defaults = eventTypes.peek(input.orgId);
    if (known !== undefined && defaults !== undefined) return into(known, defaults);
    const found = directory.find(input.orgId, input.application);
    void Promise.all([found, eventTypes.find(input.orgId)]).then(
      ([application, loaded]) =>
        application === null ? answer({ kind: 'no_application' }) : into(application, loaded),
      // The store rejects a read only when the database cannot answer.
      () => answer({ kind: 'unavailable' }),
    );
  };

  return {
    take,
    recall: (key) =>
      deps.store.recall(key, deps.clock.nowMs()).catch((): Acceptance => ({ kind: 'unavailable' })),
    accept: (input) => new Promise((resolve) => take(input, resolve)),
    forget: (change) => {
      if ('orgId' in change) eventTypes.forget(change.orgId);
      else directory.forget(change.applicationId);
    },
    pendingBytes: () => pendingBytes,
  };
};
