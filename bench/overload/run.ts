import { setTimeout as sleep } from 'node:timers/promises';
import { type BedServer, delays, openBed, type Outcome, post } from '../shared/bed.ts';
import { machine } from '../shared/machine.ts';
import { memory } from '../shared/measure.ts';
import { monotonicMs } from '../shared/monotonic.ts';
import { median, percentile } from '../shared/statistics.ts';

export interface OverloadOptions {
  /** How long three times the capacity is offered. */
  readonly seconds: number;
  readonly seed: number;
  readonly log: (line: string) => void;
}

/** One stretch of load. */
export interface Phase {
  readonly offeredPerSecond: number;
  readonly acceptedPerSecond: number;
  readonly accepted: number;
  /** By status: refusals. */
  readonly refused: Readonly<Record<string, number>>;
  readonly refusedWithoutRetryAfter: number;
  readonly refusalMs: { readonly p50: number; readonly p99: number };
  readonly sentToDeliveredMs: { readonly p50: number; readonly p99: number };
  /** From the last answer until all had arrived. */
  readonly drainMs: number;
  readonly lost: number;
  readonly duplicates: number;
}

export interface OverloadResult {
  /** Accepted and delivered a second, nobody else asking. */
  readonly capacity: number;
  readonly threefold: Phase;
  readonly spike: Phase;
  /** Memory of the server in the last third of the threefold load, to that in the second. */
  readonly rssRatio: number;
  /** The most. */
  readonly rssMb: { readonly capacity: number; readonly threefold: number; readonly spike: number };
  readonly acknowledged: number;
  readonly lost: number;
  readonly seed: number;
  readonly machine: Readonly<Record<string, string | number>>;
}

const CUSTOMERS = 16;
const CAPACITY_SECONDS = 8;
const SPIKE_SECONDS = 8;
const CAPACITY_CONNECTIONS = 64;
/** So many requests under way that the bytes that a server takes at once are not enough. */
const OVERLOAD_CONNECTIONS = 1_500;
const MAX_PENDING = 1_048_576;
const MOST_PER_SECOND = 40_000;
const DRAIN_MS = 120_000;
const SAMPLE_MS = 500;

/** The memory of the server from now on, in MB, until it is stopped. */
function watchMemory(server: BedServer): { stop(): Promise<readonly number[]> } {
  const samples: number[] = [];
  let isStopped = false;
  const watching = (async () => {
    while (!isStopped) {
      samples.push(memory(server.parts).nodeMb);
      await sleep(SAMPLE_MS);
    }
  })();
  return {
    stop: async () => {
      isStopped = true;
      await watching;
      return samples;
    },
  };
}

/** The median of the last third to that of the second: 1 is flat. The first is what it takes to get there. */
function growth(samples: readonly number[]): number {
  const third = Math.floor(samples.length / 3);
  return median(samples.slice(2 * third)) / median(samples.slice(third, 2 * third));
}

function phaseOf(outcome: Outcome, offeredPerSecond: number, doneAtMs: number): Phase {
  const { load, counts } = outcome;
  const times = delays(outcome);
  return {
    offeredPerSecond,
    acceptedPerSecond: (load.accepted / (load.endedAtMs - load.startedAtMs)) * 1000,
    accepted: load.accepted,
    refused: load.refusedByStatus,
    refusedWithoutRetryAfter: load.refusedForGood,
    refusalMs: { p50: percentile(load.refusalMs, 0.5), p99: percentile(load.refusalMs, 0.99) },
    sentToDeliveredMs: { p50: percentile(times, 0.5), p99: percentile(times, 0.99) },
    drainMs: Math.max(0, doneAtMs - load.endedAtMs),
    lost: outcome.lost,
    duplicates: counts.reduce((sum, count) => sum + Math.max(0, count - 1), 0),
  };
}

/** What becomes of more than the server can take. */
export async function runOverload(options: OverloadOptions): Promise<OverloadResult> {
  const { log, seed } = options;
  const bed = await openBed();
  try {
    const server = await bed.server({ POSTHORN_MAX_PENDING: String(MAX_PENDING) });
    const applications: string[] = [];
    while (applications.length < CUSTOMERS)
      applications.push((await server.customer(bed.receiver.ready)).application);
    const load = async (seconds: number, rate: number | undefined, connections: number) => {
      const watch = watchMemory(server);
      const capacity = Math.ceil(seconds * Math.min(rate ?? MOST_PER_SECOND, MOST_PER_SECOND)) + connections;
      const offer = { applications, connections, rate, capacity };
      const { outcomes, arrivals } = await post(bed, server, [offer], {
        durationMs: seconds * 1000,
        drainMs: DRAIN_MS,
        seed,
      });
      const outcome = outcomes[0]!;
      const offered = rate ?? outcome.load.sent / seconds;
      const samples = await watch.stop();
      const phase = phaseOf(outcome, offered, arrivals.lastAtMs);
      return { phase, samples, rssMb: Math.max(...samples), arrivals };
    };
    await load(2, undefined, CAPACITY_CONNECTIONS);
    const startedAtMs = monotonicMs();
    const alone = await load(CAPACITY_SECONDS, undefined, CAPACITY_CONNECTIONS);
    const capacity = (alone.phase.accepted / (alone.arrivals.lastAtMs - startedAtMs)) * 1000;
    log(`capacity: ${capacity.toFixed()} messages/s, ${alone.rssMb.toFixed()} MB`);
    const threefold = await load(options.seconds, 3 * capacity, OVERLOAD_CONNECTIONS);
    log(`three times that: ${threefold.phase.acceptedPerSecond.toFixed()} messages/s accepted`);
    const spike = await load(SPIKE_SECONDS, 10 * capacity, OVERLOAD_CONNECTIONS);
    log(`ten times that: ${spike.phase.acceptedPerSecond.toFixed()} messages/s accepted`);
    const phases = [alone.phase, threefold.phase, spike.phase];
    return {
      capacity,
      threefold: threefold.phase,
      spike: spike.phase,
      rssRatio: growth(threefold.samples),
      rssMb: { capacity: alone.rssMb, threefold: threefold.rssMb, spike: spike.rssMb },
      acknowledged: phases.reduce((sum, { accepted }) => sum + accepted, 0),
      lost: phases.reduce((sum, { lost }) => sum + lost, 0),
      seed,
      machine: machine(),
    };
  } finally {
    await bed.stop();
  }
}

/** The result for people. */
export function overloadText(result: OverloadResult): string {
  const row = (name: string, phase: Phase, rssMb: number): string => {
    const refused = Object.entries(phase.refused).map(([status, count]) => `${count} x ${status}`);
    return [
      `${name}: ${phase.offeredPerSecond.toFixed()}/s offered, ${phase.acceptedPerSecond.toFixed()}/s accepted, ${rssMb.toFixed()} MB`,
      `  refused: ${refused.join(', ') || 'none'}; ${phase.refusedWithoutRetryAfter} without Retry-After; p50 ${phase.refusalMs.p50.toFixed(1)} p99 ${phase.refusalMs.p99.toFixed(1)} ms`,
      `  sent to delivered p50 ${phase.sentToDeliveredMs.p50.toFixed()} p99 ${phase.sentToDeliveredMs.p99.toFixed()} ms; all delivered ${phase.drainMs.toFixed()} ms after the last answer; ${phase.duplicates} duplicates`,
    ].join('\n');
  };
  return [
    `capacity: ${result.capacity.toFixed()} messages/s, ${result.rssMb.capacity.toFixed()} MB`,
    row('three times that', result.threefold, result.rssMb.threefold),
    row('ten times that', result.spike, result.rssMb.spike),
    `memory in the last third of the threefold load: ${result.rssRatio.toFixed(2)} of that in the second`,
    `${result.acknowledged} messages acknowledged, ${result.lost} lost; seed ${result.seed}`,
    '',
  ].join('\n');
}
