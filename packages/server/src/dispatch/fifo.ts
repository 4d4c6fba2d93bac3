/** A queue on one array: constant time at both ends it is used at, without a node per item. */
export type Fifo<T> = {
  readonly size: () => number;
  readonly push: (item: T) => void;
  readonly peek: () => T | undefined;
  /** The item that comes after `index` others. */
  readonly at: (index: number) => T | undefined;
  readonly shift: () => T | undefined;
  /** Takes the first item that `matches` out, wherever it stands. */
  readonly remove: (matches: (item: T) => boolean) => T | undefined;
  readonly items: () => readonly T[];
  /** Empties the queue and returns what was in it. */
  readonly clear: () => readonly T[];
};

const COMPACT_AT = 64;

export const createFifo = <T>(): Fifo<T> => {
  let slots: (T | undefined)[] = [];
  let head = 0;
  const items = (): readonly T[] => slots.slice(head) as T[];
  return {
    size: () => slots.length - head,
    push: (item) => {
      slots.push(item);
    },
    peek: () => slots[head],
    at: (index) => slots[head + index],
    shift: () => {
      if (head === slots.length) return undefined;
      const item = slots[head];
      slots[head++] = undefined;
      if (head === slots.length) {
        slots.length = 0;
        head = 0;
      } else if (head >= COMPACT_AT && head * 2 >= slots.length) {
        slots = slots.slice(head);
        head = 0;
      }
      return item;
    },
    remove: (matches) => {
      for (let i = head; i < slots.length; i++) {
        const item = slots[i] as T;
        if (matches(item)) {
          slots.splice(i, 1);
          return item;
        }
      }
      return undefined;
    },
    items,
    clear: () => {
      const all = items();
      slots = [];
      head = 0;
      return all;
    },
  };
};
