import { type Bed, type BedServer, type Customer, openBed, post } from '../shared/bed.ts';
import { machine } from '../shared/machine.ts';
import { type Memory, memory } from '../shared/measure.ts';
import { shuffled } from '../shared/order.ts';
import { median } from '../shared/statistics.ts';
import { fill } from './fill.ts';

/** What waits before anything is measured, for how many blocked endpoints. */
const cases = {
  none: { waiting: 0, endpoints: 1 },
  one100k: { waiting: 100_000, endpoints: 1 },
  one1M: { waiting: 1_000_000, endpoints: 1 },
  spread1M: { waiting: 1_000_000, endpoints: 500 },
} as const;
type Case = keyof typeof cases;
const names = Object.keys(cases) as Case[];

export interface BacklogOptions {
  readonly seconds: number;
  readonly rounds: number;
  readonly seed: number;
  readonly log: (line: string) => void;
}

interface Figures {
  readonly perSecond: number;
  readonly memory: Memory;
}

export interface BacklogResult {
  /** Throughput and memory of the server with a million waiting for one blocked endpoint, to those of the one with none: the median. */
  readonly throughputRatio1M: number;
  readonly rssRatio1M: number;
  /** The same with 100,000, and with a million spread over many endpoints. */
  readonly throughputRatio100k: number;
  readonly rssRatio100k: number;
  readonly throughputRatioSpread1M: number;
  readonly rssRatioSpread1M: number;
  readonly rounds: readonly Readonly<Record<Case, Figures>>[];
  readonly acknowledged: number;
  readonly lost: number;
  readonly seed: number;
  readonly machine: Readonly<Record<string, string | number>>;
}

const HEALTHY = 16;
const CONNECTIONS = 64;
const MOST_PER_SECOND = 60_000;
const DRAIN_MS = 30_000;
const WARM_UP_SECONDS = 2;
const STOP_BEGINNING_MS = 230_000;

interface Side {
  readonly server: BedServer;
  readonly healthy: readonly Customer[];
}

/** A server of its own for each case: they take turns, and nothing has to be cleared between. */
async function prepare(bed: Bed, { waiting, endpoints }: (typeof cases)[Case]): Promise<Side> {
  const server = await bed.server();
  const make = async (count: number): Promise<Customer[]> => {
    const made: Customer[] = [];
    while (made.length < count) made.push(await server.customer(bed.receiver.ready));
    return made;
  };
  const healthy = await make(HEALTHY);
  const blocked = await make(endpoints);
  for (const { application, endpoint } of blocked)
    await server.place.call(server.node, `/app/${application}/endpoint/${endpoint}/pause`, {});
  await fill(server.database, blocked, waiting);
  return { server, healthy };
}

async function measure(bed: Bed, { server, healthy }: Side, seconds: number, seed: number) {
  const offer = {
    applications: healthy.map(({ application }) => application),
    connections: CONNECTIONS,
    rate: undefined,
    capacity: seconds * MOST_PER_SECOND,
  };
  const durationMs = seconds * 1000;
  const { outcomes, arrivals } = await post(bed, server, [offer], { durationMs, drainMs: DRAIN_MS, seed });
  const { load, lost } = outcomes[0]!;
  const windowMs = arrivals.lastAtMs - load.startedAtMs;
  const perSecond = (load.accepted / windowMs) * 1000;
  return { perSecond, memory: memory(server.parts), accepted: load.accepted, lost };
}

/** What deliveries that wait for blocked endpoints cost those that do not. */
export async function runBacklog(options: BacklogOptions): Promise<BacklogResult> {
  const startedAt = performance.now();
  const bed = await openBed();
  try {
    const sides = new Map<Case, Side>();
    for (const name of names) {
      sides.set(name, await prepare(bed, cases[name]));
      options.log(`${name}: ${cases[name].waiting} wait for ${cases[name].endpoints} endpoints`);
    }
    for (const side of sides.values()) await measure(bed, side, WARM_UP_SECONDS, options.seed);
    const rounds: Record<Case, Awaited<ReturnType<typeof measure>>>[] = [];
    while (rounds.length < options.rounds && performance.now() - startedAt < STOP_BEGINNING_MS) {
      const round: Partial<(typeof rounds)[number]> = {};
      for (const name of shuffled(names, options.seed + rounds.length)) {
        round[name] = await measure(bed, sides.get(name)!, options.seconds, options.seed);
        options.log(
          `round ${rounds.length + 1}, ${name}: ${round[name].perSecond.toFixed()} messages/s, Node ${round[name].memory.nodeMb.toFixed()} MB, PostgreSQL ${round[name].memory.postgresMb.toFixed()} MB`,
        );
      }
      rounds.push(round as (typeof rounds)[number]);
    }
    const throughput = (name: Case): number =>
      median(rounds.map((round) => round[name].perSecond / round.none.perSecond));
    const rss = (name: Case): number =>
      median(rounds.map((round) => round[name].memory.nodeMb / round.none.memory.nodeMb));
    const all = rounds.flatMap((round) => Object.values(round));
    return {
      throughputRatio1M: throughput('one1M'),
      rssRatio1M: rss('one1M'),
      throughputRatio100k: throughput('one100k'),
      rssRatio100k: rss('one100k'),
      throughputRatioSpread1M: throughput('spread1M'),
      rssRatioSpread1M: rss('spread1M'),
      rounds,
      acknowledged: all.reduce((sum, { accepted }) => sum + accepted, 0),
      lost: all.reduce((sum, { lost }) => sum + lost, 0),
      seed: options.seed,
      machine: machine(),
    };
  } finally {
    await bed.stop();
  }
}

/** The result for people. */
export function backlogText(result: BacklogResult): string {
  const row = (name: Case, throughput: number, rss: number): string => {
    const { waiting, endpoints } = cases[name];
    const perSecond = median(result.rounds.map((round) => round[name].perSecond));
    const nodeMb = median(result.rounds.map((round) => round[name].memory.nodeMb));
    return `${String(waiting).padStart(8)}${String(endpoints).padStart(11)}${perSecond.toFixed().padStart(12)}${throughput.toFixed(2).padStart(9)}${nodeMb.toFixed().padStart(9)}${rss.toFixed(2).padStart(9)}`;
  };
  return [
    ' waiting  endpoints  messages/s  of none  Node MB  of none',
    row('none', 1, 1),
    row('one100k', result.throughputRatio100k, result.rssRatio100k),
    row('one1M', result.throughputRatio1M, result.rssRatio1M),
    row('spread1M', result.throughputRatioSpread1M, result.rssRatioSpread1M),
    '',
    `${result.acknowledged} messages acknowledged, ${result.lost} lost; ${result.rounds.length} rounds; seed ${result.seed}`,
    '',
  ].join('\n');
}
