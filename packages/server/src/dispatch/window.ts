import type { Priority } from '../domain/delivery.ts';
import { classesAt } from './classes.ts';
import { createFifo, type Fifo } from './fifo.ts';
import type { HeldDelivery } from './port.ts';

/**
 * The deliveries of a lane that wait in memory: inside a class by arrival, the classes in weighted
 * turns. `from` leaves out what is more urgent than that.
 */
export type Window = {
  readonly size: () => number;
  readonly sizeOf: (priority: Priority) => number;
  readonly push: (delivery: HeldDelivery) => void;
  readonly peek: (from?: Priority) => HeldDelivery | undefined;
  /** Takes out what `peek` shows. */
  readonly shift: (from?: Priority) => HeldDelivery | undefined;
  readonly remove: (messageId: string) => HeldDelivery | undefined;
  readonly items: () => readonly HeldDelivery[];
  readonly clear: () => readonly HeldDelivery[];
};

// Idle lanes are many: a class costs memory only once something of that class has come.
export const createWindow = (): Window => {
  const classes: (Fifo<HeldDelivery> | undefined)[] = [];
  let size = 0;
  let turn = 0;
  const first = (from: Priority): Fifo<HeldDelivery> | undefined => {
    for (const priority of classesAt(turn)) {
      const queue = priority < from ? undefined : classes[priority];
      if (queue !== undefined && queue.size() > 0) return queue;
    }
    return undefined;
  };
  const items = (): readonly HeldDelivery[] => classes.flatMap((queue) => queue?.items() ?? []);
  return {
    size: () => size,
    sizeOf: (priority) => classes[priority]?.size() ?? 0,
    push: (delivery) => {
      const queue = (classes[delivery.priority] ??= createFifo());
      queue.push(delivery);
      size++;
    },
    peek: (from = 0) => first(from)?.peek(),
    shift: (from = 0) => {
      const queue = first(from);
      if (queue === undefined) return undefined;
      turn++;
      size--;
      return queue.shift();
    },
    remove: (messageId) => {
      for (const queue of classes) {
        const found = queue?.remove((delivery) => delivery.messageId === messageId);
        if (found === undefined) continue;
        size--;
        return found;
      }
      return undefined;
    },
    items,
    clear: () => {
      const all = items();
      classes.length = 0;
      size = 0;
      return all;
    },
  };
};
