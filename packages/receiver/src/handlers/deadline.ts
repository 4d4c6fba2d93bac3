/** One moment by which an answer has to be given. */
export type Deadline = {
  /** Aborts at the deadline. */
  readonly signal: AbortSignal;
  /** What comes first. The work goes on after 'late'; its result is the caller's to look after. */
  readonly race: <T>(work: Promise<T>) => Promise<T | 'late'>;
  readonly leftMs: () => number;
  /** Ends the timer. */
  readonly stop: () => void;
};

export const deadlineIn = (ms: number): Deadline => {
  const atMs = Date.now() + ms;
  const controller = new AbortController();
  const timer = setTimeout(() => controller.abort(), Math.max(0, ms));
  const { signal } = controller;
  const late = new Promise<'late'>((resolve) => {
    signal.addEventListener('abort', () => resolve('late'));
  });
  return {
    signal,
    race: (work) => Promise.race([work, late]),
    leftMs: () => atMs - Date.now(),
    stop: () => clearTimeout(timer),
  };
};
