import { Client } from 'pg';
import type { LoadOperations, LoadPlan, LoadResult } from './load.ts';
import type { Parts } from './measure.ts';
import { type BenchNode, openPlace, type Place } from './place.ts';
import type { Arrivals, ReceiverOperations } from './receiver.ts';
import { readPostmaster } from './server.ts';
import { countLost } from './statistics.ts';
import { Worker } from './worker.ts';

/** Receivers and a load generator, beside any number of servers. */
export interface Bed {
  readonly generator: Worker<LoadOperations, undefined>;
  /** Answers 200 at once. */
  readonly receiver: Worker<ReceiverOperations, number>;
  /** Never answers. */
  readonly hanging: Worker<ReceiverOperations, number>;
  /** A `posthorn start` with a database of its own. */
  server(settings?: Readonly<Record<string, string>>): Promise<BedServer>;
  /** Windows of sequence numbers never overlap. */
  nextSequence: number;
  stop(): Promise<void>;
}

/** One server of a bed. */
export interface BedServer {
  readonly place: Place;
  readonly node: BenchNode;
  readonly database: Client;
  readonly parts: Parts;
  /** An application with one endpoint. */
  customer(target: number): Promise<Customer>;
}

export interface Customer {
  readonly application: string;
  readonly endpoint: string;
}

const file = (name: string): URL => new URL(name, import.meta.url);

/** Starts what every measurement needs. All of it ends with `stop`. */
export async function openBed(): Promise<Bed> {
  const ends: (() => Promise<void>)[] = [];
  const stop = async (): Promise<void> => {
    process.off('SIGINT', interrupted);
    process.off('SIGTERM', interrupted);
    for (const end of ends.splice(0).toReversed()) await end();
  };
  const interrupted = (): void => void stop().finally(() => process.exit(130));
  process.once('SIGINT', interrupted);
  process.once('SIGTERM', interrupted);
  const begin = async <Part extends { stop(): Promise<void> }>(part: Promise<Part>): Promise<Part> => {
    const started = await part;
    ends.push(() => started.stop());
    return started;
  };
  try {
    const generator = await begin(Worker.start<LoadOperations, undefined>(file('load.ts'), {}));
    const receiver = await begin(Worker.start<ReceiverOperations, number>(file('receiver.ts'), {}));
    const hanging = await begin(
      Worker.start<ReceiverOperations, number>(file('receiver.ts'), { hangs: true }),
    );
    const server = async (settings: Readonly<Record<string, string>> = {}): Promise<BedServer> => {
      const place = await begin(openPlace({ onSignal: 'leave' }));
      const node = await place.start(settings);
      const database = new Client({ connectionString: await place.databaseUrl() });
      await database.connect();
      ends.push(() => database.end());
      const postmaster = (await readPostmaster(place.dataDir)).pid;
      return {
        place,
        node,
        database,
        parts: { node: node.child.pid!, postmaster, generator: generator.pid, receiver: receiver.pid },
        customer: async (target) => {
          const { id } = (await place.call(node, '/app', { name: 'Bench' })) as { id: string };
          const url = `http://127.0.0.1:${target}/`;
          const made = (await place.call(node, `/app/${id}/endpoint`, { url })) as { id: string };
          return { application: id, endpoint: made.id };
        },
      };
    };
    return { generator, receiver, hanging, server, nextSequence: 1, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** What is posted to some applications in turns, in one measurement. */
export interface Offer {
  readonly applications: readonly string[];
  readonly connections: number;
  /** Messages a second; undefined: as many as are answered. */
  readonly rate: number | undefined;
  /** Most messages. */
  readonly capacity: number;
}

/** What became of an offer: the arrivals of its own window of sequence numbers. */
export interface Outcome {
  readonly load: LoadResult;
  readonly counts: Uint8Array;
  readonly atMs: Float64Array;
  readonly lost: number;
}

/**
 * Posts all offers at once to one server and waits until what was acknowledged has arrived. Offers that
 * nobody answers come last and are not waited for.
 *
 * @param unanswered How many of the offers those are.
 */
export async function post(
  bed: Bed,
  server: BedServer,
  offers: readonly Offer[],
  options: {
    readonly durationMs: number;
    readonly drainMs: number;
    readonly seed: number;
    readonly unanswered?: number;
  },
): Promise<{ readonly outcomes: readonly Outcome[]; readonly arrivals: Arrivals }> {
  const firstSequence = bed.nextSequence;
  const capacity = offers.reduce((sum, offer) => sum + offer.capacity, 0);
  bed.nextSequence += capacity;
  await bed.receiver.call('open', { firstSequence, capacity, times: true, signatures: undefined });
  let next = firstSequence;
  const plans = offers.map((offer): LoadPlan => {
    const plan = {
      ...offer,
      port: server.node.port,
      application: '',
      token: server.place.token,
      batch: 1,
      keys: false,
      durationMs: options.durationMs,
      firstSequence: next,
      salt: options.seed,
      times: true,
    };
    next += offer.capacity;
    return plan;
  });
  const loads = await Promise.all(plans.map((plan) => bed.generator.call('run', plan)));
  const answered = loads.slice(0, loads.length - (options.unanswered ?? 0));
  const count = answered.reduce((sum, { accepted }) => sum + accepted, 0);
  if (count === 0) throw new Error(`nothing was accepted; first answer: ${loads[0]?.firstRefusal ?? 'none'}`);
  await bed.receiver.call('reached', { count, timeoutMs: options.drainMs });
  const arrivals = await bed.receiver.call('report', undefined);
  const outcomes = loads.map((load, n): Outcome => {
    const from = plans[n]!.firstSequence - firstSequence;
    const counts = arrivals.counts.subarray(from, from + offers[n]!.capacity);
    const atMs = arrivals.atMs!.subarray(from, from + offers[n]!.capacity);
    return { load, counts, atMs, lost: n < answered.length ? countLost(load.acknowledged, counts) : 0 };
  });
  return { outcomes, arrivals };
}

/** Milliseconds from sending to arrival of what was acknowledged and has arrived. */
export function delays({ load, counts, atMs }: Outcome): Float64Array {
  const found: number[] = [];
  for (const [index, yes] of load.acknowledged.entries())
    if (yes === 1 && counts[index]! > 0) found.push(atMs[index]! - load.sentAtMs![index]!);
  return Float64Array.from(found);
}
