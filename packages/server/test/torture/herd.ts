import type { WireRequest } from '../crash/history.ts';

/** How the requests of one endpoint came back after its receiver did. */
export type Return = {
  /** Most that were open at once. */
  readonly peak: number;
  /**
   * By how many there were ever more open than the receiver had answered well since it was back, and one to ask.
   * 0 or less: each request beyond the first was earned by an answer. A herd has nearly all of its size.
   */
  readonly unearned: number;
};

const isGood = ({ answered }: WireRequest): boolean => answered !== null && answered < 300;

/** What came to one endpoint from `backMs` on. */
export const returnOf = (requests: readonly WireRequest[], backMs: number): Return => {
  const turns = requests
    .filter(({ arrivedMs }) => arrivedMs >= backMs)
    .flatMap((request) => [
      { atMs: request.arrivedMs, by: 1, good: 0 },
      { atMs: request.endedMs ?? Infinity, by: -1, good: isGood(request) ? 1 : 0 },
    ])
    // At the same moment one ends before another begins.
    .sort((a, b) => a.atMs - b.atMs || a.by - b.by);
  let open = 0;
  let answered = 0;
  let peak = 0;
  let unearned = -Infinity;
  for (const { by, good } of turns) {
    open += by;
    answered += good;
    peak = Math.max(peak, open);
    unearned = Math.max(unearned, open - answered - 1);
  }
  return { peak, unearned };
};
