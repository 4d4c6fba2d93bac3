/** Lets tests wait for conditions over something that says when it changes. */
export type Changes = {
  /** Something changed: whoever waits looks again. */
  readonly tell: () => void;
  /** Resolves once `isTrue`; rejects with what was waited for after `timeoutMs`. */
  readonly until: (what: string, isTrue: () => boolean, timeoutMs: number) => Promise<void>;
};

export const createChanges = (describe: () => string): Changes => {
  const looks = new Set<() => void>();
  return {
    tell: () => {
      for (const look of looks) look();
    },
    until: (what, isTrue, timeoutMs) =>
      new Promise((resolve, reject) => {
        if (isTrue()) return resolve();
        const look = (): void => {
          if (!isTrue()) return;
          finish();
          resolve();
        };
        const timer = setTimeout(() => {
          finish();
          reject(new Error(`Waited ${timeoutMs} ms in vain for ${what}; ${describe()}`));
        }, timeoutMs);
        const finish = (): void => {
          clearTimeout(timer);
          looks.delete(look);
        };
        looks.add(look);
      }),
  };
};

/** Unix milliseconds with fractions. */
export const nowMs = (): number => performance.timeOrigin + performance.now();
