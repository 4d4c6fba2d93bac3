import { spreadOf, spreadText, type Spread } from './statistics.ts';

/** What was posted, and what came of it. */
export type Load = {
  /** When each accepted message was posted and how long that took, by number; monotonic milliseconds. */
  readonly accepted: ReadonlyMap<number, { readonly startMs: number; readonly durationMs: number }>;
  readonly others: Readonly<Record<string, number>>;
  readonly fromMs: number;
  readonly toMs: number;
  /** This program's processor time of the measured time, as a share of one core. */
  readonly busy: number;
};

/** What arrived at the receiver. */
export type Delivered = {
  /** When each message came first, by number; monotonic milliseconds. */
  readonly arrivals: ReadonlyMap<number, number>;
  readonly duplicates: number;
  readonly lastMs: number;
};

export type BenchFacts = {
  readonly interrupted: boolean;
  /** Measured. */
  readonly seconds: number;
  readonly accepted: number;
  readonly acceptedPerSecond: number;
  readonly acceptLatencyMs: Spread;
  readonly notAccepted: Readonly<Record<string, number>>;
  readonly delivery: {
    readonly perSecond: number;
    readonly latencyMs: Spread;
    readonly missing: number;
    /** Accepted, and not waited for any longer. */
    readonly inFlight: number;
    readonly duplicates: number;
    readonly drainMs: number;
  } | null;
  readonly loadGenerator: { readonly coreShare: number; readonly isTheLimit: boolean };
  readonly isGood: boolean;
};

/** @param interrupted Then what has not arrived was not waited for: it is in flight, and not missing. */
export const benchFacts = (load: Load, delivered: Delivered | null, interrupted: boolean): BenchFacts => {
  const measured = [...load.accepted].filter(([, { startMs }]) => startMs >= load.fromMs);
  const seconds = (load.toMs - load.fromMs) / 1000;
  const aSecond = (count: number): number => (seconds === 0 ? 0 : Math.round(count / seconds));
  const delivery = delivered === null ? null : deliveryOf(load, delivered, measured, aSecond, interrupted);
  return {
    interrupted,
    seconds,
    accepted: measured.length,
    acceptedPerSecond: aSecond(measured.length),
    acceptLatencyMs: spreadOf(measured.map(([, { durationMs }]) => durationMs)),
    notAccepted: load.others,
    delivery,
    loadGenerator: { coreShare: Math.round(load.busy * 100) / 100, isTheLimit: load.busy > 0.9 },
    isGood: Object.keys(load.others).length === 0 && (delivery?.missing ?? 0) === 0,
  };
};

const deliveryOf = (
  load: Load,
  { arrivals, duplicates, lastMs }: Delivered,
  measured: readonly (readonly [number, { readonly startMs: number }])[],
  aSecond: (count: number) => number,
  interrupted: boolean,
): BenchFacts['delivery'] => {
  const absent = [...load.accepted.keys()].filter((one) => !arrivals.has(one)).length;
  const during = [...arrivals.values()].filter((atMs) => atMs >= load.fromMs && atMs <= load.toMs);
  return {
    perSecond: aSecond(during.length),
    latencyMs: spreadOf(
      measured.flatMap(([sequence, { startMs }]) => {
        const atMs = arrivals.get(sequence);
        return atMs === undefined ? [] : [atMs - startMs];
      }),
    ),
    missing: interrupted ? 0 : absent,
    inFlight: interrupted ? absent : 0,
    duplicates,
    drainMs: Math.max(0, Math.round(lastMs - load.toMs)),
  };
};

export const benchText = (facts: BenchFacts, processors: number): string => {
  const { delivery, loadGenerator, notAccepted, interrupted } = facts;
  const refused = Object.entries(notAccepted).map(([answer, count]) => `${answer}: ${count}`);
  return [
    ...(interrupted ? [`interrupted; ${facts.seconds.toFixed(1)} s were measured`] : []),
    `accepted   ${facts.acceptedPerSecond} a second; ${spreadText(facts.acceptLatencyMs)}`,
    ...(delivery === null
      ? []
      : [
          `delivered  ${delivery.perSecond} a second while posting; from post to arrival ${spreadText(delivery.latencyMs)}`,
          `           ${interrupted ? `${delivery.inFlight} in flight and not waited for` : `${delivery.missing} missing`}, ${delivery.duplicates} twice; the last came ${delivery.drainMs} ms after the last post`,
        ]),
    ...(refused.length === 0 ? [] : [`refused    ${refused.join(', ')}`]),
    `this side  ${loadGenerator.coreShare} of a core, on a machine with ${processors} that server, database and load may share`,
    ...(loadGenerator.isTheLimit
      ? ['           That is this program’s limit, not the server’s: the server can do more than this.']
      : []),
  ].join('\n');
};
