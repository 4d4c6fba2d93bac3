import type { Priority } from '../domain/delivery.ts';
import { boundOf } from './classes.ts';
import { APPLICATION_FACTOR } from './grant.ts';

/** What the node holds in memory, from the reservation of a slot to the settlement of its attempt. */
export type Memory = {
  readonly rows: () => number;
  readonly bytes: () => number;
  /** What of this class and more urgent ones may be taken at once: what is free of the first half, then of all of it. */
  readonly freeRows: (priority: Priority) => number;
  readonly freeBytes: (priority: Priority) => number;
  /** True when the application's lane that holds `laneRows` may hold one more of `bytes`. */
  readonly fits: (applicationId: string, priority: Priority, bytes: number, laneRows: number) => boolean;
  /** False while the application has its share of what the class may fill: see {@link APPLICATION_FACTOR}. */
  readonly mayGrow: (applicationId: string, priority: Priority) => boolean;
  /** True while more than half is free: lanes need not share yet. */
  readonly isRoomy: () => boolean;
  readonly take: (applicationId: string, bytes: number) => void;
  readonly give: (applicationId: string, bytes: number) => void;
  /** For rows of many applications that are on their way. */
  readonly reserve: (rows: number, bytes: number) => void;
  readonly unreserve: (rows: number, bytes: number) => void;
};

/**
 * Once half of the node's memory is in use, a lane gets no more than this many rows: lanes that wait
 * for slow receivers fill one half, the other stays for those that move.
 */
export const ROWS_WHEN_SHARED = 8;

type Use = { rows: number; bytes: number };

/** One delivery always fits an empty memory, however large it is. */
export const createMemory = (maxRows: number, maxBytes: number): Memory => {
  const applications = new Map<string, Use>();
  let rows = 0;
  let bytes = 0;
  const isRoomy = (): boolean => rows * 2 < maxRows && bytes * 2 < maxBytes;
  const free = (most: number, used: number, priority: Priority): number =>
    Math.max(0, Math.ceil(isRoomy() ? most / 2 : boundOf(most, priority)) - used);
  const mayGrow = (applicationId: string, priority: Priority): boolean => {
    const use = applications.get(applicationId);
    if (use === undefined) return true;
    const freeRows = boundOf(maxRows, priority) - rows;
    const freeBytes = boundOf(maxBytes, priority) - bytes;
    return use.rows < APPLICATION_FACTOR * freeRows && use.bytes < APPLICATION_FACTOR * freeBytes;
  };
  const useOf = (applicationId: string): Use => {
    let use = applications.get(applicationId);
    if (use === undefined) {
      use = { rows: 0, bytes: 0 };
      applications.set(applicationId, use);
    }
    return use;
  };
  return {
    rows: () => rows,
    bytes: () => bytes,
    freeRows: (priority) => free(maxRows, rows, priority),
    freeBytes: (priority) => free(maxBytes, bytes, priority),
    isRoomy,
    mayGrow,
    fits: (applicationId, priority, more, laneRows) =>
      rows < boundOf(maxRows, priority) &&
      (bytes + more <= boundOf(maxBytes, priority) || rows === 0) &&
      (laneRows < boundOf(ROWS_WHEN_SHARED, priority) || isRoomy()) &&
      mayGrow(applicationId, priority),
    take: (applicationId, more) => {
      rows++;
      bytes += more;
      const use = useOf(applicationId);
      use.rows++;
      use.bytes += more;
    },
    give: (applicationId, less) => {
      rows--;
      bytes -= less;
      const use = useOf(applicationId);
      use.rows--;
      use.bytes -= less;
      if (use.rows === 0) applications.delete(applicationId);
    },
    reserve: (moreRows, moreBytes) => {
      rows += moreRows;
      bytes += moreBytes;
    },
    unreserve: (lessRows, lessBytes) => {
      rows -= lessRows;
      bytes -= lessBytes;
    },
  };
};
