/** Waits that something can cut short. A wake while nobody waits makes the next wait none. */
export type Pacer = {
  readonly wait: (ms: number) => Promise<void>;
  readonly wake: () => void;
  readonly stop: () => void;
  readonly stopped: () => boolean;
};

export const pacer = (): Pacer => {
  let woken = false;
  let ended = false;
  let wakeUp: (() => void) | undefined;
  const wake = (): void => {
    woken = true;
    wakeUp?.();
  };
  return {
    wait: async (ms) => {
      if (!woken && !ended) {
        let timer: ReturnType<typeof setTimeout> | undefined;
        await new Promise<void>((resolve) => {
          wakeUp = resolve;
          timer = setTimeout(resolve, ms);
        });
        clearTimeout(timer);
      }
      woken = false;
    },
    wake,
    stop: () => {
      ended = true;
      wake();
    },
    stopped: () => ended,
  };
};

const FIRST_MS = 50;
const LONGEST_MS = 5_000;

/**
 * Repeats a step that can be repeated until the database answers it, ever slower. Gives up, with the
 * last error, only when the signal aborts.
 */
export const untilItAnswers = async <T>(
  step: () => Promise<T>,
  signal: AbortSignal,
  onError: (error: unknown) => void,
): Promise<T> => {
  for (let waitMs = FIRST_MS; ; waitMs = Math.min(LONGEST_MS, waitMs * 2)) {
    try {
      return await step();
    } catch (error) {
      if (signal.aborted) throw error;
      onError(error);
      const pause = pacer();
      signal.addEventListener('abort', pause.wake, { once: true });
      await pause.wait(waitMs);
      signal.removeEventListener('abort', pause.wake);
    }
  }
};
