import { WHOLE_ENDPOINT } from '../domain/delivery.ts';
import type { HeldDelivery, PolledLine } from './port.ts';

/**
 * What the owner of an endpoint knows of its ordering keys. Whose turn it is says the store alone; this
 * says where to look, and is bounded however many keys there are: what it cannot remember key by key is
 * found by a scan of all of them, and what it forgets with the process by the lane's hint.
 */
export type LaneOrder = {
  /** Keys of which something may be due. */
  readonly wanted: Set<string>;
  /** Keys that have a delivery in memory: one each, until its end is written. */
  readonly busy: Map<string, HeldDelivery>;
  /** Something that waits for its time may be due from then on. */
  dueMs: number;
  /** Keys in `wanted` wait for others (a lock, an older message): not to be asked for before. */
  askAfterMs: number;
  /** All keys have to be looked at, not before `scanAfterMs`. */
  isScanWanted: boolean;
  scanAfterMs: number;
  /** How far the scan under way has come; null: there is none. */
  cursor: string | null;
  /** The lane's version that the scan under way began with, and that of the last one that came to its end. */
  beganVersion: number;
  scannedVersion: number;
  /** Keys seen by the scan under way, and whether one of them was taken. */
  seen: number;
  hasTaken: boolean;
  /** Scans in a row that took nothing. */
  idleScans: number;
  /** Which source is asked first. */
  turn: number;
  isPollWanted: boolean;
  isPolling: boolean;
};

/** What one poll asks of a lane. */
export type OrderPlan = Omit<PolledLine, 'endpointId'>;

/** Keys remembered one by one. */
export const MOST_WANTED = 1_000;
const WAIT_MS = 50;
const SCAN_REST_MIN_MS = 50;
const SCAN_REST_MAX_MS = 2_000;
/** A key costs a scan some µs in the store: at this rest a scan that never ends costs it about a twentieth. */
const SCAN_REST_PER_KEY_MS = 0.1;

export const createLaneOrder = (): LaneOrder => ({
  wanted: new Set(),
  busy: new Map(),
  dueMs: Infinity,
  askAfterMs: 0,
  isScanWanted: false,
  scanAfterMs: 0,
  cursor: null,
  beganVersion: -1,
  scannedVersion: -1,
  seen: 0,
  hasTaken: false,
  idleScans: 0,
  turn: 0,
  isPollWanted: false,
  isPolling: false,
});

/** Something of a key may be due now. */
export const want = (order: LaneOrder, key: string): void => {
  // Its turn comes when what is in memory has ended: then it is asked for.
  if (order.busy.has(key) || order.wanted.has(key)) return;
  if (order.wanted.size < MOST_WANTED) order.wanted.add(key);
  else order.isScanWanted = true;
};

/** Something may be due, of whichever key. */
export const wantAll = (order: LaneOrder): void => {
  order.isScanWanted = true;
  want(order, WHOLE_ENDPOINT);
};

/** Nothing is known to be there that the store's hint, as of this version, does not tell of. */
export const isQuiet = (order: LaneOrder, version: number): boolean =>
  order.wanted.size === 0 &&
  !order.isScanWanted &&
  order.cursor === null &&
  !order.isPolling &&
  order.scannedVersion === version;

/** Nothing would be lost with it but what the lane's hint tells. */
export const isResting = (order: LaneOrder): boolean =>
  order.wanted.size === 0 &&
  order.busy.size === 0 &&
  !order.isScanWanted &&
  order.cursor === null &&
  !order.isPollWanted &&
  !order.isPolling;

/** When the store has to be asked next; Infinity: when something happens. */
export const asksAtMs = (order: LaneOrder): number =>
  Math.min(
    order.wanted.size > 0 ? order.askAfterMs : Infinity,
    order.cursor !== null ? -Infinity : order.isScanWanted ? order.scanAfterMs : Infinity,
    order.dueMs,
  );

/**
 * What to ask for, at most `room` keys in all; null: nothing now. Each source has its share, and a room
 * too small for all of them goes to one after the other. What is asked for counts as looked at from now on.
 */
export const planPoll = (
  order: LaneOrder,
  room: number,
  version: number,
  nowMs: number,
): OrderPlan | null => {
  const mayAsk = order.wanted.size > 0 && order.askAfterMs <= nowMs;
  const mayScan = order.cursor !== null || (order.isScanWanted && order.scanAfterMs <= nowMs);
  const isTimed = order.dueMs <= nowMs;
  const plan = { keys: [] as string[], timed: 0, scanned: 0 };
  const sources = [
    ...(mayAsk ? (['keys'] as const) : []),
    ...(isTimed ? (['timed'] as const) : []),
    ...(mayScan ? (['scan'] as const) : []),
  ];
  let left = room;
  for (let index = 0; index < sources.length && left > 0; index++) {
    const share = Math.ceil(left / (sources.length - index));
    switch (sources[(index + order.turn) % sources.length]!) {
      case 'keys':
        for (const key of order.wanted) {
          if (plan.keys.length === share) break;
          plan.keys.push(key);
        }
        left -= plan.keys.length;
        break;
      case 'timed':
        plan.timed = share;
        left -= share;
        break;
      case 'scan':
        plan.scanned = share;
        left -= share;
        break;
      default:
    }
  }
  if (left === room) return null;
  order.turn++;
  for (const key of plan.keys) order.wanted.delete(key);
  if (plan.timed > 0) order.dueMs = Infinity;
  if (plan.scanned === 0) return { keys: plan.keys, timed: plan.timed, scan: null };
  if (order.cursor === null) {
    order.cursor = '';
    order.isScanWanted = false;
    order.beganVersion = version;
    order.seen = 0;
    order.hasTaken = false;
  }
  return { keys: plan.keys, timed: plan.timed, scan: { after: order.cursor, keys: plan.scanned } };
};

/** The poll failed: all that it asked for is still to be asked. */
export const takeBackPlan = (order: LaneOrder, plan: OrderPlan, nowMs: number): void => {
  for (const key of plan.keys) want(order, key);
  if (plan.timed > 0) order.dueMs = Math.min(order.dueMs, nowMs);
};

/** What a poll told of a lane. */
export type OrderNews = {
  readonly taken: number;
  readonly again: readonly { readonly key: string; readonly waits: boolean }[];
  readonly lastKey: string | null;
  readonly keys: number;
  readonly nextMs: number | null;
};

export const learnPoll = (order: LaneOrder, plan: OrderPlan, news: OrderNews, nowMs: number): void => {
  for (const { key, waits } of news.again) {
    want(order, key);
    if (waits) order.askAfterMs = nowMs + WAIT_MS;
  }
  // As many as were asked for: more of them may be due already.
  if (plan.timed > 0 && news.taken + news.again.length >= plan.timed)
    order.dueMs = Math.min(order.dueMs, nowMs);
  if (news.nextMs !== null) order.dueMs = Math.min(order.dueMs, news.nextMs);
  if (plan.scan === null || order.cursor === null) return;
  order.seen += news.keys;
  if (news.taken > 0) order.hasTaken = true;
  if (news.keys === plan.scan.keys && news.lastKey !== null) {
    order.cursor = news.lastKey;
    return;
  }
  order.cursor = null;
  order.scannedVersion = order.beganVersion;
  order.idleScans = order.hasTaken ? 0 : order.idleScans + 1;
  // The first that takes nothing is ordinary: what it was made for has been taken key by key.
  const restMs =
    order.idleScans < 2 ? 0 : Math.min(SCAN_REST_MIN_MS * 2 ** (order.idleScans - 2), SCAN_REST_MAX_MS);
  order.scanAfterMs = nowMs + Math.max(restMs, order.seen * SCAN_REST_PER_KEY_MS);
};
