/** One chore: its name for the log, how often, and what it does. */
export type Chore = {
  readonly name: string;
  readonly everyMs: number;
  readonly run: () => Promise<unknown>;
};

export type Housekeeping = {
  /** Runs a chore soon instead of when its time comes. */
  readonly now: (name: string) => void;
  /** Starts nothing more and resolves when what runs has ended. */
  readonly stop: () => Promise<void>;
};

/**
 * Runs each chore now and then again `everyMs` after it ended, whatever came of it: a chore that
 * fails is told of and tried again. Chores are safe to run on several nodes at once.
 */
export const keepHouse = (
  chores: readonly Chore[],
  onTrouble: (chore: string, error: unknown) => void,
): Housekeeping => {
  let stopped = false;
  const timers = new Map<Chore, NodeJS.Timeout>();
  const running = new Map<Chore, Promise<void>>();
  const again = new Set<Chore>();
  const run = (chore: Chore): void => {
    if (stopped) return;
    const round = chore
      .run()
      .catch((error: unknown) => onTrouble(chore.name, error))
      .then(() => {
        running.delete(chore);
        if (stopped) return;
        const delayMs = again.delete(chore) ? 0 : chore.everyMs;
        timers.set(
          chore,
          setTimeout(() => run(chore), delayMs),
        );
      });
    running.set(chore, round);
  };
  for (const chore of chores) run(chore);
  return {
    now: (name) => {
      const chore = chores.find((one) => one.name === name);
      if (chore === undefined || stopped) return;
      if (running.has(chore)) {
        again.add(chore);
        return;
      }
      clearTimeout(timers.get(chore));
      run(chore);
    },
    stop: async () => {
      stopped = true;
      for (const timer of timers.values()) clearTimeout(timer);
      await Promise.all(running.values());
    },
  };
};
