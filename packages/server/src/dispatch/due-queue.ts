/** What a due queue holds; both fields belong to the queue. */
export type Due = { dueMs: number; dueIndex: number };

/** Which item comes next, for very many items: a binary heap whose items know their place. */
export type DueQueue<T extends Due> = {
  readonly size: () => number;
  /** Puts the item in, or moves it; `Infinity` takes it out. */
  readonly set: (item: T, dueMs: number) => void;
  readonly remove: (item: T) => void;
  /** When the earliest item is due; Infinity when there is none. */
  readonly nextMs: () => number;
  /** Takes the earliest item out if it is due at `nowMs`. */
  readonly take: (nowMs: number) => T | undefined;
};

/** Not in the queue: what a fresh item's `dueIndex` must be. */
export const NOT_DUE = -1;

export const createDueQueue = <T extends Due>(): DueQueue<T> => {
  const heap: T[] = [];
  const put = (item: T, index: number): void => {
    heap[index] = item;
    item.dueIndex = index;
  };
  const up = (item: T, from: number): void => {
    let index = from;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      const above = heap[parent]!;
      if (above.dueMs <= item.dueMs) break;
      put(above, index);
      index = parent;
    }
    put(item, index);
  };
  const down = (item: T, from: number): void => {
    let index = from;
    for (;;) {
      let child = 2 * index + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && heap[child + 1]!.dueMs < heap[child]!.dueMs) child++;
      const below = heap[child]!;
      if (below.dueMs >= item.dueMs) break;
      put(below, index);
      index = child;
    }
    put(item, index);
  };
  const remove = (item: T): void => {
    const index = item.dueIndex;
    if (index === NOT_DUE) return;
    item.dueIndex = NOT_DUE;
    const last = heap.pop()!;
    if (last === item) return;
    if (last.dueMs < item.dueMs) up(last, index);
    else down(last, index);
  };
  return {
    size: () => heap.length,
    remove,
    set: (item, dueMs) => {
      if (dueMs === Infinity) {
        remove(item);
        return;
      }
      const before = item.dueMs;
      item.dueMs = dueMs;
      if (item.dueIndex === NOT_DUE) up(item, heap.length);
      else if (dueMs < before) up(item, item.dueIndex);
      else if (dueMs > before) down(item, item.dueIndex);
    },
    nextMs: () => heap[0]?.dueMs ?? Infinity,
    take: (nowMs) => {
      const first = heap[0];
      if (first === undefined || first.dueMs > nowMs) return undefined;
      remove(first);
      return first;
    },
  };
};
