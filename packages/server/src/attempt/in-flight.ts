import type { Clock } from '../clock.ts';

/** Something that has to end by a moment. The links belong to the list. */
export type Bounded<T> = {
  /** Monotonic milliseconds. */
  readonly deadlineMs: number;
  readonly timeOut: () => void;
  older: T | null;
  younger: T | null;
};

/**
 * What is in flight, and the end of its time. All have the same time to live, so the order of
 * arrival is the order of the deadlines and one timer, set to the oldest, serves them all.
 *
 * A linked list, because it allocates nothing. A Set was measured: the tables that it leaves
 * behind when it grows keep the young objects of thousands of attempts alive through each minor
 * collection, which cost four microseconds an attempt.
 */
export type InFlight<T> = {
  readonly add: (item: T) => void;
  /** Once for each item that was added; `timeOut` must lead to it too. */
  readonly delete: (item: T) => void;
  readonly size: () => number;
  readonly list: () => T[];
};

export const createInFlight = <T extends Bounded<T>>(clock: Pick<Clock, 'monotonicMs'>): InFlight<T> => {
  let oldest: T | null = null;
  let youngest: T | null = null;
  let size = 0;
  let timer: NodeJS.Timeout | null = null;

  const arm = (item: T): void => {
    timer = setTimeout(onTimer, Math.max(1, Math.ceil(item.deadlineMs - clock.monotonicMs())));
  };
  const onTimer = (): void => {
    timer = null;
    while (oldest !== null && oldest.deadlineMs <= clock.monotonicMs()) {
      const late: T = oldest;
      late.timeOut();
      if (oldest === late) throw new Error('an item timed out and stayed in flight');
    }
    if (oldest !== null) arm(oldest);
  };
  const remove = (item: T): void => {
    if (item.older === null) oldest = item.younger;
    else item.older.younger = item.younger;
    if (item.younger === null) youngest = item.older;
    else item.younger.older = item.older;
    item.older = null;
    item.younger = null;
    size--;
    // With nothing in flight the armed timer must not keep a process alive that wants to end.
    if (size === 0) timer?.unref();
  };
  return {
    add: (item) => {
      item.older = youngest;
      if (youngest === null) oldest = item;
      else youngest.younger = item;
      youngest = item;
      size++;
      if (timer === null) arm(item);
      else if (size === 1) timer.ref();
    },
    delete: remove,
    size: () => size,
    list: () => {
      const items: T[] = [];
      for (let item = oldest; item !== null; item = item.younger) items.push(item);
      return items;
    },
  };
};
