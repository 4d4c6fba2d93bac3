import type { HeldDelivery } from './port.ts';
import { createFifo, type Fifo } from './fifo.ts';

/** The deliveries of a lane that wait in memory: by priority, then by arrival. */
export type Window = {
  readonly size: () => number;
  readonly push: (delivery: HeldDelivery) => void;
  readonly peek: () => HeldDelivery | undefined;
  readonly shift: () => HeldDelivery | undefined;
  readonly remove: (messageId: string) => HeldDelivery | undefined;
  readonly items: () => readonly HeldDelivery[];
  readonly clear: () => readonly HeldDelivery[];
};

// Idle lanes are many: a class costs memory only once something of that class has come.
export const createWindow = (): Window => {
  const classes: (Fifo<HeldDelivery> | undefined)[] = [];
  let size = 0;
  const first = (): Fifo<HeldDelivery> | undefined => {
    for (const queue of classes) if (queue !== undefined && queue.size() > 0) return queue;
    return undefined;
  };
  const items = (): readonly HeldDelivery[] => classes.flatMap((queue) => queue?.items() ?? []);
  return {
    size: () => size,
    push: (delivery) => {
      const queue = (classes[delivery.priority] ??= createFifo());
      queue.push(delivery);
      size++;
    },
    peek: () => first()?.peek(),
    shift: () => {
      if (size === 0) return undefined;
      size--;
      return first()?.shift();
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
