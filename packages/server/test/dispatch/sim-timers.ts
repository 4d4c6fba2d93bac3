import type { TimerHandle, Timers } from '../../src/dispatch/timers.ts';

type Entry = { readonly atMs: number; readonly order: number; readonly callback: () => void; isOff: boolean };

/** Virtual time: nothing happens but by {@link SimTimers.advance}, and always in the same order. */
export type SimTimers = Timers & {
  readonly nowMs: () => number;
  /** Lets `ms` pass, running what falls due and everything that follows from it. */
  readonly advance: (ms: number) => Promise<void>;
  /** Lets time pass until `holds`, for at most `limitMs`; throws when it does not come. */
  readonly until: (holds: () => boolean, limitMs: number) => Promise<void>;
};

// Real setImmediate comes after all microtasks: what was resolved is handled before time moves on.
const drainMicrotasks = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));

export const createSimTimers = (startMs = 0): SimTimers => {
  let now = startMs;
  let order = 0;
  let entries: Entry[] = [];
  let immediates: (() => void)[] = [];

  const earliest = (): Entry | undefined => {
    entries = entries.filter((entry) => !entry.isOff);
    let first: Entry | undefined;
    for (const entry of entries) {
      if (
        first === undefined ||
        entry.atMs < first.atMs ||
        (entry.atMs === first.atMs && entry.order < first.order)
      )
        first = entry;
    }
    return first;
  };

  /** One step of what is due by `endMs`; false when nothing is. */
  const step = async (endMs: number): Promise<boolean> => {
    await drainMicrotasks();
    if (immediates.length > 0) {
      const batch = immediates;
      immediates = [];
      for (const callback of batch) callback();
      return true;
    }
    const entry = earliest();
    if (entry === undefined || entry.atMs > endMs) return false;
    entry.isOff = true;
    now = Math.max(now, entry.atMs);
    entry.callback();
    return true;
  };

  return {
    nowMs: () => now,
    setTimeout: (callback, delayMs) => {
      const entry: Entry = { atMs: now + Math.max(0, delayMs), order: order++, callback, isOff: false };
      entries.push(entry);
      return entry;
    },
    clearTimeout: (handle: TimerHandle) => {
      (handle as Entry).isOff = true;
    },
    setImmediate: (callback) => {
      immediates.push(callback);
    },
    advance: async (ms) => {
      const endMs = now + ms;
      while (await step(endMs));
      now = endMs;
    },
    until: async (holds, limitMs) => {
      const endMs = now + limitMs;
      await drainMicrotasks();
      while (!holds()) {
        // The last step of all may have been what it took.
        if ((await step(endMs)) || holds()) continue;
        throw new Error(`did not come within ${limitMs} ms of virtual time`);
      }
    },
  };
};
