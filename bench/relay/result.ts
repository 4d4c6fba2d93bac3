import type { Memory } from '../shared/measure.ts';
import { type CaseName, type RatioName, ratioPairs } from './plan.ts';
import type { Measurement } from './round.ts';
import type { TwoProcesses } from './two.ts';
import { pairedRatios, type Spread, spread } from '../shared/statistics.ts';

/** Figures of one case over its rounds that count. */
export interface CaseFigures {
  readonly messagesPerSecond: Spread | undefined;
  readonly cpuUsPerMessage: { readonly node: Spread | undefined; readonly postgres: Spread | undefined };
  readonly cores: Record<'node' | 'postgres' | 'generator' | 'receiver', number | undefined>;
  readonly statementsPerMessage: number | undefined;
  readonly transactionsPerMessage: number | undefined;
  readonly settleMs: number | undefined;
  readonly rounds: number;
}

/** What `--json` prints. */
export interface Result {
  readonly oneProcess: number | undefined;
  readonly batch100: number | undefined;
  readonly twoProcesses: number | undefined;
  readonly void: boolean;
  readonly voidReasons: readonly string[];
  readonly ratios: Readonly<Record<RatioName, (Spread & { readonly rounds: number }) | undefined>>;
  /**
   * The same ratios from the Node CPU per message, all rounds. Less exact about
   * what was asked, but it holds on a machine that others use too.
   */
  readonly nodeCpu: Readonly<Record<RatioName, Spread | undefined>>;
  readonly cases: Readonly<Partial<Record<CaseName, CaseFigures>>>;
  readonly latency: Readonly<Record<string, readonly Measurement[]>>;
  readonly memory: Readonly<Record<string, Memory>>;
  /** Messages a second of both sides, round by round; not measured without the durable side. */
  readonly two: TwoProcesses | undefined;
  readonly acknowledged: number;
  readonly lost: number;
  readonly duplicates: number;
  readonly rounds: readonly Readonly<Partial<Record<CaseName, Measurement>>>[];
  readonly machine: Readonly<Record<string, string | number>>;
  readonly seconds: number;
}

export type Round = Readonly<Partial<Record<CaseName, Measurement>>>;

export interface Observations {
  readonly rounds: readonly Round[];
  readonly latency: Readonly<Record<string, readonly Measurement[]>>;
  readonly memory: Readonly<Record<string, Memory>>;
  readonly two: TwoProcesses | undefined;
  readonly machine: Readonly<Record<string, string | number>>;
  readonly seconds: number;
}

/**
 * Sums up a run. Void rounds are left out of every figure. Where none of a
 * ratio's rounds counts, all are used, so that there is something to look at,
 * and the result as a whole is void.
 */
export function summarize(observed: Observations): Result {
  const reasons = new Set<string>();
  for (const [index, round] of observed.rounds.entries()) {
    for (const [name, measurement] of Object.entries(round)) {
      if (measurement.void !== undefined) {
        reasons.add(`round ${index + 1}, ${name}: ${measurement.void}`);
      }
    }
  }
  let isVoid = false;
  const ratio = (name: RatioName): (Spread & { rounds: number }) | undefined => {
    const [over, under] = ratioPairs[name];
    const rates = (key: CaseName, all: boolean) =>
      observed.rounds.map((round) => {
        const measurement = round[key];
        return measurement === undefined || (measurement.void !== undefined && !all)
          ? undefined
          : measurement.perSecond;
      });
    let values = pairedRatios(rates(over, false), rates(under, false));
    if (values.length === 0) {
      values = pairedRatios(rates(over, true), rates(under, true));
      if (values.length > 0 && (name === 'oneProcess' || name === 'batch100')) isVoid = true;
    }
    const found = spread(values);
    return found === undefined ? undefined : { ...found, rounds: values.length };
  };
  const nodeCpuRatio = (name: RatioName): Spread | undefined => {
    const [over, under] = ratioPairs[name];
    const costs = (key: CaseName) => observed.rounds.map((round) => round[key]?.cpuUs.node);
    return spread(pairedRatios(costs(under), costs(over)));
  };
  const ratios = {
    oneProcess: ratio('oneProcess'),
    batch100: ratio('batch100'),
    oneProcessWithKeys: ratio('oneProcessWithKeys'),
    oneProcessToRelayHono: ratio('oneProcessToRelayHono'),
    relayHonoToReference: ratio('relayHonoToReference'),
  };
  const nodeCpu = {
    oneProcess: nodeCpuRatio('oneProcess'),
    batch100: nodeCpuRatio('batch100'),
    oneProcessWithKeys: nodeCpuRatio('oneProcessWithKeys'),
    oneProcessToRelayHono: nodeCpuRatio('oneProcessToRelayHono'),
    relayHonoToReference: nodeCpuRatio('relayHonoToReference'),
  };
  const everything = [
    ...observed.rounds.flatMap((round) => Object.values(round)),
    ...Object.values(observed.latency).flat(),
  ];
  const sum = (key: 'accepted' | 'lost' | 'duplicates'): number =>
    everything.reduce((total, measurement) => total + measurement[key], 0);
  const names = new Set(observed.rounds.flatMap((round) => Object.keys(round) as CaseName[]));
  return {
    oneProcess: ratios.oneProcess?.median,
    batch100: ratios.batch100?.median,
    twoProcesses: observed.two?.ratio?.median,
    void: isVoid,
    voidReasons: [...reasons],
    ratios,
    nodeCpu,
    cases: Object.fromEntries([...names].map((name) => [name, figures(observed.rounds, name)])),
    latency: observed.latency,
    memory: observed.memory,
    two: observed.two,
    acknowledged: sum('accepted'),
    lost: sum('lost'),
    duplicates: sum('duplicates'),
    rounds: observed.rounds,
    machine: observed.machine,
    seconds: observed.seconds,
  };
}

function figures(rounds: readonly Round[], name: CaseName): CaseFigures {
  const all = rounds.map((round) => round[name]).filter((found) => found !== undefined);
  const valid = all.filter((measurement) => measurement.void === undefined);
  const used = valid.length > 0 ? valid : all;
  const of = (pick: (measurement: Measurement) => number | undefined): Spread | undefined =>
    spread(used.map(pick).filter((value) => value !== undefined));
  return {
    messagesPerSecond: of((one) => one.perSecond),
    cpuUsPerMessage: { node: of((one) => one.cpuUs.node), postgres: of((one) => one.cpuUs.postgres) },
    cores: {
      node: of((one) => one.cores.node)?.median,
      postgres: of((one) => one.cores.postgres)?.median,
      generator: of((one) => one.cores.generator)?.median,
      receiver: of((one) => one.cores.receiver)?.median,
    },
    statementsPerMessage: of((one) => one.statementsPerMessage)?.median,
    transactionsPerMessage: of((one) => one.transactionsPerMessage)?.median,
    settleMs: of((one) => one.settleMs)?.median,
    rounds: valid.length,
  };
}
