import type { Parts } from '../shared/measure.ts';
import type { RelayCounters, RelayOptions } from './reference-relay.ts';
import { Worker } from '../shared/worker.ts';

/** What the process under test counted about its database since it started. */
export interface StoreCounters {
  readonly statements: number;
  readonly transactions: number;
}

/** A process under test, whatever it is inside. */
export interface Subject {
  readonly name: string;
  readonly port: number;
  readonly application: string;
  readonly token: string;
  /** `whsec_…` with which the receiver verifies. */
  readonly secret: string;
  readonly pid: number;
  postmaster(): number | undefined;
  storeCounters(): Promise<StoreCounters | undefined>;
  /** Waits until nothing is open any more; says what is left when it gives up. */
  settle(timeoutMs: number): Promise<string | undefined>;
  stop(): Promise<void>;
}

/** The processes of a subject and its surroundings, for `cpuSnapshot`. */
export function partsOf(subject: Subject, generator: number, receiver: number): Parts {
  return { node: subject.pid, postmaster: subject.postmaster(), generator, receiver };
}

type RelayOperations = { counters: (argument: undefined) => RelayCounters };

/** Starts one of the relays. `token` only makes its requests as long as the others'. */
export async function startRelay(
  name: string,
  file: URL,
  options: RelayOptions,
  token: string,
): Promise<Subject> {
  const worker = await Worker.start<RelayOperations, number>(file, options);
  return {
    name,
    port: worker.ready,
    application: 'app_2mQ3kXbZ0fT9sVhLwYp1cRdNuEa',
    token,
    secret: options.secret,
    pid: worker.pid,
    postmaster: () => undefined,
    storeCounters: async () => undefined,
    settle: async (timeoutMs) => {
      const giveUpAt = performance.now() + timeoutMs;
      for (;;) {
        const { outstanding, failed } = await worker.call('counters', undefined);
        if (failed > 0) return `${failed} deliveries failed`;
        if (outstanding === 0) return undefined;
        if (performance.now() > giveUpAt) return `${outstanding} deliveries are still open`;
      }
    },
    stop: () => worker.stop(),
  };
}
