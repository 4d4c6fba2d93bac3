import type { TimerHandle, Timers } from './timers.ts';

/** A task that runs again and again, never beside itself. */
export type Loop = {
  readonly start: () => void;
  /** Runs the task now, or once more right after the running one. */
  readonly kick: () => void;
  /** No further run; resolves when the running one has ended. */
  readonly stop: () => Promise<void>;
};

/**
 * @param intervalMs Asked for each time. From the end of one run to the start of the next; the first starts at once.
 * @param onError A run that rejects is reported and the loop goes on.
 */
export const createLoop = (deps: {
  readonly timers: Timers;
  readonly intervalMs: number | (() => number);
  readonly task: () => Promise<void>;
  readonly onError: (error: unknown) => void;
}): Loop => {
  const { timers, intervalMs, task, onError } = deps;
  let armed: TimerHandle | null = null;
  let running: Promise<void> | null = null;
  let isRunning = false;
  let again = false;
  let stopped = true;
  const cycle = async (): Promise<void> => {
    try {
      await task();
    } catch (error) {
      onError(error);
      // Whoever asked for another run gets it, but not in a tight circle around a failure.
      again = false;
    }
    isRunning = false;
    if (stopped) return;
    if (again) run();
    else armed = timers.setTimeout(run, typeof intervalMs === 'number' ? intervalMs : intervalMs());
  };
  const run = (): void => {
    armed = null;
    again = false;
    isRunning = true;
    running = cycle();
  };
  const disarm = (): void => {
    if (armed !== null) timers.clearTimeout(armed);
    armed = null;
  };
  return {
    start: () => {
      if (!stopped) return;
      stopped = false;
      if (!isRunning) run();
    },
    kick: () => {
      if (stopped) return;
      if (isRunning) {
        again = true;
        return;
      }
      disarm();
      run();
    },
    stop: async () => {
      stopped = true;
      disarm();
      await running;
    },
  };
};
