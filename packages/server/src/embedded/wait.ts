import { setTimeout as sleep } from 'node:timers/promises';

/**
 * Repeats `check` every `everyMs` until it is true, `timeoutMs` have passed (false), or `signal` aborts
 * (rejects with its reason).
 */
export const until = async (
  check: () => boolean | Promise<boolean>,
  options: {
    readonly timeoutMs: number;
    readonly everyMs: number;
    readonly signal?: AbortSignal | undefined;
  },
): Promise<boolean> => {
  const deadline = AbortSignal.timeout(options.timeoutMs);
  for (;;) {
    options.signal?.throwIfAborted();
    if (await check()) return true;
    if (deadline.aborted) return false;
    await sleep(options.everyMs);
  }
};
