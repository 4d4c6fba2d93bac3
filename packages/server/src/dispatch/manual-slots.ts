import type { Clock } from '../clock.ts';
import type { EndpointConfig } from '../domain/configuration.ts';
import { rateSlots, slotsOpenAtMs } from './lane.ts';
import type { Lanes } from './lanes.ts';
import type { Shares, Slot } from './shares.ts';
import type { Timers } from './timers.ts';

/** A look again at slots that only the end of an attempt can free. */
const LOOK_AGAIN_MS = 20;

type Deps = {
  readonly lanes: () => Lanes;
  readonly shares: Pick<Shares, 'tryTake'>;
  readonly clock: Clock;
  readonly timers: Timers;
};

const sleep = (timers: Timers, ms: number): Promise<void> =>
  new Promise((resolve) => void timers.setTimeout(resolve, ms));

/** The slot of the endpoint's own rate. */
const ofEndpoint = async (
  { lanes, clock, timers }: Deps,
  { id, rateLimit }: EndpointConfig,
  signal: AbortSignal,
): Promise<(() => void) | null> => {
  const lane = rateLimit === null ? null : lanes().ensure(id);
  if (rateLimit === null || lane === null) return null;
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
          lanes().review(lane, clock.nowMs());
        };
      }
      await sleep(timers, Math.min(opensMs - nowMs, LOOK_AGAIN_MS));
    }
  } finally {
    lane.manualWaiting--;
    lanes().review(lane, clock.nowMs());
  }
};

/** The slot of the rate that all endpoints of its application have together. */
const ofApplication = async (
  { shares, timers }: Deps,
  { applicationId, applicationRateLimit }: EndpointConfig,
  signal: AbortSignal,
): Promise<Slot | null> => {
  if (applicationRateLimit === undefined) return null;
  while (!signal.aborted) {
    const slot = shares.tryTake(applicationId, applicationRateLimit);
    if (slot !== null) return slot;
    await sleep(timers, LOOK_AGAIN_MS);
  }
  return null;
};

/**
 * Waits until the rates of an endpoint and of its application let a manual attempt start, and takes the slots; the
 * scheduled ones stand behind it. Resolves with what gives them back; where nothing is limited, or the endpoint's
 * own rate is another node's, or `signal` ended the wait, there is less to give back, or nothing.
 */
export const createManualSlots =
  (deps: Deps) =>
  async (endpoint: EndpointConfig, signal: AbortSignal): Promise<() => void> => {
    const endOwn = await ofEndpoint(deps, endpoint, signal);
    const share = await ofApplication(deps, endpoint, signal);
    return () => {
      endOwn?.();
      share?.release(deps.clock.monotonicMs());
    };
  };
