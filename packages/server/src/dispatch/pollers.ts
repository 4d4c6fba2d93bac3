import type { Lane } from './lane.ts';
import { createOrderPoller } from './order-poller.ts';
import { createPoller } from './poller.ts';

/** Reads from the store what goes by urgency alone, and beside it what is first in its order. */
export type Pollers = {
  readonly poll: (lane: Lane) => void;
  readonly pollOrdered: (lane: Lane) => void;
  /** There may be room again. */
  readonly kick: () => void;
  /** No further poll; resolves when those that run are handled. */
  readonly stop: () => Promise<void>;
};

type Deps = Parameters<typeof createPoller>[0] & Parameters<typeof createOrderPoller>[0];

export const createPollers = (deps: Deps): Pollers => {
  const urgency = createPoller(deps);
  const order = createOrderPoller(deps);
  return {
    poll: urgency.add,
    pollOrdered: order.add,
    kick: () => {
      urgency.kick();
      order.kick();
    },
    stop: async () => {
      await Promise.all([urgency.stop(), order.stop()]);
    },
  };
};
