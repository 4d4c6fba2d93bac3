import { createFifo, type Fifo } from './fifo.ts';

/**
 * Items of many keys, the keys taking turns: deficit round robin (Shreedhar and Varghese, 1995) with
 * one turn a round. What costs more than a turn is taken at once and paid off by passing in the
 * rounds after.
 */
export type FairQueue<T> = {
  readonly size: () => number;
  readonly push: (key: string, item: T) => void;
  /** The item whose turn it is among the keys that `may`; it stays in the queue. */
  readonly peek: (may: (key: string) => boolean) => T | undefined;
  /** Takes out what `peek` has just returned; 0 is no turn. */
  readonly shift: (cost: number) => void;
};

type Entry<T> = { readonly key: string; readonly items: Fifo<T>; debt: number };

export const createFairQueue = <T>(): FairQueue<T> => {
  const entries = new Map<string, Entry<T>>();
  const ring = createFifo<Entry<T>>();
  let size = 0;

  const rotate = (): void => {
    const entry = ring.shift();
    if (entry !== undefined) ring.push(entry);
  };

  return {
    size: () => size,
    push: (key, item) => {
      let entry = entries.get(key);
      if (entry === undefined) {
        entry = { key, items: createFifo(), debt: 0 };
        entries.set(key, entry);
        ring.push(entry);
      }
      entry.items.push(item);
      size++;
    },
    peek: (may) => {
      let unseen = ring.size();
      for (let entry = ring.peek(); entry !== undefined && unseen > 0; entry = ring.peek()) {
        if (entry.debt > 0) {
          entry.debt--;
          rotate();
          unseen = ring.size();
        } else if (entry.items.size() === 0) {
          ring.shift();
          entries.delete(entry.key);
          unseen--;
        } else if (may(entry.key)) {
          return entry.items.peek();
        } else {
          rotate();
          unseen--;
        }
      }
      return undefined;
    },
    shift: (cost) => {
      const entry = ring.peek();
      if (entry === undefined || entry.items.size() === 0) throw new Error('nothing was peeked at');
      entry.items.shift();
      size--;
      if (cost === 0) return;
      entry.debt += cost - 1;
      rotate();
    },
  };
};
