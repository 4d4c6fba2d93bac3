import { idFloor, idTimeMs } from '../domain/ids.ts';
import type { IdKind } from '../domain/ids.ts';
import type { Cursor } from './paging.ts';

/** How far back one listing looks from where it starts. */
export const WINDOW_MS = 90 * 24 * 3600 * 1000;
/** Ids are not from the future, but clocks differ. */
const AHEAD_MS = 3600 * 1000;

/**
 * The ids that a listing may touch, both exclusive bounds given as text, and which way it walks.
 * `oldestFirst`: rows come oldest first and the page is turned round, as every page is shown
 * newest first.
 */
export type IdWindow = {
  readonly low: string;
  readonly high: string;
  readonly oldestFirst: boolean;
};

const timeOr = (id: string, fallback: number): number => idTimeMs(id) ?? fallback;

/** The text just below every id of that moment; `>` with it includes them all. */
const below = (kind: IdKind, timeMs: number): string => idFloor(kind, timeMs).slice(0, -1);

/**
 * The window of a listing of messages or attempts: newest first, `after` inclusive, `before`
 * exclusive. Walking back in time it sees at most 90 days from where it starts; with only `after` and
 * no iterator it walks from there towards now.
 *
 * @param afterMs Unix milliseconds or null.
 * @param beforeMs Unix milliseconds or null.
 */
export const idWindow = (
  kind: IdKind,
  cursor: Cursor,
  beforeMs: number | null,
  afterMs: number | null,
  nowMs: number,
): IdWindow => {
  const newest = nowMs + AHEAD_MS;
  const ceiling = beforeMs === null ? newest : Math.min(beforeMs, newest);
  switch (cursor.kind) {
    case 'after': {
      const start = Math.min(timeOr(cursor.key, nowMs), ceiling);
      const floorMs = Math.max(start - WINDOW_MS, afterMs ?? -Infinity);
      const top = idFloor(kind, ceiling);
      return {
        low: below(kind, floorMs),
        high: cursor.key < top ? cursor.key : top,
        oldestFirst: false,
      };
    }
    case 'before': {
      const floor = afterMs === null ? null : below(kind, afterMs);
      return {
        low: floor !== null && floor > cursor.key ? floor : cursor.key,
        high: idFloor(kind, ceiling),
        oldestFirst: true,
      };
    }
    case 'start':
      if (afterMs !== null && beforeMs === null) {
        return { low: below(kind, afterMs), high: idFloor(kind, newest), oldestFirst: true };
      }
      return {
        low: below(kind, Math.max(Math.min(ceiling, nowMs) - WINDOW_MS, afterMs ?? -Infinity)),
        high: idFloor(kind, ceiling),
        oldestFirst: false,
      };
    default:
      return cursor satisfies never;
  }
};
