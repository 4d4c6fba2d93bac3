/** How a limit stands for one caller after a request. Times in milliseconds from now. */
export type Standing = {
  readonly isAllowed: boolean;
  /** What is left at once. */
  readonly remaining: number;
  /** Until all of it is there again. */
  readonly resetMs: number;
  /** Until one more is allowed; 0 when that is now. */
  readonly retryMs: number;
};

/**
 * Counts what each caller does a second. A caller has at most a second's worth (and at least one), which
 * comes back evenly: in any `t` seconds at most `perSecond * (t + 1)` are allowed, in the long run
 * `perSecond`. The generic cell rate algorithm: one number for each caller, bounded in memory.
 *
 * Times are monotonic milliseconds. `perSecond` may change from call to call and may be below 1.
 */
export type RateLimiter = {
  /** Takes one if there is one. */
  readonly take: (caller: string, perSecond: number, nowMs: number) => Standing;
  /** Takes `count` whether they are there or not: what is missing is owed, and nothing is allowed meanwhile. */
  readonly owe: (caller: string, count: number, perSecond: number, nowMs: number) => Standing;
  /** Callers remembered. */
  readonly size: () => number;
};

/** Times are sums of fractions. */
const GRAIN_MS = 0.001;

/**
 * @param maxCallers Beyond it the caller that has been silent for the longest is forgotten: nothing is lost by
 *   that once it has been silent for a second.
 */
export const createRateLimiter = (maxCallers = 10_000): RateLimiter => {
  /** When each has everything again; the longest silent first. */
  const fullAtMs = new Map<string, number>();

  const keep = (caller: string, atMs: number): void => {
    fullAtMs.delete(caller);
    if (fullAtMs.size >= maxCallers) {
      const first = fullAtMs.keys().next();
      if (first.done !== true) fullAtMs.delete(first.value);
    }
    fullAtMs.set(caller, atMs);
  };

  const standing = (isAllowed: boolean, usedMs: number, perSecond: number): Standing => {
    const eachMs = 1000 / perSecond;
    const leftMs = Math.max(1, perSecond) * eachMs - usedMs + GRAIN_MS;
    return {
      isAllowed,
      remaining: Math.max(0, Math.floor(leftMs / eachMs)),
      resetMs: usedMs,
      retryMs: Math.max(0, eachMs - leftMs),
    };
  };

  const usedMs = (caller: string, nowMs: number): number =>
    Math.max(0, (fullAtMs.get(caller) ?? -Infinity) - nowMs);

  const owe: RateLimiter['owe'] = (caller, count, perSecond, nowMs) => {
    const afterMs = usedMs(caller, nowMs) + (count * 1000) / perSecond;
    keep(caller, nowMs + afterMs);
    return standing(true, afterMs, perSecond);
  };

  return {
    owe,
    take: (caller, perSecond, nowMs) => {
      const before = standing(false, usedMs(caller, nowMs), perSecond);
      return before.remaining > 0 ? owe(caller, 1, perSecond, nowMs) : before;
    },
    size: () => fullAtMs.size,
  };
};
