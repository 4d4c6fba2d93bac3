import type { DispatchObserver } from './observer.ts';
import type { DispatchStore, HeldDelivery } from './port.ts';

/** Gives deliveries that were not tried back to the store. */
export type HandBack = {
  /** Gives back in the background. */
  readonly give: (deliveries: readonly HeldDelivery[]) => void;
  readonly underWay: () => ReadonlySet<HeldDelivery>;
  /** Resolves when nothing is under way. */
  readonly whenIdle: () => Promise<void>;
};

const ROWS_PER_STATEMENT = 500;

/**
 * Tried once. A statement whose reply was lost may have been carried out, and the rows may be ours
 * again by a poll since then: repeating it would take them from under our feet. What it did not
 * reach is found by the reconciliation (or by the sweep, once this node is gone).
 */
export const createHandBack = (deps: {
  readonly node: string;
  readonly store: Pick<DispatchStore, 'handBack'>;
  readonly observe: DispatchObserver;
  readonly onGivenBack: (deliveries: readonly HeldDelivery[]) => void;
  /** It is over for the delivery, whether it worked or not. */
  readonly onEnd: (delivery: HeldDelivery) => void;
}): HandBack => {
  const underWay = new Set<HeldDelivery>();
  let last = Promise.resolve();
  const giveBatch = async (batch: readonly HeldDelivery[]): Promise<void> => {
    try {
      await deps.store.handBack(deps.node, batch);
      deps.onGivenBack(batch);
    } catch (error) {
      deps.observe.trouble('hand back', error);
    }
    for (const delivery of batch) {
      underWay.delete(delivery);
      deps.onEnd(delivery);
    }
  };
  return {
    give: (deliveries) => {
      for (let from = 0; from < deliveries.length; from += ROWS_PER_STATEMENT) {
        const batch = deliveries.slice(from, from + ROWS_PER_STATEMENT);
        for (const delivery of batch) underWay.add(delivery);
        last = last.then(() => giveBatch(batch));
      }
    },
    underWay: () => underWay,
    whenIdle: () => last,
  };
};
