import type { TimerHandle, Timers } from './timers.ts';

/** Asks the store, one statement at a time, for as long as somebody wants something of it. */
export type Polling = {
  /** Something may be wanted, or there may be room again. */
  readonly kick: () => void;
  readonly isStopped: () => boolean;
  /** No further poll; resolves when the running one is handled. */
  readonly stop: () => Promise<void>;
};

const RETRY_MS = 250;

export const createPolling = (deps: {
  readonly timers: Timers;
  readonly isWanted: () => boolean;
  /** False while nothing may be taken: lease not safe, leaving, too much unsettled. */
  readonly mayPoll: () => boolean;
  /** Asks once and tells whether it was answered; null: there is nothing to ask for now. Never rejects. */
  readonly poll: () => Promise<boolean> | null;
}): Polling => {
  const { timers, isWanted, mayPoll } = deps;
  let running: Promise<void> | null = null;
  let isRunning = false;
  let isScheduled = false;
  let retry: TimerHandle | null = null;
  let isStopped = false;

  const run = async (): Promise<void> => {
    while (isWanted() && retry === null && !isStopped && mayPoll()) {
      const polled = deps.poll();
      if (polled === null) break;
      if (await polled) continue;
      retry = timers.setTimeout(() => {
        retry = null;
        kick();
      }, RETRY_MS);
    }
    isRunning = false;
  };

  const kick = (): void => {
    if (isScheduled || isRunning || retry !== null || isStopped || !isWanted()) return;
    isScheduled = true;
    timers.setImmediate(() => {
      isScheduled = false;
      if (isRunning || isStopped) return;
      isRunning = true;
      running = run();
    });
  };

  return {
    kick,
    isStopped: () => isStopped,
    stop: async () => {
      isStopped = true;
      if (retry !== null) timers.clearTimeout(retry);
      await running;
    },
  };
};
