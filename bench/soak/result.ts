import { judge, type Verdict } from './flat.ts';
import type { Sample } from './sample.ts';

/** What the run as a whole came to. */
export interface SoakResult {
  readonly seed: number;
  readonly rate: number;
  readonly seconds: number;
  readonly accepted: number;
  readonly refused: number;
  readonly delivered: number;
  /** Acknowledged, and never answered with 2xx by the receiver. */
  readonly lost: number;
  /** Requests for what had its 2xx. */
  readonly duplicates: number;
  readonly retried: number;
  readonly troubled: Troubled;
  readonly oldDays: OldDays;
  readonly auditFindings: number;
  readonly verdicts: readonly Verdict[];
  /** What is wrong, in words; empty when the run held. */
  readonly problems: readonly string[];
  readonly machine: Readonly<Record<string, string | number>>;
  readonly samples: readonly Sample[];
}

/** The messages for the endpoint that is away again and again. */
export interface Troubled {
  readonly accepted: number;
  readonly succeeded: number;
  readonly dead: number;
  readonly open: number;
}

export interface OldDays {
  readonly putIn: number;
  readonly dropped: number;
  /** Of those with a delivery that is still scheduled, how many are gone: must be 0. */
  readonly droppedWithWork: number;
  /** Of those without, how many lie there although the server had more than an hour for them. */
  readonly overdue: number;
}

/** Bytes of history for each message of a piece: the slope of what has to grow. */
const bytesPerMessage = (samples: readonly Sample[]): number[] =>
  samples.slice(1).map((sample, index) => {
    const grown = sample.sizes.history - samples[index]!.sizes.history;
    // Where days were dropped or put in, the difference says nothing about the messages.
    return grown <= 0 ? Number.NaN : (grown * 1024 * 1024) / sample.accepted;
  });

const values = (samples: readonly Sample[], pick: (sample: Sample) => number): number[] => samples.map(pick);

/** Every series that has to stay where it is. docs/reliability.md says why each allowance is what it is. */
export function verdictsOf(samples: readonly Sample[]): Verdict[] {
  const of = (pick: (sample: Sample) => number): number[] => values(samples, pick);
  const memory = { share: 0.2, amount: 32 };
  const table = { share: 0.5, amount: 32 };
  const latency = { share: 0.5, amount: 20 };
  return [
    judge(
      'memory of the server',
      'MB',
      of((one) => one.nodeMb),
      memory,
    ),
    judge(
      'memory of PostgreSQL',
      'MB',
      of((one) => one.postgresMb),
      memory,
    ),
    judge(
      'table live',
      'MB',
      of((one) => one.sizes.live),
      table,
    ),
    judge(
      'indexes of live',
      'MB',
      of((one) => one.sizes.liveIndexes),
      table,
    ),
    judge(
      'lane with indexes',
      'MB',
      of((one) => one.sizes.lane),
      table,
    ),
    judge('history for a message', 'bytes', bytesPerMessage(samples), { share: 0.15, amount: 0 }),
    judge(
      '202, p99',
      'ms',
      of((one) => one.acceptMs.p99),
      latency,
    ),
    judge(
      '202 to first request, p99',
      'ms',
      of((one) => one.deliverMs.p99),
      latency,
    ),
    judge(
      'event loop lag, p99',
      'ms',
      of((one) => one.loopLagMs),
      latency,
    ),
  ].filter((verdict) => verdict !== null);
}

/** What of a finished run breaks a promise. */
export function problemsOf(result: Omit<SoakResult, 'problems'>): string[] {
  const { troubled, oldDays, lost, duplicates, auditFindings, verdicts, refused, accepted } = result;
  const problems: string[] = [];
  const must = (holds: boolean, problem: string): void => void (holds || problems.push(problem));
  must(accepted > 0, 'nothing was accepted');
  must(lost === 0, `${lost} acknowledged messages never arrived`);
  must(duplicates === 0, `${duplicates} requests for messages that had arrived, and nothing was broken`);
  must(refused === 0, `${refused} messages were refused`);
  must(troubled.open === 0, `${troubled.open} deliveries to the troubled endpoint are still open`);
  const ended = troubled.succeeded + troubled.dead;
  must(ended === troubled.accepted, `${troubled.accepted} for the troubled endpoint, ${ended} ended`);
  must(oldDays.droppedWithWork === 0, `${oldDays.droppedWithWork} days were dropped with work in them`);
  must(oldDays.overdue === 0, `${oldDays.overdue} days that are too old were not dropped`);
  must(auditFindings === 0, `the auditor found ${auditFindings}`);
  for (const { series, unit, first, last, limit, isFlat } of verdicts)
    must(
      isFlat,
      `${series} rose from ${first.toFixed(1)} to ${last.toFixed(1)} ${unit}; ${limit.toFixed(1)} is allowed`,
    );
  return problems;
}
