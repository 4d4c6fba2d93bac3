/** Something that will happen; {@link VirtualTime.cancel} takes it back. */
export type Planned = { readonly atMs: number; readonly order: number; run: (() => void) | null };

/** Time that passes only by what happens in it: the same calls always give the same course. */
export type VirtualTime = {
  /** Milliseconds since the beginning of the run. */
  readonly nowMs: () => number;
  readonly at: (atMs: number, run: () => void) => Planned;
  readonly after: (delayMs: number, run: () => void) => Planned;
  readonly cancel: (planned: Planned) => void;
  readonly sleep: (ms: number) => Promise<void>;
  /**
   * Lets everything happen until `isOver` (asked after every step), or until nothing is left or
   * `limitMs` is reached: then false.
   */
  readonly run: (isOver: () => boolean, limitMs: number) => Promise<boolean>;
  readonly steps: () => number;
};

const STEPS_PER_TURN = 128;

export const createVirtualTime = (): VirtualTime => {
  /** A binary heap by time, then by order of planning. */
  const heap: Planned[] = [];
  let now = 0;
  let order = 0;
  let steps = 0;

  const isBefore = (a: Planned, b: Planned): boolean =>
    a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);

  const push = (planned: Planned): void => {
    let index = heap.length;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (!isBefore(planned, heap[parent]!)) break;
      heap[index] = heap[parent]!;
      index = parent;
    }
    heap[index] = planned;
  };

  const pop = (): Planned | undefined => {
    const first = heap[0];
    const last = heap.pop();
    if (first === undefined || last === undefined || heap.length === 0) return first;
    let index = 0;
    for (;;) {
      let child = 2 * index + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++;
      if (!isBefore(heap[child]!, last)) break;
      heap[index] = heap[child]!;
      index = child;
    }
    heap[index] = last;
    return first;
  };

  const at = (atMs: number, run: () => void): Planned => {
    const planned: Planned = { atMs: Math.max(atMs, now), order: order++, run };
    push(planned);
    return planned;
  };
  const after = (delayMs: number, run: () => void): Planned => at(now + delayMs, run);

  /** The next thing; false when there is none before the limit. */
  const step = (limitMs: number): boolean => {
    for (;;) {
      const next = pop();
      if (next === undefined) return false;
      if (next.run === null) continue;
      if (next.atMs > limitMs) {
        push(next);
        return false;
      }
      now = next.atMs;
      steps++;
      next.run();
      return true;
    }
  };

  return {
    nowMs: () => now,
    at,
    after,
    cancel: (planned) => {
      planned.run = null;
    },
    sleep: (ms) => new Promise((resolve) => void after(ms, resolve)),
    steps: () => steps,
    // Between two immediates all promises are handled, so each step is one; many are queued at once,
    // because a turn of the real event loop costs more than most steps.
    run: (isOver, limitMs) =>
      new Promise((resolve, reject) => {
        let isDone = false;
        let queued = 0;
        const done = (isReached: boolean): void => {
          isDone = true;
          resolve(isReached);
        };
        const one = (): void => {
          queued--;
          if (isDone) return;
          try {
            if (isOver()) done(true);
            else if (!step(limitMs)) done(isOver());
          } catch (error) {
            isDone = true;
            reject(error instanceof Error ? error : new Error(String(error)));
          }
          if (queued === 0 && !isDone) queue();
        };
        const queue = (): void => {
          for (; queued < STEPS_PER_TURN; queued++) setImmediate(one);
        };
        queue();
      }),
  };
};
