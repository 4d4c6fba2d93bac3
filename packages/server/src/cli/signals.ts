/** The wish of a terminal or supervisor that this process ends. */
export type StopRequest = {
  /** Resolves with the first signal. */
  readonly asked: Promise<NodeJS.Signals>;
  /** Aborted by the first signal. */
  readonly signal: AbortSignal;
};

const SIGNALS: readonly NodeJS.Signals[] = ['SIGINT', 'SIGTERM', 'SIGHUP'];
// One Ctrl-C arrives twice under npm: from the terminal, and passed on by npm.
const ECHO_MS = 1_000;

/**
 * Listens for the signals that ask the process to end; one that comes a second after the first ends it at once.
 *
 * @param others What to do about signals that mean something else to this process.
 */
export const onStopRequest = (
  monotonicMs: () => number,
  others: Partial<Record<NodeJS.Signals, () => void>> = {},
): StopRequest => {
  const abort = new AbortController();
  const asked = new Promise<NodeJS.Signals>((resolve) => {
    let firstMs: number | null = null;
    for (const name of SIGNALS) {
      const other = others[name];
      if (other !== undefined) {
        process.on(name, other);
        continue;
      }
      process.on(name, () => {
        if (firstMs !== null && monotonicMs() - firstMs > ECHO_MS) process.exit(1);
        firstMs ??= monotonicMs();
        abort.abort(new Error(`${name} asked this process to end`));
        resolve(name);
      });
    }
  });
  return { asked, signal: abort.signal };
};
