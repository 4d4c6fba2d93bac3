import type { Clock } from '../clock.ts';
import type { TimerHandle, Timers } from './timers.ts';

/** One timer for everything that has a moment. */
export type Alarm = {
  /** Rings at `atMs` (Unix time in milliseconds) or before, if something earlier is set. */
  readonly set: (atMs: number) => void;
  readonly stop: () => void;
};

/** The clock may be put right while the timer runs: look again at least this often. */
const LONGEST_MS = 60_000;

/** @param ring Is told the time and returns the next moment (Infinity: none). */
export const createAlarm = (deps: {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly ring: (nowMs: number) => number;
}): Alarm => {
  const { clock, timers } = deps;
  let armedFor = Infinity;
  let timer: TimerHandle | null = null;
  let isStopped = false;
  const disarm = (): void => {
    if (timer !== null) timers.clearTimeout(timer);
    timer = null;
    armedFor = Infinity;
  };
  const set = (atMs: number): void => {
    if (atMs >= armedFor || isStopped) return;
    disarm();
    armedFor = atMs;
    const delayMs = Math.min(Math.max(0, Math.ceil(atMs - clock.nowMs())), LONGEST_MS);
    timer = timers.setTimeout(() => {
      disarm();
      set(deps.ring(clock.nowMs()));
    }, delayMs);
  };
  return {
    set,
    stop: () => {
      isStopped = true;
      disarm();
    },
  };
};
