import type { Seen, SeenFact } from '../contract.ts';

type Summary = { readonly count: number; readonly sumMs: number; readonly maxMs: number };

/** What happened since the start, by source. */
export type Counts = {
  readonly received: number;
  readonly receivedBytes: number;
  /** Requests answered with an error, by its code. */
  readonly rejected: Readonly<Record<string, number>>;
  readonly duplicate: number;
  readonly accepted: number;
  readonly processed: number;
  readonly failed: number;
  readonly dead: number;
  readonly overtaken: number;
  /** Of handlers that ended, well or not. */
  readonly handlerTime: Summary;
  /** From received to processed. */
  readonly age: Summary;
  /** How the inbox of this name stands, as it was told last. */
  readonly inbox: {
    readonly waiting: number;
    readonly running: number;
    readonly dead: number;
    readonly oldestAgeMs: number;
  } | null;
};

const nothing = { count: 0, sumMs: 0, maxMs: 0 };
const ZERO: Counts = {
  received: 0,
  receivedBytes: 0,
  rejected: {},
  duplicate: 0,
  accepted: 0,
  processed: 0,
  failed: 0,
  dead: 0,
  overtaken: 0,
  handlerTime: nothing,
  age: nothing,
  inbox: null,
};

/**
 * Counts in memory, to be read when asked: `const counts = counters(); webhooks({ seen: counts.seen, … })`.
 * There are as many entries as sources, however much is sent.
 */
export const counters = (): {
  readonly seen: Seen;
  readonly read: () => Readonly<Record<string, Counts>>;
} => {
  const bySource = new Map<string, Counts>();
  return {
    seen: (fact) => {
      bySource.set(fact.source, after(bySource.get(fact.source) ?? ZERO, fact));
    },
    read: () => Object.fromEntries(bySource),
  };
};

const after = (counts: Counts, fact: SeenFact): Counts => {
  switch (fact.kind) {
    case 'received':
      return {
        ...counts,
        received: counts.received + 1,
        receivedBytes: counts.receivedBytes + fact.bytes,
      };
    case 'rejected':
      return {
        ...counts,
        rejected: { ...counts.rejected, [fact.code]: (counts.rejected[fact.code] ?? 0) + 1 },
      };
    case 'processed':
      return {
        ...counts,
        processed: counts.processed + 1,
        handlerTime: plus(counts.handlerTime, fact.durationMs),
        age: plus(counts.age, fact.ageMs),
      };
    case 'failed':
      return {
        ...counts,
        failed: counts.failed + 1,
        handlerTime: plus(counts.handlerTime, fact.durationMs),
      };
    case 'inbox': {
      const { waiting, running, dead, oldestAgeMs } = fact;
      return { ...counts, inbox: { waiting, running, dead, oldestAgeMs } };
    }
    case 'duplicate':
    case 'accepted':
    case 'dead':
    case 'overtaken':
      return { ...counts, [fact.kind]: counts[fact.kind] + 1 };
  }
};

const plus = ({ count, sumMs, maxMs }: Summary, ms: number): Summary => ({
  count: count + 1,
  sumMs: sumMs + ms,
  maxMs: Math.max(maxMs, ms),
});
