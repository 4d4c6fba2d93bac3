import { Client } from 'pg';
import { settle } from '../shared/server.ts';
import type { LoadOperations, LoadPlan } from '../shared/load.ts';
import type { ReceiverOperations } from '../shared/receiver.ts';
import { countLost, percentile } from '../shared/statistics.ts';
import { Worker } from '../shared/worker.ts';
import { type Changes, measureChanges } from './changes.ts';
import { openPlace, untilEven } from '../shared/place.ts';

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
/** Each with one endpoint: with one alone, one owner would do all the work. */
const APPLICATIONS = 16;
const CONNECTIONS = 8;
const WARM_UP_MS = 1_000;
const PER_SECOND_AT_MOST = 60_000;
const DRAIN_MS = 30_000;

async function measurePool(processes: number, seconds: number): Promise<number> {
  const file = (name: string): URL => new URL(`../shared/${name}`, import.meta.url);
  const receiver = await Worker.start<ReceiverOperations, number>(file('receiver.ts'), {});
  const generator = await Worker.start<LoadOperations, undefined>(file('load.ts'), {});
  const place = await openPlace();
  try {
    const pool = await place.start({ POSTHORN_WORKERS: String(processes) });
    const applications: string[] = [];
    for (let n = 0; n < APPLICATIONS; n++) {
      const { id } = (await place.call(pool, '/app', { name: 'Bench' })) as { id: string };
      await place.call(pool, `/app/${id}/endpoint`, { url: `http://127.0.0.1:${receiver.ready}/` });
      applications.push(id);
    }
    await untilEven(place, pool, processes);
    const database = new Client({ connectionString: await place.databaseUrl() });
    await database.connect();
    let nextSequence = 1;
    const round = async (durationMs: number): Promise<number> => {
      const each = Math.ceil((PER_SECOND_AT_MOST * durationMs) / 1000 / APPLICATIONS);
      const firstSequence = nextSequence;
      const capacity = each * APPLICATIONS;
      nextSequence += capacity;
      await receiver.call('open', { firstSequence, capacity, times: false, signatures: undefined });
      const plans = applications.map((application, n): LoadPlan => ({
        port: pool.port,
        application,
        token: place.token,
        batch: 1,
        keys: false,
        connections: CONNECTIONS,
        durationMs,
        rate: undefined,
        firstSequence: firstSequence + n * each,
        capacity: each,
        salt: process.pid,
        times: false,
      }));
      const loads = await Promise.all(plans.map((plan) => generator.call('run', plan)));
      const accepted = loads.reduce((sum, load) => sum + load.accepted, 0);
      await receiver.call('reached', { count: accepted, timeoutMs: DRAIN_MS });
      const open = await settle(database, DRAIN_MS);
      if (open !== undefined) throw new Error(`after the round, ${open}`);
      const arrivals = await receiver.call('report', undefined);
      const lost = loads.reduce(
        (sum, load, n) =>
          sum + countLost(load.acknowledged, arrivals.counts.subarray(n * each, (n + 1) * each)),
        0,
      );
      if (lost > 0) throw new Error(`${lost} of ${accepted} acknowledged messages never arrived`);
      const windowMs = arrivals.lastAtMs - Math.min(...loads.map((load) => load.startedAtMs));
      return (accepted / windowMs) * 1000;
    };
    await round(WARM_UP_MS);
    const measured = await round(seconds * 1000);
    await database.end();
    return measured;
  } finally {
    await place.stop();
    await generator.stop();
    await receiver.stop();
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
