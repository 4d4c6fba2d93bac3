import { createFifo } from './fifo.ts';

/** Length of the window that a limit is about, and what a slot rests after its response has ended. */
export const RATE_WINDOW_MS = 1_000;

/**
 * The rate of one endpoint, exact at the receiver: a slot is taken when an attempt starts and is
 * free again one window after its response has ended. Whatever the network does to a request's
 * arrival, it lies between the two, so no window at the receiver sees more arrivals than slots.
 *
 * All times are monotonic milliseconds and must not go back.
 */
export type RateSlots = {
  /**
   * From when on an attempt may start under `limit`: a time that has come, one to wait for, or
   * Infinity where only the end of an attempt makes room.
   */
  readonly opensAtMs: (limit: number, nowMs: number) => number;
  readonly take: () => void;
  /** The response of an attempt that took a slot has ended. */
  readonly release: (nowMs: number) => void;
  /** Slots that are taken or rest. */
  readonly used: (nowMs: number) => number;
  /** Nothing is taken and nothing rests: what is forgotten now was not needed. */
  readonly isFresh: (nowMs: number) => boolean;
};

export const createRateSlots = (): RateSlots => {
  /** When each slot that rests is free again; in order, because time is. */
  const resting = createFifo<number>();
  let taken = 0;

  const wake = (nowMs: number): void => {
    for (let first = resting.peek(); first !== undefined && first <= nowMs; first = resting.peek())
      resting.shift();
  };

  return {
    opensAtMs: (limit, nowMs) => {
      wake(nowMs);
      if (taken + resting.size() < limit) return nowMs;
      // A limit that was lowered may need more than one of them back.
      const missing = taken + resting.size() - limit;
      return resting.at(missing) ?? Infinity;
    },
    take: () => {
      taken++;
    },
    release: (nowMs) => {
      taken--;
      wake(nowMs);
      resting.push(nowMs + RATE_WINDOW_MS);
    },
    used: (nowMs) => {
      wake(nowMs);
      return taken + resting.size();
    },
    isFresh: (nowMs) => {
      wake(nowMs);
      return taken === 0 && resting.size() === 0;
    },
  };
};
