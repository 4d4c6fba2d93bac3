import type { HeldDelivery } from './port.ts';

/**
 * Deliveries whose attempt has begun and is not settled: in memory until the store has their end.
 *
 * An array, because a Set that thousands enter and leave each second keeps the tables that it
 * outgrew, and through them young objects, alive over many minor collections.
 */
export type OpenDeliveries = {
  readonly add: (delivery: HeldDelivery) => void;
  readonly delete: (delivery: HeldDelivery) => void;
  readonly size: () => number;
  readonly items: () => readonly HeldDelivery[];
};

export const createOpenDeliveries = (): OpenDeliveries => {
  const items: HeldDelivery[] = [];
  return {
    add: (delivery) => {
      delivery.openSlot = items.length;
      items.push(delivery);
    },
    delete: (delivery) => {
      const slot = delivery.openSlot;
      if (slot === null) return;
      delivery.openSlot = null;
      const last = items.pop();
      if (last === undefined || last === delivery) return;
      items[slot] = last;
      last.openSlot = slot;
    },
    size: () => items.length,
    items: () => items,
  };
};
