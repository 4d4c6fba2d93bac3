import type { Verdict } from '../crash/scenario.ts';

/** What came of one fault. */
export type Result =
  | { readonly fault: string; readonly end: 'skipped'; readonly why: string }
  /** It could not be done, or something that must come to pass did not. */
  | { readonly fault: string; readonly end: 'failed'; readonly why: string; readonly seconds: number }
  | (Counts & {
      readonly fault: string;
      readonly end: 'held' | 'broke';
      readonly seconds: number;
      readonly note: string;
      /** What is wrong, as text; empty when nothing is. */
      readonly problems: string;
    });

export type Counts = {
  readonly acknowledged: number;
  /** Answers that said to come back later. */
  readonly refused: number;
  readonly requests: number;
  /** Acknowledged, and not stored or not delivered though nothing of it is open. */
  readonly lost: number;
  /** Requests after the 2xx of the same delivery. */
  readonly duplicated: number;
  /** Of those, how many a fault explains that hit the attempt in flight. */
  readonly explained: number;
  /** Open when everything had its time. */
  readonly stuck: number;
  /** Other broken promises: the checker's rules and how often, answers that no server should give. */
  readonly others: Readonly<Record<string, number>>;
};

/** Sums up what the checker found. */
export const countsOf = (verdict: Verdict, refused: number): Counts => {
  const byRule = new Map<string, string[]>();
  for (const { rule, detail } of verdict.violations) byRule.set(rule, [...(byRule.get(rule) ?? []), detail]);
  const of = (rule: string): readonly string[] => byRule.get(rule) ?? [];
  const stuck = of('open');
  // What is still open is stuck and may yet arrive: it is counted once.
  const openNames = stuck.map((detail) => detail.replace(/ is \w+$/, ''));
  const undelivered = of('undelivered').filter(
    (detail) => !openNames.some((name) => detail.startsWith(`${name} `)),
  );
  const others = Object.fromEntries(
    [...byRule]
      .filter(([rule]) => !['lost', 'undelivered', 'open'].includes(rule))
      .map(([rule, details]) => [rule, details.length]),
  );
  const surprises = verdict.surprises.length;
  return {
    acknowledged: verdict.history.postings.filter(({ end }) => end === 'acknowledged').length,
    refused,
    requests: verdict.history.requests.length,
    lost: of('lost').length + undelivered.length,
    duplicated: verdict.duplicates,
    explained: Math.max(0, verdict.duplicates - of('duplicate').length),
    stuck: stuck.length,
    others: surprises === 0 ? others : { ...others, surprises },
  };
};

export const isGood = ({ end }: Result): boolean => end === 'held' || end === 'skipped';
