import type { TimerHandle, Timers } from './timers.ts';

/** Collects things to ask the store about and asks in batches, one statement at a time. */
export type Batcher<T> = {
  readonly add: (item: T) => void;
  readonly size: () => number;
  readonly stop: () => void;
};

const RETRY_MIN_MS = 100;
const RETRY_MAX_MS = 2_000;

/**
 * @param ask Handles one batch. When it rejects, the whole batch is asked again, later and later
 *   up to two seconds; so it must be safe to repeat.
 */
export const createBatcher = <T>(deps: {
  readonly timers: Timers;
  readonly limit: number;
  readonly ask: (batch: readonly T[]) => Promise<void>;
  readonly onError: (error: unknown) => void;
}): Batcher<T> => {
  const { timers, limit } = deps;
  let waiting = new Set<T>();
  let isBusy = false;
  let isStopped = false;
  let retryMs = RETRY_MIN_MS;
  let retry: TimerHandle | null = null;

  const take = (): readonly T[] => {
    const batch: T[] = [];
    for (const item of waiting) {
      if (batch.length >= limit) break;
      batch.push(item);
    }
    if (batch.length === waiting.size) waiting = new Set();
    else for (const item of batch) waiting.delete(item);
    return batch;
  };

  const run = async (): Promise<void> => {
    retry = null;
    while (waiting.size > 0 && !isStopped) {
      const batch = take();
      try {
        await deps.ask(batch);
        retryMs = RETRY_MIN_MS;
      } catch (error) {
        deps.onError(error);
        for (const item of batch) waiting.add(item);
        if (!isStopped) retry = timers.setTimeout(() => void run(), retryMs);
        retryMs = Math.min(retryMs * 2, RETRY_MAX_MS);
        return;
      }
    }
    isBusy = false;
  };

  return {
    size: () => waiting.size,
    add: (item) => {
      waiting.add(item);
      if (isBusy || isStopped) return;
      isBusy = true;
      timers.setImmediate(() => void run());
    },
    stop: () => {
      isStopped = true;
      if (retry !== null) timers.clearTimeout(retry);
    },
  };
};
