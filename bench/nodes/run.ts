import { openPool } from '../shared/pool.ts';
import { startSpreadLoad } from '../shared/spread.ts';
import { percentile } from '../shared/statistics.ts';
import { type Changes, measureChanges } from './changes.ts';

/** Deliveries a second of one pool: the median of the rounds. */
export interface Throughput {
  readonly processes: number;
  readonly perSecond: number;
  readonly rounds: readonly number[];
}

export interface NodesResult {
  readonly throughput: readonly Throughput[];
  readonly changes: Changes;
}

const POOLS = [1, 2, 4];
const WARM_UP_MS = 1_000;

async function measurePool(processes: number, seconds: number): Promise<number> {
  const load = await startSpreadLoad();
  const pool = await openPool(processes, load.port);
  try {
    await load.measure(pool.targets, WARM_UP_MS, pool.settle);
    return await load.measure(pool.targets, seconds * 1000, pool.settle);
  } finally {
    await pool.stop();
    await load.stop();
  }
}

/** Everything that several processes on one database are asked about. */
export async function runNodes(options: {
  readonly seconds: number;
  readonly rounds: number;
  readonly log: (line: string) => void;
}): Promise<NodesResult> {
  const measured: { processes: number; perSecond: number }[] = [];
  for (let round = 0; round < options.rounds; round++) {
    for (const processes of POOLS) {
      const perSecond = await measurePool(processes, options.seconds);
      measured.push({ processes, perSecond });
      options.log(`${processes} processes: ${perSecond.toFixed()} messages/s`);
    }
  }
  const throughput = POOLS.map((processes): Throughput => {
    const perSecond = measured.filter((one) => one.processes === processes).map((one) => one.perSecond);
    return { processes, perSecond: percentile(Float64Array.from(perSecond), 0.5), rounds: perSecond };
  });
  return { throughput, changes: await measureChanges(options.log) };
}

const seconds = (times: readonly number[]): string =>
  [...times]
    .sort((a, b) => a - b)
    .map((time) => (time / 1000).toFixed(2))
    .join(' ');

/** The result for people. */
export function nodesText({ throughput, changes }: NodesResult): string {
  const one = throughput[0]!.perSecond;
  return [
    'processes  messages/s  of one  rounds',
    ...throughput.map(
      ({ processes, perSecond, rounds }) =>
        `${String(processes).padStart(9)}  ${perSecond.toFixed().padStart(10)}  ${(perSecond / one).toFixed(2).padStart(6)}  ${rounds.map((each) => each.toFixed()).join(' ')}`,
    ),
    '',
    `clean leave, until its endpoints get what is posted then: ${seconds(changes.leaveMs)} s`,
    `kill -9, the same: ${seconds(changes.killMs)} s`,
    `202 to delivered, accepted by the owner: p50 ${changes.ownMs.p50.toFixed(1)} p99 ${changes.ownMs.p99.toFixed(1)} ms`,
    `202 to delivered, accepted by another node, found: p50 ${changes.foundMs.p50.toFixed(1)} p99 ${changes.foundMs.p99.toFixed(1)} ms`,
    `202 to delivered, accepted by another node, told: p50 ${changes.toldMs.p50.toFixed(1)} p99 ${changes.toldMs.p99.toFixed(1)} ms`,
    '',
  ].join('\n');
}
