import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { setTimeout as wait } from 'node:timers/promises';
import { createApi } from './api/create-api.ts';
import { createApplicationFor, createPosterAuth, renderAccepted } from './api/message-create.ts';
import { refuseEncodings } from './api/encodings.ts';
import { errorResponse, servesNoApi } from './api/http-errors.ts';
import { createListenChannel } from './api/listen-channel.ts';
import { listen, type Listening, type Route } from './api/listen.ts';
import { markOf, refuseLoops, VIA } from './api/loop.ts';
import { createRevocations } from './api/revocations.ts';
import { taskEvent } from './api/task-out.ts';
import { createAuthenticator } from './api/tokens.ts';
import { createAttempter, type Attempter } from './attempt/attempter.ts';
import { createRequestHeaders } from './attempt/request-headers.ts';
import { createAuditor } from './auditing.ts';
import type { Random, SyncedClock } from './clock.ts';
import type { Config } from './config.ts';
import { openDatabases } from './databases.ts';
import type { DispatchNode } from './dispatch/contract.ts';
import { createDispatcher, type Dispatcher } from './dispatch/dispatcher.ts';
import type { DispatchStore, NodeRole } from './dispatch/port.ts';
import { systemTimers } from './dispatch/timers.ts';
import type { Line } from './domain/delivery.ts';
import { createIdSource } from './domain/ids.ts';
import { keepHouse, LEAF_RETENTION_DAYS, storeChores } from './housekeeping.ts';
import { createBodyReader } from './ingest/body.ts';
import { createMessageRoutes } from './ingest/http.ts';
import { createIngest } from './ingest/ingest.ts';
import { createEventPoster } from './ingest/post-events.ts';
import type { IngestStore } from './ingest/port.ts';
import { checkJoin } from './joining.ts';
import { limitRequests } from './limiting.ts';
import { logFindings } from './observe/audit.ts';
import { observeDispatch } from './observe/dispatch.ts';
import type { Logger } from './observe/log.ts';
import { createMetrics, type Metrics } from './observe/metrics.ts';
import { createOperatorRoutes } from './observe/routes.ts';
import { watchUnreadable } from './observe/unreadable.ts';
import { openPeering } from './peering.ts';
import { retryWindowSeconds } from './outcome/retry-policy.ts';
import { createApiStore } from './store/api-store.ts';
import { createAuditStore } from './store/audit.ts';
import { createPostgresStore } from './store/index.ts';
import { createEventOutbox } from './store/operational-events.ts';
import { createOldestWriter } from './store/oldest-writer.ts';
import { createRevocationStore } from './store/revocations.ts';
import { createSealer } from './store/sealed.ts';
import {
  attemptSettings,
  createAdmission,
  createApiDeps,
  createBroadcastPost,
  dispatchSettings,
  endpointUrlProblem,
  watchDisk,
  workOffTasks,
} from './wiring.ts';

export type ServerOptions = {
  readonly config: Config;
  readonly databaseUrl: string;
  readonly jwtSecrets: readonly Uint8Array[];
  readonly mainSecrets: readonly string[];
  /**
   * No other process can be at work on this database (this one has the data directory of the
   * embedded one to itself): partitions are taken over at once instead of when their lease ends.
   */
  readonly alone: boolean;
  /** Who this node is; by default what the configuration says, or host and process. */
  readonly node?: { readonly id: string; readonly name: string };
  readonly clock: SyncedClock;
  readonly random: Random;
  readonly log: Logger;
  readonly version: string;
  /** Taken before the server's own routes. */
  readonly routes?: readonly Route[];
  /** Puts something around a part: fault tests do. */
  readonly decorate?: {
    readonly ingestStore?: (store: IngestStore) => IngestStore;
    readonly dispatchStore?: (store: DispatchStore) => DispatchStore;
    readonly attempter?: (attempter: Attempter) => Attempter;
  };
};

export type RunningServer = {
  /** Where it listens, reachable from this machine. */
  readonly url: string;
  readonly port: number;
  readonly metrics: Metrics;
  /**
   * Stops accepting, lets attempts in flight end for up to `graceMs`, hands the rest back. Then all
   * connections are closed.
   */
  readonly stop: (graceMs: number) => Promise<void>;
};

export type StartResult =
  | { readonly kind: 'running'; readonly server: RunningServer }
  | { readonly kind: 'failed'; readonly name: string; readonly problem: string };

const HOUR_MS = 3_600_000;
/** A request that has begun to arrive when everything else has ended is waited for so long. */
const LAST_REQUESTS_MS = 500;
const AUDIT_MS = 60_000;
const DISK_MS = 10_000;
const REVOCATIONS_MS = 2_000;
const TASK_PAUSE_MS = 1_000;

/** Migrates, wires every part, starts to listen and to deliver. Expected failures are values. */
export const startServer = async (options: ServerOptions): Promise<StartResult> => {
  const { config, clock, random, log } = options;
  const decorate = options.decorate ?? {};
  const settings = dispatchSettings(config, options.alone);
  const ids = createIdSource(clock.nowMs, random.bytes);
  const node: DispatchNode = {
    ...(options.node ?? { id: random.uuid(), name: config.nodeName ?? `${hostname()}:${process.pid}` }),
    role: config.role as NodeRole,
  };

  const databases = await openDatabases(config, options.databaseUrl, node.name, log);
  const { hot: hotDatabase, api: apiDatabase } = databases;
  const sealer = createSealer(options.mainSecrets, random.bytes);
  const refusal = await checkJoin({
    config,
    database: apiDatabase,
    sealer,
    node,
    alone: options.alone,
    clock,
  });
  if (refusal !== null) {
    await databases.close();
    return { kind: 'failed', ...refusal };
  }
  const unreadable = watchUnreadable(log);
  const store = createPostgresStore({
    database: hotDatabase,
    sealer,
    leafRetentionDays: LEAF_RETENTION_DAYS,
    onUnreadable: unreadable.found,
  });
  const apiStore = createApiStore(apiDatabase, sealer, taskEvent);

  const metrics = createMetrics(options.version, {
    inFlight: () => dispatcher.numbers().inFlight,
    queued: () => dispatcher.numbers().rows - dispatcher.numbers().inFlight,
    ingestBytes: () => ingest.pendingBytes() + bodies.pendingBytes(),
    partitionsOwned: () => dispatcher.numbers().partitions,
    unreadableEndpoints: unreadable.count,
    databaseConnections: () => hotDatabase.connections(),
    databaseStatements: databases.statements,
    databaseDisk: () => diskWatch?.share() ?? null,
  });
  const diskWatch = watchDisk(config, apiDatabase, log, clock);
  const mark = markOf(options.mainSecrets[0]!);
  const outgoing = attemptSettings(config, options.version, [VIA, mark]);
  const attempter = createAttempter({ clock, settings: outgoing });
  const dispatcher: Dispatcher = createDispatcher({
    node,
    store: decorate.dispatchStore?.(store) ?? store,
    attempt: decorate.attempter?.(attempter) ?? attempter,
    clock,
    wallMs: clock.wallMs,
    synchronise: clock.synchronise,
    random,
    ids,
    timers: systemTimers,
    settings,
    observe: observeDispatch(log, metrics),
  });
  const opened = await openPeering({
    config,
    node: node.id,
    isInPool: options.node !== undefined,
    database: apiDatabase,
    mainSecrets: options.mainSecrets,
    dispatcher,
    clock,
    log,
  });
  if (opened.kind === 'failed') {
    await Promise.all([attempter.close(), databases.close()]);
    return opened;
  }
  const { peering } = opened;
  const wake = (endpointId: string, line?: Line): void => {
    dispatcher.wake(endpointId, clock.nowMs(), line);
    peering.tell(endpointId, line);
  };
  const onError = (error: unknown): void =>
    log.error({ error: error instanceof Error ? error.stack : String(error) }, 'broken invariant');
  const ingest = createIngest({
    store: decorate.ingestStore?.(store) ?? store,
    admission: createAdmission(dispatcher, wake, peering.tell),
    node: node.id,
    clock,
    refreshMs: settings.endpointRefreshMs,
    ids,
    schedule: (run) => void setImmediate(run),
    maxPendingBytes: config.maxPending,
    onError,
  });

  const revocationStore = createRevocationStore(apiDatabase);
  const revocations = createRevocations(revocationStore, clock.nowMs);
  await revocations.refresh();
  const authenticator = createAuthenticator(options.jwtSecrets, clock.nowMs, revocations.isRevoked);
  const apiDeps = createApiDeps({
    config,
    clock,
    random,
    ids,
    authenticator,
    revocations,
    tokenSecret: options.jwtSecrets[0]!,
    store: apiStore,
    endpoints: store,
    dispatcher,
    wake,
    node: node.id,
    ingest,
    checkUrl: (url) => endpointUrlProblem(config, url),
    about: async () => ({
      version: options.version,
      publicUrl: config.publicUrl,
      node,
      endpoints: { httpsOnly: config.httpsOnly, allowSubnets: config.allowSubnets },
      database: await databases.facts(),
    }),
    onTask: () => house.now('work off tasks'),
    onError,
  });
  const api = createApi(apiDeps);
  const listenChannel = createListenChannel({
    api: apiDeps,
    clock,
    loadEndpoint: async (endpointId) =>
      (await store.loadEndpoints([endpointId])).find(({ isUnreadable }) => isUnreadable !== true),
    oldestWriterMs: createOldestWriter(apiDatabase),
    headersOf: createRequestHeaders(clock, outgoing),
  });
  const limits = limitRequests({
    config,
    authenticator,
    applications: apiStore.applications,
    store,
    clock,
    metrics,
  });
  const bodies = createBodyReader({ maxBytes: config.maxBody, maxPendingBytes: config.maxPending });
  const messageRoutes = createMessageRoutes({
    ingest,
    authenticate: createPosterAuth(authenticator),
    render: renderAccepted,
    createApplication: createApplicationFor(apiDeps),
    bodies,
    nowMs: clock.nowMs,
    onBatch: limits.charge,
    onAnswer: metrics.accepted,
    onError,
  });
  const operatorRoutes = createOperatorRoutes({
    isReady: async () => dispatcher.numbers().isInTouch && (await apiStore.ping()),
    warnings: () => diskWatch?.warnings() ?? [],
    metrics,
  });

  await dispatcher.start();
  peering.start();
  const listening = await listen({
    listen: config.listen,
    tls:
      config.tlsCert === null || config.tlsKey === null
        ? null
        : { cert: readFileSync(config.tlsCert, 'utf8'), key: readFileSync(config.tlsKey, 'utf8') },
    routes:
      config.role === 'worker'
        ? [operatorRoutes]
        : [
            ...(options.routes ?? []),
            refuseLoops(mark),
            refuseEncodings,
            ...limits.routes,
            messageRoutes,
            operatorRoutes,
          ],
    fetch: config.role === 'worker' ? async () => errorResponse(servesNoApi) : api.fetch,
    ...(config.role === 'worker' ? {} : { upgrade: listenChannel.upgrade }),
  });
  const postBroadcast = createBroadcastPost(ingest);
  const { leaseMs, retryPolicy } = settings;
  const look = createAuditor({
    store: createAuditStore(hotDatabase),
    settings: { leaseMs, retryWindowMs: retryWindowSeconds(retryPolicy) * 1000 },
    node: node.id,
    nowMs: clock.nowMs,
  });
  const audit = async (): Promise<void> => {
    const findings = await look();
    metrics.audited(findings);
    logFindings(log, findings ?? []);
  };
  const house = keepHouse(
    [
      ...storeChores({ hotDatabase, apiDatabase, idempotency: apiStore.idempotency, clock }),
      ...limits.chores,
      { name: 'audit', everyMs: AUDIT_MS, run: audit },
      { name: 'look how full the disk is', everyMs: DISK_MS, run: async () => diskWatch?.look() },
      { name: 'learn of revoked tokens', everyMs: REVOCATIONS_MS, run: revocations.refresh },
      { name: 'forget revoked tokens', everyMs: HOUR_MS, run: revocationStore.prune },
      {
        name: 'post operational events',
        everyMs: TASK_PAUSE_MS,
        run: createEventPoster({
          outbox: createEventOutbox(apiDatabase),
          accept: ingest.accept,
          isMine: () => dispatcher.owns(0) !== null,
          onError,
        }),
      },
      {
        name: 'work off tasks',
        everyMs: TASK_PAUSE_MS,
        run: () => workOffTasks(apiStore.tasks, postBroadcast, wake),
      },
    ],
    (chore, error) => log.warn({ chore, error: String(error) }, 'a chore failed and will be tried again'),
  );

  const closeAll = async (graceMs: number, server: Listening | null): Promise<void> => {
    const closed = server?.close();
    await peering.stop();
    listenChannel.close();
    await house.stop();
    await dispatcher.drain(graceMs);
    await Promise.race([closed, wait(Math.min(graceMs, LAST_REQUESTS_MS), undefined, { ref: false })]);
    server?.destroy();
    await closed;
    await attempter.close();
    await databases.close();
  };
  if (listening.kind === 'failed') {
    await closeAll(0, null);
    return { kind: 'failed', name: 'POSTHORN_LISTEN', problem: listenProblem(config.listen, listening) };
  }
  const { server } = listening;
  const host = ['', '0.0.0.0', '::'].includes(server.host) ? '127.0.0.1' : server.host;
  return {
    kind: 'running',
    server: {
      url: `${config.tlsCert === null ? 'http' : 'https'}://${host.includes(':') ? `[${host}]` : host}:${server.port}`,
      port: server.port,
      metrics,
      stop: (graceMs) => closeAll(graceMs, server),
    },
  };
};

/** Why an address cannot be listened on and what to do, for people. */
export const listenProblem = (
  address: string,
  failure: { readonly code: string; readonly message: string },
): string => {
  switch (failure.code) {
    case 'EADDRINUSE':
      return `${address} is in use by another program; stop it or choose another address`;
    case 'EACCES':
      return `${address} may not be listened on by this user; choose a port from 1024 up`;
    case 'EADDRNOTAVAIL':
      return `${address} is no address of this machine`;
    default:
      return failure.message;
  }
};
