import type { EndpointConfig } from '../domain/configuration.ts';
import { healthy, type EndpointHealth } from '../outcome/endpoint-health.ts';
import { concurrencyOf, createController, type Controller } from './controller.ts';
import { NOT_DUE, type Due } from './due-queue.ts';
import { isResting, type LaneOrder } from './order.ts';
import { paceOpensAtMs } from './pace.ts';
import type { LaneBlock } from './port.ts';
import { createRateSlots, RATE_WINDOW_MS, type RateSlots } from './rate.ts';
import { createTrackRecord, type TrackRecord } from './standing.ts';
import { createWindow, type Window } from './window.ts';

/** One time of holding a partition. Its signal ends what is in flight when the lease cannot be kept. */
export type Tenure = {
  readonly partition: number;
  readonly epoch: number;
  /** Monotonic milliseconds. */
  readonly gainedAtMs: number;
  abort: AbortController;
  /** False for good once the partition is lost or released. */
  isLive: boolean;
  /** About to be given to another node: nothing more is stored as held or polled. */
  isLeaving: boolean;
  /** What was begun under it may go out: its lease runs, or what it has left in flight is still spared. */
  readonly maySend: () => boolean;
};

/** What the owner of an endpoint knows about it. */
export type Lane = Due & {
  readonly endpointId: string;
  /** Empty until the first delivery or offer tells. */
  applicationId: string;
  readonly partition: number;
  /** null while the partition is not ours. */
  tenure: Tenure | null;
  /** null while not known or known to be out of date. */
  endpoint: EndpointConfig | null;
  /** What acceptance handed over last. */
  offered: EndpointConfig | null;
  /** Monotonic time of the load that `endpoint` came from. */
  endpointAtMs: number;
  /** Of the configuration before, to see a change. */
  wasDisabled: boolean;
  wasPaused: boolean;
  lastUrl: string | null;
  isEndpointWanted: boolean;
  endpointWaiters: (() => void)[] | null;
  isDeleted: boolean;
  /** False until the lane's row was read in this tenure: its block and backlog are not known before. */
  isRowKnown: boolean;
  isRowWanted: boolean;
  /** What is held against the endpoint was read after its configuration. */
  isRowSure: boolean;
  /** A poll came back with less than it asked for: find out when the next row is due. */
  isHintToRaise: boolean;
  version: number;
  block: LaneBlock | null;
  health: EndpointHealth;
  /** Nothing in the store is due before; Infinity when nothing waits there. */
  nextDueMs: number;
  /** The earliest wake since the row was last asked for. */
  wokenMs: number;
  /**
   * More of this class and less urgent ones may be due in the store than the window takes: nothing of
   * them goes past it until it is drained. {@link NO_BACKLOG}: no class.
   */
  backlogFrom: number;
  /** From when on critical and normal ones may be due in the store that a window full of less urgent ones hides. */
  criticalDueMs: number;
  normalDueMs: number;
  /** When the store was last asked. */
  polledAtMs: number;
  /** The lines for a poll that it stands in. Theirs alone to change. */
  pollLines: number;
  isPolling: boolean;
  /** Polls in a row that found nothing although something is said to be due, and when to try again. */
  emptyPolls: number;
  pollAfterMs: number;
  /** null while nothing is known that has an order. */
  order: LaneOrder | null;
  readonly window: Window;
  /** Rows promised to an insert or a poll that is under way. */
  reserved: number;
  /** Payload bytes in the window or promised to an insert. */
  bytes: number;
  inFlight: number;
  /** null until the first attempt. */
  controller: Controller | null;
  /** null while the endpoint was never seen with a limit. */
  rate: RateSlots | null;
  /** Attempts that former owners may still have in flight: they count as slots taken. */
  abroad: number;
  /** When to ask for that again. */
  abroadLookMs: number;
  /** Monotonic time after which no former owner has sent anything else. */
  foreignUntilMs: number;
  /** Monotonic time of the last start that no slot was taken for. */
  unlimitedAtMs: number;
  /** Manual attempts that wait for a slot: they come before the scheduled ones. */
  manualWaiting: number;
  /**
   * Settlements of which nobody knows whether they were written. One that was may have made its row
   * due again; polling it now would put our token back on it, and the repeated settlement would
   * take that for its own.
   */
  doubts: number;
  /** The lines of the grant that it stands in, one bit each. Theirs alone to change. */
  lines: number;
  record: TrackRecord;
  isDirty: boolean;
  savedBlock: LaneBlock | null;
  savedHealth: EndpointHealth;
};

/** Of {@link Lane.backlogFrom}: beyond all classes. */
export const NO_BACKLOG = 3;

/** A lane of which nothing is known yet. */
export const createLane = (endpointId: string, partition: number, tenure: Tenure): Lane => ({
  dueMs: 0,
  dueIndex: NOT_DUE,
  endpointId,
  applicationId: '',
  partition,
  tenure,
  endpoint: null,
  offered: null,
  endpointAtMs: -Infinity,
  wasDisabled: false,
  wasPaused: false,
  lastUrl: null,
  isEndpointWanted: false,
  endpointWaiters: null,
  isDeleted: false,
  isRowKnown: false,
  isRowWanted: false,
  isRowSure: false,
  isHintToRaise: false,
  version: 0,
  block: null,
  health: healthy,
  nextDueMs: Infinity,
  wokenMs: Infinity,
  backlogFrom: NO_BACKLOG,
  criticalDueMs: Infinity,
  normalDueMs: Infinity,
  polledAtMs: -Infinity,
  pollLines: 0,
  isPolling: false,
  emptyPolls: 0,
  pollAfterMs: 0,
  order: null,
  window: createWindow(),
  reserved: 0,
  bytes: 0,
  inFlight: 0,
  controller: null,
  rate: null,
  abroad: 0,
  abroadLookMs: 0,
  foreignUntilMs: tenure.gainedAtMs,
  unlimitedAtMs: -Infinity,
  manualWaiting: 0,
  doubts: 0,
  lines: 0,
  record: createTrackRecord(),
  isDirty: false,
  savedBlock: null,
  savedHealth: healthy,
});

/** Forgets what was known in a tenure; reservations and what is in flight end by themselves. */
export const resetLane = (lane: Lane): void => {
  lane.tenure = null;
  lane.endpoint = null;
  lane.offered = null;
  lane.wasDisabled = false;
  lane.wasPaused = false;
  lane.lastUrl = null;
  lane.isDeleted = false;
  lane.isRowKnown = false;
  lane.isRowSure = false;
  lane.isHintToRaise = false;
  lane.version = 0;
  lane.block = null;
  lane.health = healthy;
  lane.nextDueMs = Infinity;
  lane.wokenMs = Infinity;
  lane.backlogFrom = NO_BACKLOG;
  lane.criticalDueMs = Infinity;
  lane.normalDueMs = Infinity;
  lane.polledAtMs = -Infinity;
  lane.emptyPolls = 0;
  lane.pollAfterMs = 0;
  lane.order = null;
  lane.rate = null;
  lane.abroad = 0;
  lane.abroadLookMs = 0;
  lane.controller = null;
  lane.record = createTrackRecord();
  lane.isDirty = false;
  lane.savedBlock = null;
  lane.savedHealth = healthy;
};

/** Until when somebody holds the endpoint's deliveries back: a time that has passed when nobody does. */
export const pausedUntilMs = ({ paused }: EndpointConfig): number =>
  paused === null ? -Infinity : (paused.untilMs ?? Infinity);

/** Rows in the window or on their way into it. */
export const laneRows = (lane: Lane): number => lane.window.size() + lane.reserved;

/** Nothing would be lost with it but what the store knows as well. */
export const isIdle = (lane: Lane, monotonicMs: number): boolean =>
  (lane.rate === null || lane.rate.isFresh(monotonicMs)) &&
  lane.manualWaiting === 0 &&
  laneRows(lane) === 0 &&
  lane.inFlight === 0 &&
  lane.doubts === 0 &&
  !lane.isPolling &&
  lane.pollLines === 0 &&
  (lane.order === null || isResting(lane.order)) &&
  !lane.isRowWanted &&
  !lane.isEndpointWanted &&
  !lane.isDirty;

/** What a lane may do now. `blocked` ends by an event, `wait` by itself. */
export type Step =
  | { readonly kind: 'start' }
  | { readonly kind: 'wait'; readonly untilMs: number }
  | {
      readonly kind: 'blocked';
      readonly by:
        | 'not_owned'
        | 'deleted'
        | 'unknown_endpoint'
        | 'disabled'
        | 'paused'
        | 'concurrency'
        | 'rate'
        | 'nothing_queued';
    };

const start: Step = { kind: 'start' };
const notOwned: Step = { kind: 'blocked', by: 'not_owned' };
const deleted: Step = { kind: 'blocked', by: 'deleted' };
const unknownEndpoint: Step = { kind: 'blocked', by: 'unknown_endpoint' };
const disabled: Step = { kind: 'blocked', by: 'disabled' };
const paused: Step = { kind: 'blocked', by: 'paused' };
const busy: Step = { kind: 'blocked', by: 'concurrency' };
const limited: Step = { kind: 'blocked', by: 'rate' };
const empty: Step = { kind: 'blocked', by: 'nothing_queued' };

/** The slots of an endpoint with a limit. */
export const rateSlots = (lane: Lane): RateSlots => (lane.rate ??= createRateSlots());

/**
 * See RateSlots. What this node sent while there was no limit fills a window as well, and so does what
 * an owner before may have sent until a moment ago: what it still has in flight counts until it ends.
 */
export const slotsOpenAtMs = (lane: Lane, limit: number, monotonicMs: number): number => {
  const slotsMs = rateSlots(lane).opensAtMs(limit - lane.abroad, monotonicMs);
  return Math.max(slotsMs, Math.max(lane.unlimitedAtMs, lane.foreignUntilMs) + RATE_WINDOW_MS);
};

/** Takes in how many attempts former owners still have in flight. */
export const learnAbroad = (lane: Lane, abroad: number | null, monotonicMs: number): void => {
  const before = lane.abroad;
  lane.abroad = abroad ?? 0;
  for (let ended = before - lane.abroad; ended > 0; ended--) {
    rateSlots(lane).take();
    rateSlots(lane).release(monotonicMs);
  }
};

export const controllerOf = (lane: Lane): Controller => (lane.controller ??= createController());

/** When pace and rate let the next scheduled attempt start, monotonic milliseconds. */
export const opensAtMs = (lane: Lane, monotonicMs: number): number => {
  const limit = lane.endpoint?.rateLimit ?? null;
  const rateMs = limit === null ? monotonicMs : slotsOpenAtMs(lane, limit - lane.manualWaiting, monotonicMs);
  return lane.controller === null ? rateMs : Math.max(rateMs, paceOpensAtMs(lane.controller.pace));
};

/** One attempt is to show whether the receiver is back: more would only be handed back. */
export const isProbing = ({ controller }: Lane): boolean => controller?.breaker.isProbing === true;

const mostInFlight = ({ controller }: Lane, ceiling: number): number =>
  controller === null ? ceiling : Math.min(ceiling, concurrencyOf(controller));

/**
 * The lane's gates, in their order: deleted, disabled, paused, blocked until, concurrency, pace, rate. Takes nothing:
 * whoever starts also asks the node's grant, which comes last.
 *
 * @param nowMs Unix time in milliseconds.
 * @param concurrency Most attempts of one lane in flight.
 */
export const nextStep = (lane: Lane, nowMs: number, monotonicMs: number, concurrency: number): Step => {
  if (lane.tenure === null || !lane.tenure.isLive) return notOwned;
  if (lane.isDeleted) return deleted;
  if (lane.endpoint === null) return unknownEndpoint;
  if (lane.endpoint.disabled) return disabled;
  if (pausedUntilMs(lane.endpoint) > nowMs) return paused;
  if (lane.block !== null && lane.block.untilMs > nowMs) return { kind: 'wait', untilMs: lane.block.untilMs };
  if (lane.inFlight >= mostInFlight(lane, concurrency)) return busy;
  if (lane.window.size() === 0) return empty;
  const opensMs = opensAtMs(lane, monotonicMs);
  if (opensMs <= monotonicMs) return start;
  return opensMs === Infinity ? limited : { kind: 'wait', untilMs: nowMs + opensMs - monotonicMs };
};
