import type { Clock } from '../clock.ts';
import { saveLanes } from './lane-memory.ts';
import type { Lane } from './lane.ts';
import type { Lanes } from './lanes.ts';
import { createLoop } from './loop.ts';
import type { DispatchObserver } from './observer.ts';
import type { DispatchStore } from './port.ts';
import type { Timers } from './timers.ts';

/** What has to be written about lanes, sooner or later, until it is. */
export type Chores = {
  readonly start: () => void;
  /** The endpoint is to be disabled in the store. */
  readonly disable: (lane: Lane, reason: 'gone' | 'failing') => void;
  /** The endpoint is gone: what is open for it ends. */
  readonly close: (lane: Lane) => void;
  readonly stop: () => Promise<void>;
};

const INTERVAL_MS = 1_000;

export const createChores = (deps: {
  readonly node: string;
  readonly store: Pick<DispatchStore, 'saveLane' | 'disableEndpoint' | 'closeLane' | 'raiseHints'>;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly lanes: Lanes;
  readonly observe: DispatchObserver;
  /** Attempts of the lane are in flight, or their ends not written yet: closing would take their rows away. */
  readonly isBusy: (lane: Lane) => boolean;
  /** The endpoint's configuration was changed by us. */
  readonly onDisabled: (lane: Lane) => void;
}): Chores => {
  const { node, store, clock, lanes, observe } = deps;
  const disables = new Map<Lane, 'gone' | 'failing'>();
  const closes = new Set<Lane>();

  const disableAll = async (): Promise<void> => {
    for (const [lane, reason] of disables) {
      if (lane.tenure !== null) {
        const { endpointId } = lane;
        await store.disableEndpoint({ endpointId, reason });
        observe.laneChanged(endpointId, { kind: 'disabled', reason, sinceMs: lane.health.failingSinceMs });
        deps.onDisabled(lane);
      }
      disables.delete(lane);
    }
  };

  const closeAll = async (): Promise<void> => {
    for (const lane of closes) {
      const { endpointId } = lane;
      if (lane.tenure !== null && lane.isDeleted) {
        if (deps.isBusy(lane)) continue;
        const deliveries = await store.closeLane({ node, endpointId, reason: 'endpoint_deleted' });
        // Or the lane would be found due again and again.
        await store.raiseHints([{ endpointId, version: lane.version }]);
        if (deliveries > 0) observe.laneChanged(endpointId, { kind: 'closed', deliveries });
        lanes.forget(lane);
      }
      closes.delete(lane);
    }
  };

  const loop = createLoop({
    timers: deps.timers,
    intervalMs: INTERVAL_MS,
    task: async () => {
      await disableAll();
      await closeAll();
      await saveLanes(lanes.all(), store, node, clock.nowMs());
      lanes.evict();
    },
    onError: (error) => observe.trouble('remember lanes', error),
  });

  return {
    start: loop.start,
    stop: loop.stop,
    disable: (lane, reason) => {
      disables.set(lane, reason);
      loop.kick();
    },
    close: (lane) => {
      closes.add(lane);
      loop.kick();
    },
  };
};
