import type { LoadOperations, LoadPlan, LoadResult } from '../shared/load.ts';
import { type CpuSnapshot, cpuSnapshot } from '../shared/measure.ts';
import { monotonicMs } from '../shared/monotonic.ts';
import type { Arrivals, ReceiverOperations } from '../shared/receiver.ts';
import { countLost, percentile } from '../shared/statistics.ts';
import { partsOf, type Subject } from './subject.ts';
import type { Worker } from '../shared/worker.ts';

/** Generator and receiver, shared by all subjects of a run. */
export interface Surroundings {
  readonly generator: Worker<LoadOperations, undefined>;
  readonly receiver: Worker<ReceiverOperations, number>;
  /** The next unused sequence number: windows of two rounds never overlap. */
  nextSequence: number;
}

/** What is done to a subject in one measurement. */
export interface LoadShape {
  readonly batch: number;
  readonly keys: boolean;
  readonly connections: number;
  readonly durationMs: number;
  readonly rate: number | undefined;
}

/** One measurement. Times in ms, CPU in µs per delivered message, shares of one core. */
export interface Measurement {
  readonly subject: string;
  readonly accepted: number;
  readonly delivered: number;
  readonly perSecond: number;
  readonly windowMs: number;
  /** From the last arrival until nothing was open in the subject any more. */
  readonly settleMs: number;
  readonly cpuUs: { readonly node: number; readonly postgres: number };
  readonly cores: {
    readonly node: number;
    readonly postgres: number;
    readonly generator: number;
    readonly receiver: number;
  };
  readonly statementsPerMessage: number | undefined;
  readonly transactionsPerMessage: number | undefined;
  readonly latencyMs: Latency | undefined;
  readonly lost: number;
  readonly duplicates: number;
  readonly signaturesChecked: number;
  readonly refusedByStatus: Readonly<Record<string, number>>;
  readonly lateSends: number;
  /** Why the round does not count, or undefined. */
  readonly void: string | undefined;
}

export interface Latency {
  readonly rate: number;
  /** From the 202 at the generator to the arrival at the receiver; 0 where it came earlier. */
  readonly acceptToDelivered: { readonly p50: number; readonly p99: number };
  /** From sending the POST to the arrival at the receiver. */
  readonly sendToDelivered: { readonly p50: number; readonly p99: number };
}

/** Below this share of a core the load was the limit, not the subject. */
const leastShareOfCore = 0.9;
const drainTimeoutMs = 15_000;
/** Far above what two cores deliver; bounds the receiver's arrays. */
const mostPerSecond = 150_000;

/** Puts one load on one subject, waits until everything has arrived, and checks that it has. */
export async function measureRound(
  around: Surroundings,
  subject: Subject,
  shape: LoadShape,
): Promise<Measurement> {
  const capacity = Math.ceil((shape.durationMs / 1000) * (shape.rate ?? mostPerSecond)) + shape.batch;
  const times = shape.rate !== undefined;
  const firstSequence = around.nextSequence;
  around.nextSequence += capacity;
  await around.receiver.call('open', {
    firstSequence,
    capacity,
    times,
    signatures: { every: 997, secret: subject.secret },
  });
  const plan: LoadPlan = {
    port: subject.port,
    application: subject.application,
    token: subject.token,
    salt: process.pid,
    ...shape,
    firstSequence,
    capacity,
    times,
  };
  const parts = () => partsOf(subject, around.generator.pid, around.receiver.pid);
  const storeBefore = await subject.storeCounters();
  const before = cpuSnapshot(parts());
  const load = await around.generator.call('run', plan);
  await around.receiver.call('reached', { count: load.accepted, timeoutMs: drainTimeoutMs });
  const drainedAtMs = monotonicMs();
  const open = await subject.settle(drainTimeoutMs);
  const settleMs = monotonicMs() - drainedAtMs;
  const after = cpuSnapshot(parts());
  const storeAfter = await subject.storeCounters();
  const arrivals = await around.receiver.call('report', undefined);
  const proof = prove(subject, load, arrivals, open);

  const delivered = load.accepted;
  const windowMs = arrivals.lastAtMs - load.startedAtMs;
  const spentMs = (part: keyof CpuSnapshot): number => after[part] - before[part];
  const share = (part: keyof CpuSnapshot): number => spentMs(part) / (after.atMs - before.atMs);
  const perMessage = (key: 'statements' | 'transactions'): number | undefined =>
    storeBefore === undefined || storeAfter === undefined
      ? undefined
      : (storeAfter[key] - storeBefore[key]) / delivered;
  return {
    subject: subject.name,
    accepted: load.accepted,
    delivered,
    perSecond: (delivered / windowMs) * 1000,
    windowMs,
    settleMs,
    cpuUs: {
      node: (spentMs('node') / delivered) * 1000,
      postgres: (spentMs('postgres') / delivered) * 1000,
    },
    cores: {
      node: share('node'),
      postgres: share('postgres'),
      generator: share('generator'),
      receiver: share('receiver'),
    },
    statementsPerMessage: perMessage('statements'),
    transactionsPerMessage: perMessage('transactions'),
    latencyMs: shape.rate === undefined ? undefined : latency(shape.rate, load, arrivals),
    lost: proof.lost,
    duplicates: proof.duplicates,
    signaturesChecked: arrivals.signaturesChecked,
    refusedByStatus: load.refusedByStatus,
    lateSends: load.late,
    void: shape.rate === undefined ? voidReason(share('node'), share('starved')) : undefined,
  };
}

/**
 * Why a throughput round does not count, given the share of a core that the
 * subject used and the share of the time that it waited for a processor.
 */
export function voidReason(nodeShare: number, starvedShare: number): string | undefined {
  if (nodeShare >= leastShareOfCore) return undefined;
  const percent = (share: number): string => `${Math.round(share * 100)} %`;
  const cause =
    nodeShare + starvedShare >= leastShareOfCore
      ? `it waited for a processor ${percent(starvedShare)} of the time: the machine is busy with something else`
      : 'the load was the limit';
  return `the process under test used ${percent(nodeShare)} of a core (less than 90 %); ${cause}`;
}

/** Throws unless every acknowledged message arrived, correctly signed, and nothing stayed open. */
function prove(
  subject: Subject,
  load: LoadResult,
  arrivals: Arrivals,
  open: string | undefined,
): { lost: number; duplicates: number } {
  const fail = (what: string): never => {
    throw new Error(`${subject.name}: ${what}`);
  };
  if (load.accepted === 0) {
    fail(`accepted no message; first answer: ${load.firstRefusal ?? 'none at all'}`);
  }
  const lost = countLost(load.acknowledged, arrivals.counts);
  if (lost > 0) fail(`${lost} of ${load.accepted} acknowledged messages never arrived`);
  if (arrivals.signatureProblems.length > 0) fail(arrivals.signatureProblems[0] ?? '');
  if (arrivals.signaturesChecked === 0) fail('no signature was checked');
  if (open !== undefined) fail(`after the round, ${open}`);
  const duplicates = arrivals.counts.reduce((sum, count) => sum + Math.max(0, count - 1), 0);
  return { lost, duplicates };
}

function latency(rate: number, load: LoadResult, arrivals: Arrivals): Latency {
  const fromAccept: number[] = [];
  const fromSend: number[] = [];
  for (const [index, yes] of load.acknowledged.entries()) {
    const arrived = arrivals.atMs?.[index];
    const sent = load.sentAtMs?.[index];
    const accepted = load.acceptedAtMs?.[index];
    if (yes === 0 || arrived === undefined || sent === undefined || accepted === undefined) continue;
    fromSend.push(arrived - sent);
    fromAccept.push(Math.max(0, arrived - accepted));
  }
  const quantiles = (values: number[]) => {
    const array = Float64Array.from(values);
    return { p50: percentile(array, 0.5), p99: percentile(array, 0.99) };
  };
  return {
    rate,
    acceptToDelivered: quantiles(fromAccept),
    sendToDelivered: quantiles(fromSend),
  };
}
