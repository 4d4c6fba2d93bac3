/** What {@link Timers.setTimeout} returns; means something only to the same timers. */
export type TimerHandle = object;

/** The only way in which dispatch waits; handed in, so that a simulation can drive it. */
export type Timers = {
  /** Runs `callback` once, not before `delayMs` from now. */
  readonly setTimeout: (callback: () => void, delayMs: number) => TimerHandle;
  readonly clearTimeout: (handle: TimerHandle) => void;
  /** Runs `callback` once what has already happened was handled: collects the work of one turn. */
  readonly setImmediate: (callback: () => void) => void;
};

/** The timers of the process. */
export const systemTimers: Timers = {
  setTimeout: (callback, delayMs) => setTimeout(callback, delayMs),
  clearTimeout: (handle) => clearTimeout(handle as NodeJS.Timeout),
  setImmediate: (callback) => void setImmediate(callback),
};
