import { priorities, type Priority } from '../domain/delivery.ts';
import { idTimeMs } from '../domain/ids.ts';
import { boundOf, reserveOf } from './classes.ts';
import { isProbing, laneRows, NO_BACKLOG, pausedUntilMs, type Lane } from './lane.ts';
import { ROWS_WHEN_SHARED, type Memory } from './memory.ts';
import type { DispatchSettings } from './settings.ts';

/** How much more a lane takes into memory: what is accepted, and what is read from the store. */

type Bounds = Pick<DispatchSettings, 'windowRows' | 'windowBytes' | 'burstRows'>;

/** What a poll is to bring: at most `limit` rows, none less urgent than `upto`. */
export type Wanted = { readonly limit: number; readonly upto: Priority };

/** After a poll, what nobody knows to be urgent is not asked for again for so long. */
const ASK_AGAIN_MS = 250;
/** A lane that sends and has a backlog asks this often for what others may have stored for it. */
const ASK_ANYWAY_MS = 500;

const { critical, normal, bulk } = priorities;
const nothing: Wanted = { limit: 0, upto: bulk };

/** A lane whose next delivery was accepted less than this ago keeps up. */
const MOVES_MS = 1_000;

/**
 * What does not fit is written, read back and written again, and so is all that follows until the store is drained.
 * So a lane that moves takes a burst into memory, and one that does not only its window.
 */
const isMoving = ({ window }: Lane, nowMs: number): boolean => {
  const head = window.peek();
  return head === undefined || nowMs - (idTimeMs(head.messageId) ?? 0) < MOVES_MS;
};

/** True when a delivery just accepted may be held: what is due in the store goes first, save what is less urgent. */
export const mayTake = (
  lane: Lane,
  applicationId: string,
  priority: Priority,
  bytes: number,
  bounds: Bounds,
  memory: Memory,
  nowMs: number,
): boolean => {
  const rows = laneRows(lane);
  // Due, and nobody has looked: it needs room as well.
  const isShort = lane.backlogFrom === NO_BACKLOG && lane.nextDueMs <= nowMs;
  const most = boundOf(isShort ? bounds.windowRows >> 1 : bounds.windowRows, priority);
  const isInside =
    rows < most || (!isShort && rows < boundOf(bounds.burstRows, priority) && isMoving(lane, nowMs));
  const hasRoom = isInside && (lane.bytes + bytes <= boundOf(bounds.windowBytes, priority) || rows === 0);
  return hasRoom && memory.fits(applicationId, priority, bytes, rows);
};

/**
 * Notes that something of the class, or of any, will be due in the store, where a full window may hide it. What
 * nobody knows to be urgent is not asked for all the time. False: that is nothing new.
 */
export const suspectUrgent = (lane: Lane, dueMs: number, priority?: Priority): boolean => {
  const atMs = priority === undefined ? Math.max(dueMs, lane.polledAtMs + ASK_AGAIN_MS) : dueMs;
  const isCritical = priority !== normal && priority !== bulk && atMs < lane.criticalDueMs;
  const isNormal = priority !== critical && priority !== bulk && atMs < lane.normalDueMs;
  if (isCritical) lane.criticalDueMs = atMs;
  if (isNormal) lane.normalDueMs = atMs;
  return isCritical || isNormal;
};

/** When that is next, if it is not now. */
export const urgentAfterMs = ({ criticalDueMs, normalDueMs }: Lane, nowMs: number): number =>
  Math.min(criticalDueMs > nowMs ? criticalDueMs : Infinity, normalDueMs > nowMs ? normalDueMs : Infinity);

/** Something more urgent than some of what fills the window may be due in the store. */
const isHidden = (lane: Lane, priority: Priority, dueMs: number, nowMs: number): boolean => {
  let less = 0;
  for (let below = priority + 1; below <= bulk; below++) less += lane.window.sizeOf(below as Priority);
  return less > 0 && (dueMs <= nowMs || nowMs - lane.polledAtMs >= ASK_ANYWAY_MS);
};

/**
 * What a poll may bring into the lane. Half a window is a batch worth a statement, so until half of
 * it is free only what is more urgent than the rest of it is asked for, into the room that is kept
 * for that.
 */
export const roomOf = (lane: Lane, bounds: Bounds, memory: Memory, nowMs: number): Wanted => {
  if (lane.tenure?.isLeaving !== false || !lane.isRowKnown || lane.isDeleted) return nothing;
  if (lane.isPolling || lane.isHintToRaise || lane.doubts > 0 || lane.block !== null) return nothing;
  if (lane.endpoint === null || lane.endpoint.disabled || pausedUntilMs(lane.endpoint) > nowMs)
    return nothing;
  if (lane.nextDueMs > nowMs) return nothing;
  const rows = laneRows(lane);
  if (isProbing(lane)) return { limit: 1 - rows, upto: bulk };
  const most = memory.isRoomy() ? bounds.windowRows : Math.min(bounds.windowRows, ROWS_WHEN_SHARED);
  const isHalfFree = rows * 2 <= bounds.windowRows && lane.bytes * 2 <= bounds.windowBytes;
  const limit = boundOf(most, bulk) - rows;
  if (isHalfFree && limit > 0 && lane.pollAfterMs <= nowMs) return { limit, upto: bulk };
  const upto = isHidden(lane, normal, lane.normalDueMs, nowMs)
    ? normal
    : isHidden(lane, critical, lane.criticalDueMs, nowMs)
      ? critical
      : null;
  if (upto === null || lane.bytes >= boundOf(bounds.windowBytes, upto)) return nothing;
  const room = boundOf(most, upto) - rows;
  // Not a statement for each row that is sent.
  return room * 2 >= reserveOf(most) ? { limit: room, upto } : nothing;
};
