import { resolve } from 'node:path';
import type { LetterPath } from './api/letter-port.ts';
import { payloadView } from './api/message-create.ts';
import type { ApiDeps, ApiStore, NoticeBoard } from './api/port.ts';
import type { BroadcastPost, TaskStore } from './api/task-port.ts';
import type { Revocations } from './api/revocations.ts';
import type { Authenticator } from './api/tokens.ts';
import { subnetsProblem } from './attempt/address.ts';
import { defaultAttemptSettings, type AttemptSettings } from './attempt/settings.ts';
import { checkEndpointUrl } from './attempt/url.ts';
import type { Clock, Random } from './clock.ts';
import type { Config, ConfigIssue } from './config.ts';
import type { Dispatcher } from './dispatch/dispatcher.ts';
import type { ManualReply } from './dispatch/manual.ts';
import type { DispatchStore } from './dispatch/port.ts';
import { defaultDispatchSettings, type DispatchSettings } from './dispatch/settings.ts';
import { parseDisk } from './domain/disk.ts';
import type { Line } from './domain/delivery.ts';
import type { IdSource } from './domain/ids.ts';
import { broadcastScope } from './domain/message.ts';
import type { Admission, Ingest } from './ingest/ingest.ts';
import { DEFAULT_RETENTION_HOURS } from './ingest/parse-message.ts';
import { createDiskWatch, type DiskWatch } from './observe/disk.ts';
import type { Logger } from './observe/log.ts';
import { retryWaits } from './outcome/retry-policy.ts';
import { parseRetryPolicy, validateRetryPolicy } from './outcome/retry-policy-input.ts';
import { databaseBytes } from './store/database-size.ts';
import type { Database } from './store/postgres.ts';
import { SealBroken } from './store/sealed.ts';

/** The parts speak their own languages; these are the translations between them. */

const HEADROOM_MS = 5_000;
const TASK_CHUNK = 500;
const CONFIRM_LOOK_MS = 40;

/** @param mark How this installation knows its own deliveries. */
export const attemptSettings = (
  config: Config,
  version: string,
  mark: AttemptSettings['mark'],
): AttemptSettings => ({
  ...defaultAttemptSettings,
  timeoutMs: config.attemptTimeout * 1000,
  httpsOnly: config.httpsOnly,
  allowSubnets: config.allowSubnets,
  denySubnets: config.denySubnets,
  headerPrefix: config.headers as AttemptSettings['headerPrefix'],
  userAgent: `Posthorn/${version}`,
  mark,
  maxSockets: config.maxInFlight,
  idleSocketsPerOrigin: config.endpointConcurrency,
  egressProxy: config.egressProxy,
});

/** Why an endpoint may not have this URL under these settings, or null. */
export const endpointUrlProblem = (
  {
    httpsOnly,
    allowSubnets,
    denySubnets,
  }: Pick<Config, 'httpsOnly' | 'allowSubnets'> & Partial<Pick<Config, 'denySubnets'>>,
  url: string,
): string | null => {
  const { allowPorts } = defaultAttemptSettings;
  const verdict = checkEndpointUrl(url, {
    httpsOnly,
    allowSubnets,
    denySubnets: denySubnets ?? [],
    allowPorts,
  });
  return verdict.ok ? null : verdict.message;
};

const prefixed = (problem: string | null): string | null =>
  problem === null ? null : `is wrong: ${problem}`;

/** What is wrong with settings that only their users can read, in the shape of a configuration's issues. */
export const checkRules = (config: Config): readonly ConfigIssue[] => {
  const parsed = parseRetryPolicy(config.retrySchedule);
  const problems: readonly (readonly [name: string, problem: string | null])[] = [
    ['POSTHORN_RETRY_SCHEDULE', parsed.ok ? null : parsed.message],
    ['POSTHORN_ALLOW_SUBNETS', prefixed(subnetsProblem(config.allowSubnets))],
    ['POSTHORN_DENY_SUBNETS', prefixed(subnetsProblem(config.denySubnets))],
  ];
  return problems.flatMap(([name, problem]) => (problem === null ? [] : [{ name, problem }]));
};

/** @throws Error when the retry schedule does not parse: checked before, with the other settings. */
export const dispatchSettings = (config: Config, alone: boolean): DispatchSettings => {
  const policy = parseRetryPolicy(config.retrySchedule);
  if (!policy.ok) throw new Error(policy.message);
  const leaseMs = config.lease * 1000;
  const statementMs = config.statementTimeout * 1000;
  return {
    ...defaultDispatchSettings,
    leaseMs,
    leaseMarginMs: Math.min(defaultDispatchSettings.leaseMarginMs, leaseMs / 10),
    seize: alone,
    takes: config.role !== 'api',
    laneConcurrency: config.endpointConcurrency,
    maxInFlight: config.maxInFlight,
    reconcileAgeMs: statementMs + HEADROOM_MS,
    attemptMs: config.attemptTimeout * 1000 + HEADROOM_MS,
    disableAfterMs: config.disableAfter === 0 ? null : config.disableAfter * 1000,
    retryPolicy: policy.policy,
  };
};

/** Dispatch's lanes as ingest sees them. */
export const createAdmission = (
  dispatcher: Dispatcher,
  wake: (endpointId: string, line: Line) => void,
  tell: (id: string) => void,
): Admission => ({
  admit: dispatcher.admit,
  deliver: (message, endpoint, epoch) => {
    dispatcher.commit({
      orgId: message.orgId,
      applicationId: message.applicationId,
      endpointId: endpoint.id,
      messageId: message.id,
      partition: endpoint.partition,
      epoch,
      priority: message.priority,
      orderKey: null,
      expiresAtMs: message.expiresAtMs,
      attemptsUsed: 0,
      throttled: 0,
      unknowns: 0,
      run: 0,
      policy: null,
      eventType: message.eventType,
      channels: message.channels,
      tags: message.tags,
      payload: message.payload,
      contentType: message.contentType,
      openSlot: null,
    });
  },
  cancel: (endpoint, bytes) => dispatcher.cancel(endpoint.id, bytes),
  // Other owners find scheduled work by their scan, long before it is due.
  wake: (endpointId, dueMs, line) => {
    if (dueMs === null) wake(endpointId, line);
    else dispatcher.wake(endpointId, dueMs, line);
  },
  unfold: (applicationId) => {
    dispatcher.unfold();
    tell(applicationId);
  },
});

/** Posts a broadcast's message to one application through ingest, under a key of its own. */
export const createBroadcastPost =
  (ingest: Pick<Ingest, 'accept'>): BroadcastPost =>
  async ({ id, orgId }, applicationId, { payloadBase64, ...fields }) => {
    const acceptance = await ingest.accept({
      orgId,
      application: applicationId,
      request: {
        ...fields,
        deliverAtMs: fields.deliverAtMs ?? null,
        expiresAtMs: fields.expiresAtMs ?? null,
        priority: fields.priority ?? null,
        orderingKey: fields.orderingKey ?? null,
        payload: Buffer.from(payloadBase64, 'base64'),
        application: null,
      },
      idempotency: { scope: broadcastScope(id), key: applicationId, requestHash: id },
    });
    switch (acceptance.kind) {
      case 'accepted':
      case 'repeated':
        return acceptance.message.id;
      case 'no_application':
      case 'event_exists':
        return null;
      default:
        throw new Error(`the message for ${applicationId} could not be accepted now: ${acceptance.kind}`);
    }
  };

/** The disk of the embedded database is known without being told. */
export const withOwnDisk = (config: Config, dataDir: string): Config => ({
  ...config,
  databaseDisk: config.databaseDisk ?? (config.databaseUrl === null ? resolve(dataDir) : null),
});

/** Watches the disk of the database, where the settings say which it is. */
export const watchDisk = (
  { databaseDisk }: Pick<Config, 'databaseDisk'>,
  database: Database,
  log: Logger,
  { monotonicMs }: Clock,
): DiskWatch | null => {
  const disk = databaseDisk === null ? null : parseDisk(databaseDisk);
  if (disk === null) return null;
  return createDiskWatch({ disk, databaseBytes: () => databaseBytes(database), log, monotonicMs });
};

export type ApiWiring = {
  readonly config: Config;
  readonly clock: Clock;
  readonly random: Random;
  readonly ids: IdSource;
  readonly authenticator: Authenticator;
  readonly revocations: Pick<Revocations, 'revoke'>;
  readonly tokenSecret: Uint8Array;
  readonly store: ApiStore;
  readonly endpoints: Pick<DispatchStore, 'loadEndpoints'>;
  readonly dispatcher: Dispatcher;
  /** An endpoint has work that is due, whoever owns it. */
  readonly wake: (endpointId: string) => void;
  /** This node's id. */
  readonly node: string;
  readonly ingest: Ingest;
  /** Why an endpoint may not have this URL, or null. */
  readonly checkUrl: (url: string) => string | null;
  readonly about: ApiDeps['about'];
  /** A task was written: somebody should work it off. */
  readonly onTask: () => void;
  readonly onError: (error: unknown) => void;
};

/** Carries a committed change to whoever goes by the configuration; resolves when all of them do. */
export const createConfigChanges = (deps: {
  /** This node's id. */
  readonly node: string;
  readonly ingest: Pick<Ingest, 'forget'>;
  readonly dispatcher: Pick<Dispatcher, 'configChanged'>;
  readonly notices: NoticeBoard;
  readonly sleep: (ms: number) => Promise<void>;
}): ApiDeps['onConfigChange'] => {
  const { dispatcher, notices } = deps;

  /** Until every other owner goes by the change, or its lease has ended. */
  const confirmElsewhere = async (endpointIds: readonly string[]): Promise<void> => {
    let waiting = await notices.post(deps.node, endpointIds);
    while (waiting.length > 0) {
      await deps.sleep(CONFIRM_LOOK_MS);
      waiting = await notices.pending(waiting);
    }
  };

  return async (change) => {
    const { applicationId, orgId } = change;
    if (applicationId !== null) deps.ingest.forget({ applicationId });
    if (change.endpointIds.length > 0) {
      const here = change.endpointIds.map((endpointId) => dispatcher.configChanged({ endpointId }));
      await Promise.all([...here, change.areNew === true ? null : confirmElsewhere(change.endpointIds)]);
    } else if (applicationId !== null) {
      await dispatcher.configChanged({ applicationId });
    } else {
      deps.ingest.forget({ orgId });
      await dispatcher.configChanged({ orgId });
    }
  };
};

/** What the API needs of ingest and dispatch. */
export const createApiDeps = (wiring: ApiWiring): ApiDeps => {
  const { config, clock, dispatcher, ingest, store } = wiring;

  const sleep = (ms: number): Promise<void> => new Promise((resolve) => void setTimeout(resolve, ms));

  /** Begins an attempt by hand; null: there is nothing to send or nowhere to send it. */
  const begin = async ({
    orgId,
    applicationId,
    endpointId,
    messageId,
  }: LetterPath): Promise<{ readonly reply: Promise<ManualReply> } | null> => {
    const message = await store.messages.find({ orgId, applicationId }, messageId, true);
    const [endpoint] = await wiring.endpoints.loadEndpoints([endpointId]);
    if (message === null || message.payload.kind !== 'bytes' || endpoint === undefined) return null;
    if (endpoint.isUnreadable === true)
      throw new SealBroken(`the secrets of ${endpointId} do not open: nothing can be signed`);
    const { bytes } = message.payload;
    const reply = dispatcher.resend({
      endpoint,
      messageId,
      eventType: message.eventType,
      channels: message.channels,
      tags: message.tags,
      payload: bytes,
      contentType: message.contentType,
    });
    return { reply };
  };

  const attemptNow: ApiDeps['attemptNow'] = async (path) => {
    const reply = await (await begin(path))?.reply;
    switch (reply?.kind) {
      case 'sent':
        return 'done';
      case 'busy':
      case 'stopping':
        return 'busy';
      case 'unrecorded':
      case undefined:
        return 'lost';
      default:
        return reply satisfies never;
    }
  };

  const resend: ApiDeps['resend'] = async (path) => {
    const begun = await begin(path);
    if (begun === null) return undefined;
    // A refusal is known at once; an attempt takes its time, and nobody waits for that.
    const early = await Promise.race([begun.reply, Promise.resolve(null)]);
    return early?.kind === 'busy' || early?.kind === 'stopping' ? 'busy' : undefined;
  };

  const place: ApiDeps['place'] = async (placed) => {
    const acceptance = await ingest.accept({
      orgId: placed.orgId,
      application: placed.applicationId,
      request: {
        eventType: placed.eventType,
        eventId: placed.eventId ?? null,
        channels: placed.channels ?? null,
        tags: placed.tags ?? null,
        payload: Buffer.from(placed.payload),
        contentType: placed.contentType,
        payloadRetentionHours: placed.payloadRetentionHours ?? DEFAULT_RETENTION_HOURS,
        occurredAtMs: placed.occurredAtMs ?? null,
        deliverAtMs: null,
        expiresAtMs: null,
        priority: placed.priority ?? null,
        orderingKey: placed.orderingKey ?? null,
        application: null,
      },
      idempotency: placed.key ?? null,
      onlyEndpoint: placed.endpointId,
    });
    switch (acceptance.kind) {
      case 'accepted':
      case 'repeated': {
        const { message } = acceptance;
        return { kind: 'placed', message: { ...message, payload: payloadView(message.payload) } };
      }
      case 'event_exists':
      case 'key_reused':
        return acceptance;
      default:
        return { kind: 'unavailable' };
    }
  };

  return {
    clock,
    random: wiring.random,
    ids: wiring.ids,
    store,
    authenticator: wiring.authenticator,
    revocations: wiring.revocations,
    tokenSecret: wiring.tokenSecret,
    publicUrl: (
      config.publicUrl ?? `${config.tlsCert === null ? 'http' : 'https'}://${config.listen}`
    ).replace(/\/+$/, ''),
    signature: config.signature as 'hmac256' | 'ed25519',
    egressIps: config.egressIps,
    checkEndpointUrl: (url) => wiring.checkUrl(url.href),
    parseRetryPolicy: validateRetryPolicy,
    retryWaits,
    onConfigChange: createConfigChanges({ ...wiring, notices: store.notices, sleep }),
    resend,
    attemptNow,
    wake: wiring.wake,
    place,
    createMessages: null,
    onTask: wiring.onTask,
    sleep,
    about: wiring.about,
    report: wiring.onError,
  };
};

/** Works on tasks until there is none; the endpoints that got work hear of it. */
export const workOffTasks = async (
  tasks: Pick<TaskStore, 'workOne'>,
  post: BroadcastPost,
  wake: (endpointId: string) => void,
): Promise<void> => {
  for (;;) {
    const step = await tasks.workOne(TASK_CHUNK, post);
    if (step === null) return;
    step.endpointIds.forEach((endpointId) => wake(endpointId));
  }
};
