import { createBatcher, type Batcher } from './batcher.ts';
import type { Lane } from './lane.ts';
import type { Lanes } from './lanes.ts';
import type { DispatchObserver } from './observer.ts';
import { isQuiet } from './order.ts';
import type { DispatchStore } from './port.ts';
import type { Timers } from './timers.ts';

const ROWS_PER_STATEMENT = 500;

/**
 * Reads lanes' rows, and first raises the hints of those whose poll came back short: the store's
 * own minimum then says when the next row is due. Of what has an order that is true once all of its keys
 * have been looked at.
 */
export const createLaneRows = (deps: {
  readonly store: Pick<DispatchStore, 'loadLanes' | 'raiseHints'>;
  readonly timers: Timers;
  readonly lanes: () => Lanes;
  readonly observe: DispatchObserver;
}): Batcher<Lane> => {
  const { store, timers, observe } = deps;
  const ask = async (batch: readonly Lane[]): Promise<void> => {
    const ours = batch.filter((lane) => lane.tenure !== null);
    const raises = ours.filter(
      ({ isHintToRaise, order, version }) => isHintToRaise && (order === null || isQuiet(order, version)),
    );
    if (raises.length > 0) {
      await store.raiseHints(raises.map(({ endpointId, version }) => ({ endpointId, version })));
    }
    for (const lane of batch) {
      lane.isRowWanted = false;
      // A wake from here on may be missing in what this read sees.
      lane.wokenMs = Infinity;
    }
    if (ours.length === 0) return;
    const rows = await store.loadLanes(ours.map((lane) => lane.endpointId));
    const byId = new Map(rows.map((row) => [row.endpointId, row]));
    for (const lane of ours) {
      if (lane.tenure !== null) deps.lanes().learn(lane.endpointId, byId.get(lane.endpointId) ?? null);
    }
  };
  const batcher = createBatcher<Lane>({
    timers,
    limit: ROWS_PER_STATEMENT,
    ask,
    onError: (error) => observe.trouble('load lanes', error),
  });
  return {
    ...batcher,
    add: (lane) => {
      if (lane.isRowWanted) return;
      lane.isRowWanted = true;
      batcher.add(lane);
    },
  };
};
