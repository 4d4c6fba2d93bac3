/** Work that is done one at a time, in turns of those who ask for it. */
export type FairTurns = {
  /**
   * Does it when it is the turn of `who`: those who wait take turns, however much each wants. null: too much is
   * waiting, of `who` or in all.
   */
  readonly take: <Result>(who: string, work: () => Promise<Result>) => Promise<Result> | null;
};

/** @param most How much may wait, of one and of all together. */
export const createFairTurns = (most: { readonly ofOne: number; readonly inAll: number }): FairTurns => {
  /** Whose turn is next comes first. */
  const waiting = new Map<string, (() => void)[]>();
  let count = 0;
  let isBusy = false;

  const next = (): void => {
    const first = waiting.entries().next();
    isBusy = first.done !== true;
    if (first.done === true) return;
    const [who, works] = first.value;
    const begin = works.shift()!;
    count--;
    waiting.delete(who);
    if (works.length > 0) waiting.set(who, works);
    begin();
  };

  const turnOf = (who: string): Promise<void> => {
    if (!isBusy) {
      isBusy = true;
      return Promise.resolve();
    }
    count++;
    return new Promise((begin) => {
      const works = waiting.get(who);
      if (works === undefined) waiting.set(who, [begin]);
      else works.push(begin);
    });
  };

  return {
    take: (who, work) => {
      if (count >= most.inAll || (waiting.get(who)?.length ?? 0) >= most.ofOne) return null;
      return turnOf(who).then(work).finally(next);
    },
  };
};
