import type { Clock } from '../clock.ts';
import type { EndpointConfig } from '../domain/configuration.ts';
import { rateSlots, slotsOpenAtMs } from './lane.ts';
import type { Lanes } from './lanes.ts';
import type { Timers } from './timers.ts';

/** A look again at slots that only the end of an attempt can free. */
const LOOK_AGAIN_MS = 20;

/**
 * Waits until the rate of an endpoint lets a manual attempt start, and takes the slot; the scheduled
 * ones stand behind it. Resolves with what gives it back; null: there is no limit, or the endpoint is
 * not this node's, or `signal` ended the wait.
 */
export const createManualSlots =
  (deps: { readonly lanes: () => Lanes; readonly clock: Clock; readonly timers: Timers }) =>
  async ({ id, rateLimit }: EndpointConfig, signal: AbortSignal): Promise<(() => void) | null> => {
    const lane = rateLimit === null ? null : deps.lanes().ensure(id);
    if (rateLimit === null || lane === null) return null;
    const { clock, timers } = deps;
    lane.manualWaiting++;
    try {
      for (;;) {
        if (signal.aborted || lane.tenure === null) return null;
        const nowMs = clock.monotonicMs();
        // Before its row is known nobody knows what an owner before has in flight.
        const opensMs = lane.isRowKnown ? slotsOpenAtMs(lane, rateLimit, nowMs) : Infinity;
        if (opensMs <= nowMs) {
          const slots = rateSlots(lane);
          slots.take();
          return () => {
            slots.release(clock.monotonicMs());
            deps.lanes().review(lane, clock.nowMs());
          };
        }
        const waitMs = Math.min(opensMs - nowMs, LOOK_AGAIN_MS);
        await new Promise<void>((resolve) => void timers.setTimeout(resolve, waitMs));
      }
    } finally {
      lane.manualWaiting--;
      deps.lanes().review(lane, clock.nowMs());
    }
  };
