import { WHOLE_ENDPOINT } from '../../src/domain/delivery.ts';
import type { Store } from './engine.ts';
import { ENDPOINTS, FIFO } from './engine.ts';
import { timeClass } from './state.ts';
import type { Step } from './step.ts';

/** A message to be accepted. */
export type Item = Extract<Step, { op: 'accept' }>['items'][number];

export const orderingKeyOf = ({ order }: Item): string | null =>
  typeof order === 'number' ? `k${order}` : null;

/** The key that its delivery has its order by. */
export const orderKeyOf = (item: Item, endpointId: string): string | null =>
  endpointId === FIFO ? WHOLE_ENDPOINT : orderingKeyOf(item);

export type Call = (store: Store) => Promise<unknown>;

const sorted = <T>(values: readonly T[]): T[] =>
  values.toSorted((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));

/** Asks all lanes for what is first in its order; what has no order of its own in the answer is sorted. */
export const orderedPoll =
  ({ by, most, budgetBytes }: Extract<Step, { op: 'pollOrdered' }>, node: string, startMs: number): Call =>
  async (store) => {
    const keys = [WHOLE_ENDPOINT, 'k0', 'k1'].slice(0, by === 'name' ? most : 0);
    const found = await store.pollOrdered({
      node,
      lanes: ENDPOINTS.map((endpointId) => ({
        endpointId,
        keys,
        // Which of those that are due at one moment come first is nobody's promise.
        timed: by === 'time' ? 100 : 0,
        scan: by === 'scan' ? { after: '', keys: most } : null,
      })),
      budgetBytes,
    });
    return {
      deliveries: found.deliveries.map((one) => ({
        ...one,
        payload: Buffer.from(one.payload).toString('utf8'),
      })),
      again: sorted(found.again),
      lanes: sorted(found.lanes.map(({ nextMs, ...end }) => ({ ...end, next: timeClass(nextMs, startMs) }))),
    };
  };
