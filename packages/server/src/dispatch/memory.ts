/** What the node holds in memory, from the reservation of a slot to the settlement of its attempt. */
export type Memory = {
  readonly rows: () => number;
  readonly bytes: () => number;
  /** What may be taken at once: what is free of the first half, then of all of it. */
  readonly freeRows: () => number;
  readonly freeBytes: () => number;
  /** True when a lane that holds `laneRows` may hold one more of `bytes`. */
  readonly fits: (bytes: number, laneRows: number) => boolean;
  /** True while more than half is free: lanes need not share yet. */
  readonly isRoomy: () => boolean;
  readonly take: (rows: number, bytes: number) => void;
  readonly give: (rows: number, bytes: number) => void;
};

/**
 * Once half of the node's memory is in use, a lane gets no more than this many rows: lanes that wait
 * for slow receivers fill one half, the other stays for those that move.
 */
export const ROWS_WHEN_SHARED = 8;

/** One delivery always fits an empty memory, however large it is. */
export const createMemory = (maxRows: number, maxBytes: number): Memory => {
  let rows = 0;
  let bytes = 0;
  const isRoomy = (): boolean => rows * 2 < maxRows && bytes * 2 < maxBytes;
  return {
    rows: () => rows,
    bytes: () => bytes,
    freeRows: () => Math.ceil(Math.max(0, (isRoomy() ? maxRows / 2 : maxRows) - rows)),
    freeBytes: () => Math.max(0, (isRoomy() ? maxBytes / 2 : maxBytes) - bytes),
    isRoomy,
    fits: (more, laneRows) =>
      rows < maxRows &&
      (bytes + more <= maxBytes || rows === 0) &&
      (laneRows < ROWS_WHEN_SHARED || isRoomy()),
    take: (moreRows, moreBytes) => {
      rows += moreRows;
      bytes += moreBytes;
    },
    give: (lessRows, lessBytes) => {
      rows -= lessRows;
      bytes -= lessBytes;
    },
  };
};
