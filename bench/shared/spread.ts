import type { LoadOperations, LoadPlan } from './load.ts';
import type { ReceiverOperations } from './receiver.ts';
import { countLost } from './statistics.ts';
import { Worker } from './worker.ts';

/** Where messages of one application are posted. */
export interface Target {
  readonly port: number;
  readonly application: string;
  readonly token: string;
}

/** A generator and a receiver for loads on several targets at once. */
export interface SpreadLoad {
  /** The receiver's port. */
  readonly port: number;
  /**
   * Puts a closed loop on all targets, waits until everything has arrived and `settle` has nothing to say, and
   * throws where something is missing.
   *
   * @returns Messages a second, from the first request to the last arrival.
   */
  measure(
    targets: readonly Target[],
    durationMs: number,
    settle: () => Promise<string | undefined>,
  ): Promise<number>;
  stop(): Promise<void>;
}

/** With one endpoint alone, one owner would do all the work. */
export const APPLICATIONS = 16;
export const DRAIN_MS = 30_000;
const CONNECTIONS = 8;
const PER_SECOND_AT_MOST = 60_000;

/** Starts both; the caller stops them. */
export async function startSpreadLoad(): Promise<SpreadLoad> {
  const file = (name: string): URL => new URL(name, import.meta.url);
  const receiver = await Worker.start<ReceiverOperations, number>(file('receiver.ts'), {});
  const generator = await Worker.start<LoadOperations, undefined>(file('load.ts'), {});
  let nextSequence = 1;
  return {
    port: receiver.ready,
    measure: async (targets, durationMs, settle) => {
      const each = Math.ceil((PER_SECOND_AT_MOST * durationMs) / 1000 / targets.length);
      const firstSequence = nextSequence;
      const capacity = each * targets.length;
      nextSequence += capacity;
      await receiver.call('open', { firstSequence, capacity, times: false, signatures: undefined });
      const plans = targets.map(({ port, application, token }, n): LoadPlan => ({
        port,
        application,
        token,
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
      const open = await settle();
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
    },
    stop: async () => {
      await generator.stop();
      await receiver.stop();
    },
  };
}
