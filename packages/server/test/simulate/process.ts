import type { Clock } from '../../src/clock.ts';
import { createDispatcher, type Dispatcher } from '../../src/dispatch/dispatcher.ts';
import { defaultDispatchSettings, type DispatchSettings } from '../../src/dispatch/settings.ts';
import type { TimerHandle, Timers } from '../../src/dispatch/timers.ts';
import { createIdSource } from '../../src/domain/ids.ts';
import { createIngest, type Ingest } from '../../src/ingest/ingest.ts';
import { createAdmission, createConfigChanges } from '../../src/wiring.ts';
import type { ApiDeps } from '../../src/api/port.ts';
import { between, type Chance } from './chance.ts';
import { EPOCH_MS, STATEMENT_MS, type Client, type SimulatedDatabase, type StoreClient } from './database.ts';
import type { History } from './history.ts';
import { ATTEMPT_MS, type SimulatedReceivers } from './receivers.ts';
import type { Planned, VirtualTime } from './virtual-time.ts';

export const PARTITIONS = 6;
export const LEASE_MS = 2_000;
export const SCAN_MS = 300;
/** No moment has so much to do that the clock is looked at so often. */
const MOST_LOOKS = 400;

/** Everything shorter than in life, in about the same proportions. */
export const settingsOf = (plan: {
  readonly waitsSeconds: readonly number[];
  readonly windowRows: number;
  readonly laneConcurrency: number;
}): DispatchSettings => ({
  ...defaultDispatchSettings,
  partitions: PARTITIONS,
  leaseMs: LEASE_MS,
  leaseMarginMs: 200,
  balanceMs: 400,
  giveAtOnce: 1,
  steadyMs: 800,
  laneConcurrency: plan.laneConcurrency,
  maxInFlight: 12,
  windowRows: plan.windowRows,
  windowBytes: 3_000,
  burstRows: plan.windowRows * 2,
  nodeRows: 60,
  nodeBytes: 16_000,
  maxUnsettled: 20,
  settleBatch: 7,
  settleBesideAt: 3,
  pollLanes: 3,
  pollRows: 20,
  pollBytes: 2_000,
  dueScanMs: SCAN_MS,
  sharedScanMs: SCAN_MS,
  dueScanLimit: 3,
  repairMs: 6_000,
  sweepMs: 1_500,
  reconcileMs: 1_500,
  reconcileAgeMs: STATEMENT_MS + 500,
  freeRows: 4,
  endpointRefreshMs: 1_500,
  maxLanes: 4,
  handBackAfterMs: 800,
  disableAfterMs: null,
  attemptMs: ATTEMPT_MS + 300,
  retryPolicy: { kind: 'list', waitsSeconds: plan.waitsSeconds },
});

/** One node: the real ingest and dispatch, in a process that can be stopped at any point. */
export type SimulatedProcess = {
  readonly name: string;
  readonly node: string;
  readonly dispatcher: Dispatcher;
  readonly ingest: Ingest;
  readonly endpoints: StoreClient['endpoints'];
  readonly onConfigChange: ApiDeps['onConfigChange'];
  /** By the process's own clock. */
  readonly nowMs: () => number;
  readonly isDead: () => boolean;
  readonly isPaused: () => boolean;
  /** Runs inside the process: later if it is paused, never if it is dead. */
  readonly enter: (run: () => void) => void;
  readonly whenDead: (run: () => void) => void;
  readonly crash: () => void;
  /** Its n-th effect from now on is the last. */
  readonly crashAt: (effects: number, side: 'before' | 'after') => void;
  readonly pause: () => void;
  readonly resume: (timersFirst: boolean) => void;
  /** Its monotonic clock stood still for so long. */
  readonly lag: (ms: number) => void;
  readonly jumpWall: (byMs: number) => void;
  readonly setCut: (isCut: boolean) => void;
};

type Timer = TimerHandle & { planned: Planned | null; readonly dueMs: number };

export const createProcess = (deps: {
  readonly name: string;
  readonly node: string;
  readonly time: VirtualTime;
  readonly history: History;
  readonly database: SimulatedDatabase;
  readonly receivers: SimulatedReceivers;
  readonly chanceOf: (name: string) => Chance;
  readonly settings: DispatchSettings;
}): SimulatedProcess => {
  const { name, node, time, history } = deps;
  const chance = deps.chanceOf(`process ${name}`);
  const mourners: (() => void)[] = [];
  let state: 'running' | 'paused' | 'dead' = 'running';
  let backlog: { readonly isTimer: boolean; readonly run: () => void }[] = [];
  let effectsLeft = Infinity;
  let lastSide: 'before' | 'after' = 'before';
  let cuts = 0;

  // Clocks ------------------------------------------------------------------------------------------
  const bornMs = time.nowMs();
  // A quartz is off by up to some seconds a day; so much here that half an hour shows it.
  const rate = 1 + between(chance, -0.0005, 0.0005);
  const baseMs = between(chance, 0, 100_000);
  let laggedMs = 0;
  let wallSkewMs = between(chance, -2_000, 2_000);
  const quartzMs = (): number => baseMs + (time.nowMs() - bornMs - laggedMs) * rate;
  // Work takes time: on a slow machine each look at the clock finds it a little later, until the turn ends.
  const lookMs = chance() < 0.5 ? 0 : 10 ** between(chance, -3, 0.5);
  let lookedMs = -Infinity;
  let turnAtMs = -1;
  let looks = 0;
  const monotonicMs = (): number => {
    if (time.nowMs() !== turnAtMs) [turnAtMs, looks] = [time.nowMs(), 0];
    lookedMs = Math.max(quartzMs(), lookedMs + lookMs);
    if (++looks < MOST_LOOKS) return lookedMs;
    const detail = `${name} works without an end`;
    history.add({ kind: 'broken', atMs: time.nowMs(), detail });
    throw new Error(detail);
  };
  /** How much longer its turn lasts, in steps that a clock can show. */
  const busyMs = (): number => Math.max(0, Math.ceil(((lookedMs - quartzMs()) / rate) * 1_000) / 1_000);
  const wallMs = (): number => EPOCH_MS + time.nowMs() + wallSkewMs;
  let offsetMs = wallMs() - monotonicMs();
  const clock: Clock = { monotonicMs, nowMs: () => monotonicMs() + offsetMs };

  // The event loop ----------------------------------------------------------------------------------
  const crash = (): void => {
    if (state === 'dead') return;
    state = 'dead';
    backlog = [];
    history.add({ kind: 'fault', fault: 'crash', process: name, fromMs: time.nowMs(), toMs: time.nowMs() });
    for (const mourn of mourners) mourn();
  };
  const drainBacklog = (): void => {
    if (state !== 'running' || backlog.length === 0) return;
    if (busyMs() === 0) backlog.shift()!.run();
    if (backlog.length > 0) time.after(busyMs(), drainBacklog);
  };
  const enterAs = (isTimer: boolean, run: () => void): void => {
    if (state === 'dead') return;
    if (state === 'running' && backlog.length === 0) {
      if (busyMs() === 0) return run();
      time.after(busyMs(), drainBacklog);
    }
    backlog.push({ isTimer, run });
  };
  const enter = (run: () => void): void => enterAs(false, run);

  const arm = (timer: Timer, callback: () => void): void => {
    // As in Node: whole milliseconds, at least one, and a little late.
    const delayMs = Math.max(1, Math.trunc((timer.dueMs - monotonicMs()) / rate)) + chance() * 0.5;
    timer.planned = time.after(delayMs, () =>
      enterAs(true, () => {
        if (timer.planned === null) return;
        if (monotonicMs() + 1 < timer.dueMs) arm(timer, callback);
        else callback();
      }),
    );
  };
  const timers: Timers = {
    setTimeout: (callback, delayMs) => {
      const timer: Timer = { planned: null, dueMs: monotonicMs() + delayMs };
      arm(timer, callback);
      return timer;
    },
    clearTimeout: (handle) => {
      const timer = handle as Timer;
      if (timer.planned !== null) time.cancel(timer.planned);
      timer.planned = null;
    },
    setImmediate: (callback) => {
      time.after(0, () => enter(callback));
    },
  };

  const client: Client = {
    name,
    enter,
    chance: (of) => deps.chanceOf(`${name} ${of}`),
    cuts: () => cuts,
    end: crash,
    effect: () => {
      if (state === 'dead') return 'is dead';
      if (effectsLeft-- > 0) return 'goes on';
      effectsLeft = Infinity;
      if (lastSide === 'after') return 'ends with it';
      crash();
      return 'is dead';
    },
  };

  // The program -------------------------------------------------------------------------------------
  const { store, notices, endpoints } = deps.database.connect(client);
  const ids = createIdSource(clock.nowMs, (size) => Uint8Array.from({ length: size }, () => chance() * 256));
  const dispatcher = createDispatcher({
    node: { id: node, name, role: 'all' },
    store,
    attempt: deps.receivers.attempterOf(client),
    clock,
    wallMs,
    synchronise: (databaseMs, atMonotonicMs) => {
      offsetMs = databaseMs - atMonotonicMs;
    },
    random: { float: chance },
    ids,
    timers,
    settings: deps.settings,
    observe: {
      rejected: (_settlement, detail) =>
        history.add({ kind: 'broken', atMs: time.nowMs(), detail: `rejected: ${detail}` }),
    },
  });
  const ingest = createIngest({
    store,
    // Nobody tells the other nodes: what they accept for one another is found by their scans.
    admission: createAdmission(
      dispatcher,
      (endpointId, line) => dispatcher.wake(endpointId, clock.nowMs(), line),
      () => {},
    ),
    node,
    clock,
    refreshMs: deps.settings.endpointRefreshMs,
    ids,
    schedule: timers.setImmediate,
    maxPendingBytes: 4_000,
    onError: (error) => history.add({ kind: 'broken', atMs: time.nowMs(), detail: String(error) }),
  });
  const sleep = (ms: number): Promise<void> => new Promise((resolve) => void timers.setTimeout(resolve, ms));
  history.add({ kind: 'process', process: name, node, atMs: time.nowMs() });
  void dispatcher.start();

  return {
    name,
    node,
    dispatcher,
    ingest,
    endpoints,
    onConfigChange: createConfigChanges({ node, ingest, dispatcher, notices, sleep }),
    nowMs: clock.nowMs,
    isDead: () => state === 'dead',
    isPaused: () => state === 'paused',
    enter,
    whenDead: (run) => {
      if (state === 'dead') run();
      else mourners.push(run);
    },
    crash,
    crashAt: (effects, side) => {
      effectsLeft = effects;
      lastSide = side;
    },
    pause: () => {
      if (state === 'running') state = 'paused';
    },
    resume: (timersFirst) => {
      if (state !== 'paused') return;
      state = 'running';
      const of = (isTimer: boolean) => backlog.filter((entry) => entry.isTimer === isTimer);
      backlog = timersFirst ? [...of(true), ...of(false)] : [...of(false), ...of(true)];
      time.after(0, drainBacklog);
    },
    lag: (ms) => {
      laggedMs += ms;
    },
    jumpWall: (byMs) => {
      wallSkewMs += byMs;
    },
    setCut: (isCut) => {
      if (cuts % 2 !== (isCut ? 1 : 0)) cuts++;
    },
  };
};
