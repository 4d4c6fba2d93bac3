import { execFileSync } from 'node:child_process';
import { appendFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import { type BenchNode, openPlace, type Place } from '../shared/place.ts';
import { readPostmaster } from '../shared/server.ts';
import type { LoadOperations, LoadResult } from '../shared/load.ts';
import { percentile } from '../shared/statistics.ts';
import { Worker } from '../shared/worker.ts';
import { type OldDay, type Owner, putOldDay, stillThere } from './old-days.ts';
import type { SoakOptions } from './options.ts';
import type { SoakReceiverOperations, SoakReceiverPlan } from './receiver.ts';
import { progress } from './report.ts';
import { type OldDays, problemsOf, type SoakResult, type Troubled, verdictsOf } from './result.ts';
import { readState, type Sample } from './sample.ts';
import { startTrouble } from './trouble.ts';

/** What is older than this and has no work in it must be gone: the server looks once an hour. */
const DROP_MS = 70 * 60_000;
const ARRIVE_MS = 5_000;
const DRAIN_MS = 180_000;
const CONNECTIONS = 32;
/** The load ends before it fills up a disk that is not its own. */
const LEAVE_FREE_MB = 8 * 1024;
/** A piece may have more messages than the rate says, by the load's way of catching up. */
const HEADROOM = 1.05;

const settings = {
  // Short waits, so that what is never taken ends while the run goes on.
  POSTHORN_RETRY_SCHEDULE: '1,5,15,30',
  POSTHORN_LOG_LEVEL: 'error',
};

type Percentiles = { readonly p50: number; readonly p99: number };

const percentiles = (values: Float64Array): Percentiles => ({
  p50: percentile(values, 0.5),
  p99: percentile(values, 0.99),
});

/** Milliseconds from the POST to the 202, and from there to the first request (0 where that came earlier). */
const latencies = (load: LoadResult, arrivals: Float64Array): Pick<Sample, 'acceptMs' | 'deliverMs'> => {
  const { acknowledged, sentAtMs, acceptedAtMs } = load;
  if (sentAtMs === undefined || acceptedAtMs === undefined) throw new Error('the load kept no times');
  const known = [...acknowledged.keys()].filter((index) => acknowledged[index] === 1);
  const accept = Float64Array.from(known, (index) => acceptedAtMs[index]! - sentAtMs[index]!);
  const arrived = known.filter((index) => arrivals[index]! > 0);
  const deliver = Float64Array.from(arrived, (index) => Math.max(0, arrivals[index]! - acceptedAtMs[index]!));
  return { acceptMs: percentiles(accept), deliverMs: percentiles(deliver) };
};

export class SoakRun {
  readonly #options: SoakOptions;
  readonly #log: (line: string) => void;
  readonly #samples: Sample[] = [];
  readonly #oldDays: (OldDay & { readonly putInMs: number })[] = [];
  readonly #acknowledged: Uint8Array;
  readonly #capacity: number;
  #accepted = 0;
  #refused = 0;
  #next = 0;
  #isStopping = false;

  constructor(options: SoakOptions, log: (line: string) => void) {
    this.#options = options;
    this.#log = log;
    const pieces = Math.ceil((options.hours * 3600) / options.pieceSeconds) + 1;
    this.#capacity = Math.ceil(pieces * options.rate * options.pieceSeconds * HEADROOM) + pieces;
    this.#acknowledged = new Uint8Array(this.#capacity);
  }

  /** Ends the load soon; the run concludes with what there is. */
  stop(): void {
    this.#isStopping = true;
  }

  async go(): Promise<SoakResult> {
    const ends: (() => Promise<unknown>)[] = [];
    try {
      return await this.#goWith(ends);
    } finally {
      for (const end of ends.toReversed()) await end();
    }
  }

  async #goWith(ends: (() => Promise<unknown>)[]): Promise<SoakResult> {
    const { seed } = this.#options;
    const file = (name: string): URL => new URL(name, import.meta.url);
    const receiver = await Worker.start<SoakReceiverOperations, number>(file('receiver.ts'), {
      capacity: this.#capacity,
      seed,
    } satisfies SoakReceiverPlan);
    ends.push(() => receiver.stop());
    const load = await Worker.start<LoadOperations, undefined>(file('../shared/load.ts'), {});
    ends.push(() => load.stop());
    const place = await openPlace({ onSignal: 'leave' });
    ends.push(() => place.stop());
    const node = await place.start(settings);
    const database = new Client({ connectionString: await place.databaseUrl() });
    await database.connect();
    ends.push(() => database.end());
    const steady = await makeApplication(place, node, 'Steady', `http://127.0.0.1:${receiver.ready}/steady`);
    const other = await makeApplication(
      place,
      node,
      'Troubled',
      `http://127.0.0.1:${receiver.ready}/troubled`,
    );
    const trouble = startTrouble({
      place,
      node,
      applicationId: other.applicationId,
      rate: this.#options.rate / 100,
    });
    ends.push(() => trouble.stop());

    const startedMs = performance.now();
    const seconds = (): number => (performance.now() - startedMs) / 1000;
    while (seconds() < this.#options.hours * 3600 && !this.#isStopping) {
      await this.#piece({ place, node, load, receiver, database, steady, seconds });
    }
    const ran = seconds();
    await trouble.stop();
    const drained = await this.#drain(database, receiver);
    const counts = await receiver.call('counts', undefined);
    const deliveries = await receiver.call('deliveries', undefined);
    const found = {
      seed,
      rate: this.#options.rate,
      seconds: ran,
      accepted: this.#accepted,
      refused: this.#refused,
      delivered: counts.delivered,
      lost: this.#acknowledged.reduce(
        (sum, one, index) => sum + (one === 1 && deliveries[index] === 0 ? 1 : 0),
        0,
      ),
      duplicates: counts.duplicates,
      retried: counts.failed,
      troubled: await endsOf(database, other, trouble.accepted(), drained),
      oldDays: await this.#oldDaysAfter(database),
      auditFindings: Math.max(0, ...this.#samples.map(({ findings }) => findings)),
      verdicts: verdictsOf(this.#samples),
      machine: machine(),
      samples: this.#samples,
    };
    return { ...found, problems: problemsOf(found) };
  }

  async #piece(around: {
    readonly place: Place;
    readonly node: BenchNode;
    readonly load: Worker<LoadOperations, undefined>;
    readonly receiver: Worker<SoakReceiverOperations, number>;
    readonly database: Client;
    readonly steady: Owner;
    readonly seconds: () => number;
  }): Promise<void> {
    const { place, node, load, receiver, database, steady, seconds } = around;
    const { rate, pieceSeconds, oldDaySeconds } = this.#options;
    const count = Math.min(Math.ceil(rate * pieceSeconds * HEADROOM), this.#capacity - this.#next);
    const first = this.#next;
    this.#next += count;
    if (seconds() >= this.#oldDays.length * oldDaySeconds) {
      const day = await putOldDay(database, steady, this.#oldDays.length);
      this.#oldDays.push({ ...day, putInMs: performance.now() });
    }
    await receiver.call('open', { first, count });
    const loaded = await load.call('run', {
      port: node.port,
      application: steady.applicationId,
      token: place.token,
      batch: 1,
      keys: true,
      connections: CONNECTIONS,
      durationMs: pieceSeconds * 1000,
      rate,
      firstSequence: first,
      capacity: count,
      salt: this.#options.seed,
      times: true,
    });
    this.#acknowledged.set(loaded.acknowledged, first);
    this.#accepted += loaded.accepted;
    this.#refused += loaded.sent - loaded.accepted;
    const arrivals = await arrivalsOf(receiver, loaded);
    const parts = {
      node: node.child.pid!,
      postmaster: (await readPostmaster(place.dataDir)).pid,
      generator: load.pid,
      receiver: receiver.pid,
    };
    const sample: Sample = {
      atSeconds: seconds(),
      accepted: loaded.accepted,
      acceptedInAll: this.#accepted,
      refused: loaded.sent - loaded.accepted,
      ...latencies(loaded, arrivals),
      ...(await readState(`http://127.0.0.1:${node.port}`, database, parts, place.dataDir)),
    };
    this.#samples.push(sample);
    if (sample.diskFreeMb < LEAVE_FREE_MB) {
      this.#log(`soak: the load ends here: the disk has ${sample.diskFreeMb.toFixed(0)} MB left`);
      this.stop();
    }
    if (this.#options.samples !== null) appendFileSync(this.#options.samples, `${JSON.stringify(sample)}\n`);
    this.#log(progress(sample));
  }

  /** Waits until nothing is open but what is scheduled in days of long ago. */
  async #drain(database: Client, receiver: Worker<SoakReceiverOperations, number>): Promise<boolean> {
    const giveUpAt = performance.now() + DRAIN_MS;
    const scheduled = this.#oldDays.filter(({ isHeld }) => isHeld).length;
    for (;;) {
      const { rows } = await database.query<{ open: number }>('select count(*)::int as open from live');
      const { delivered } = await receiver.call('counts', undefined);
      if (rows[0]!.open <= scheduled && delivered >= this.#accepted) return true;
      if (performance.now() > giveUpAt) return false;
      await sleep(500);
    }
  }

  async #oldDaysAfter(database: Client): Promise<OldDays> {
    const there = await stillThere(database, this.#oldDays);
    const gone = this.#oldDays.filter(({ day }) => !there.has(day));
    const isDue = ({ putInMs }: { putInMs: number }): boolean => performance.now() - putInMs > DROP_MS;
    return {
      putIn: this.#oldDays.length,
      dropped: gone.length,
      droppedWithWork: gone.filter(({ isHeld }) => isHeld).length,
      overdue: this.#oldDays.filter((one) => there.has(one.day) && !one.isHeld && isDue(one)).length,
    };
  }
}

/** Where this was measured, and of what: a commit with `+` has changes that are not committed. */
function machine(): Readonly<Record<string, string | number>> {
  const git = (...args: string[]): string => {
    try {
      return execFileSync('git', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
    } catch {
      return 'unknown';
    }
  };
  const changes = git('status', '--porcelain', '--untracked-files=no') === '' ? '' : '+';
  return {
    commit: git('rev-parse', '--short', 'HEAD') + changes,
    processors: cpus().length,
    model: cpus()[0]?.model ?? 'unknown',
    node: process.version,
  };
}

/** The arrival times of a piece, once all of it has come or a few seconds have passed. */
async function arrivalsOf(
  receiver: Worker<SoakReceiverOperations, number>,
  { acknowledged, accepted }: LoadResult,
): Promise<Float64Array> {
  const giveUpAt = performance.now() + ARRIVE_MS;
  for (;;) {
    const arrivals = await receiver.call('arrivals', undefined);
    const come = arrivals.reduce((sum, at, index) => sum + (at > 0 && acknowledged[index] === 1 ? 1 : 0), 0);
    if (come >= accepted || performance.now() > giveUpAt) return arrivals;
    await sleep(50);
  }
}

async function makeApplication(place: Place, node: BenchNode, name: string, url: string): Promise<Owner> {
  const { id: applicationId } = (await place.call(node, '/app', { name })) as { id: string };
  const { id: endpointId } = (await place.call(node, `/app/${applicationId}/endpoint`, { url })) as {
    id: string;
  };
  return { applicationId, endpointId };
}

async function endsOf(database: Client, owner: Owner, accepted: number, drained: boolean): Promise<Troubled> {
  const { rows } = await database.query<{ succeeded: number; dead: number; open: number }>(
    `select (select count(*)::int from attempt where endpoint_id = $1 and final = 'succeeded') as succeeded,
      (select count(*)::int from closed where endpoint_id = $1) as dead,
      (select count(*)::int from live where endpoint_id = $1) as open`,
    [owner.endpointId],
  );
  const row = rows[0]!;
  return { accepted, ...row, open: drained ? row.open : Math.max(1, row.open) };
}
