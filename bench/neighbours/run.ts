import { setTimeout as sleep } from 'node:timers/promises';
import { type Bed, type BedServer, type Customer, delays, openBed, post } from '../shared/bed.ts';
import { machine } from '../shared/machine.ts';
import { shuffled } from '../shared/order.ts';
import { metricValue } from '../shared/server.ts';
import { median, percentile } from '../shared/statistics.ts';

/** How many of the endpoints hang. */
const shares = { none: 0, onePercent: 0.01, half: 0.5 } as const;
type Case = keyof typeof shares;
const names = Object.keys(shares) as Case[];

export interface NeighboursOptions {
  readonly seconds: number;
  readonly rounds: number;
  /** Messages a second, over all endpoints alike. */
  readonly rate: number;
  readonly seed: number;
  readonly log: (line: string) => void;
}

export interface NeighboursResult {
  /** p99 of the healthy ones, to that of the same ones in the same round while nobody hangs: the median. */
  readonly onePercent: number;
  readonly half: number;
  readonly p50Ms: Readonly<Record<Case, number>>;
  readonly p99Ms: Readonly<Record<Case, number>>;
  readonly rounds: readonly Readonly<Record<Case, number>>[];
  readonly acknowledged: number;
  readonly lost: number;
  readonly seed: number;
  readonly machine: Readonly<Record<string, string | number>>;
}

const ENDPOINTS = 200;
/** These are healthy in every case, and theirs are the figures. */
const MEASURED = 100;
const CONNECTIONS_EACH = 32;
const TIMEOUT_SECONDS = 4;
const DRAIN_MS = 20_000;
const STOP_BEGINNING_MS = 210_000;

/** Until no attempt is under way: those that hang end by their timeout. */
async function whenQuiet({ node }: BedServer): Promise<void> {
  for (;;) {
    const text = await (await fetch(`http://127.0.0.1:${node.port}/metrics`)).text();
    if (metricValue(text, 'posthorn_attempts_in_flight') === 0) return;
    await sleep(100);
  }
}

/** Acknowledged messages that are nowhere to be found; what is stored has a row somewhere. */
async function missing({ database }: BedServer, customers: readonly Customer[], accepted: number) {
  const { rows } = await database.query<{ kept: number }>(
    `select count(*)::int as kept from message m where app_id = any ($1) and (
       exists (select from live l where l.msg_id = m.id) or exists (select from closed c where c.msg_id = m.id)
       or exists (select from attempt a where a.msg_id = m.id))`,
    [customers.map(({ application }) => application)],
  );
  return Math.max(0, accepted - rows[0]!.kept);
}

/** One case: its other endpoints are made for it and deleted after it, with all that waits for them. */
async function measure(
  bed: Bed,
  server: BedServer,
  measured: readonly Customer[],
  share: number,
  options: Pick<NeighboursOptions, 'seconds' | 'rate' | 'seed'>,
) {
  const hangingCount = Math.ceil(ENDPOINTS * share);
  const make = async (count: number, target: number): Promise<Customer[]> => {
    const made: Customer[] = [];
    while (made.length < count) made.push(await server.customer(target));
    return made;
  };
  const healthy = await make(ENDPOINTS - MEASURED - hangingCount, bed.receiver.ready);
  const hanging = await make(hangingCount, bed.hanging.ready);
  const offers = [measured, healthy, hanging]
    .filter(({ length }) => length > 0)
    .map((customers) => {
      const rate = (options.rate * customers.length) / ENDPOINTS;
      return {
        applications: customers.map(({ application }) => application),
        connections: Math.ceil(CONNECTIONS_EACH / customers.length) * customers.length,
        rate,
        capacity: Math.ceil(rate * options.seconds) + 1,
      };
    });
  const { outcomes } = await post(bed, server, offers, {
    durationMs: options.seconds * 1000,
    drainMs: DRAIN_MS,
    seed: options.seed,
    unanswered: hangingCount > 0 ? 1 : 0,
  });
  const accepted = outcomes.reduce((sum, { load }) => sum + load.accepted, 0);
  let lost = outcomes.reduce((sum, outcome) => sum + outcome.lost, 0);
  if (hangingCount > 0) lost += await missing(server, hanging, outcomes.at(-1)!.load.accepted);
  for (const { application } of [...healthy, ...hanging]) {
    const url = `http://127.0.0.1:${server.node.port}/api/v1/app/${application}`;
    await fetch(url, { method: 'DELETE', headers: { authorization: `Bearer ${server.place.token}` } });
  }
  await whenQuiet(server);
  const times = delays(outcomes[0]!);
  return { p50: percentile(times, 0.5), p99: percentile(times, 0.99), accepted, lost };
}

/** What endpoints that hang do to those that answer. */
export async function runNeighbours(options: NeighboursOptions): Promise<NeighboursResult> {
  const startedAt = performance.now();
  const bed = await openBed();
  try {
    const server = await bed.server({ POSTHORN_ATTEMPT_TIMEOUT: String(TIMEOUT_SECONDS) });
    const measured: Customer[] = [];
    while (measured.length < MEASURED) measured.push(await server.customer(bed.receiver.ready));
    await measure(bed, server, measured, shares.none, { ...options, seconds: 2 });
    const rounds: Record<Case, Awaited<ReturnType<typeof measure>>>[] = [];
    while (rounds.length < options.rounds && performance.now() - startedAt < STOP_BEGINNING_MS) {
      const round: Partial<(typeof rounds)[number]> = {};
      for (const name of shuffled(names, options.seed + rounds.length)) {
        round[name] = await measure(bed, server, measured, shares[name], options);
        options.log(
          `round ${rounds.length + 1}, ${name}: p50 ${round[name].p50.toFixed(1)} p99 ${round[name].p99.toFixed(1)} ms`,
        );
      }
      rounds.push(round as (typeof rounds)[number]);
    }
    const all = rounds.flatMap((round) => Object.values(round));
    const ratio = (name: Case): number => median(rounds.map((round) => round[name].p99 / round.none.p99));
    const medians = (key: 'p50' | 'p99') =>
      Object.fromEntries(
        names.map((name) => [name, median(rounds.map((round) => round[name][key]))]),
      ) as Record<Case, number>;
    return {
      onePercent: ratio('onePercent'),
      half: ratio('half'),
      p50Ms: medians('p50'),
      p99Ms: medians('p99'),
      rounds: rounds.map((round) => ({
        none: round.none.p99,
        onePercent: round.onePercent.p99,
        half: round.half.p99,
      })),
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
export function neighboursText(result: NeighboursResult): string {
  const row = (name: Case, ratio: number): string =>
    `${name.padEnd(12)}${result.p50Ms[name].toFixed(1).padStart(8)}${result.p99Ms[name].toFixed(1).padStart(9)}${ratio.toFixed(2).padStart(9)}  ${result.rounds.map((round) => round[name].toFixed(1)).join(' ')}`;
  return [
    'hanging       p50 ms   p99 ms  of none  p99 of each round',
    row('none', 1),
    row('onePercent', result.onePercent),
    row('half', result.half),
    '',
    `${result.acknowledged} messages acknowledged, ${result.lost} lost; seed ${result.seed}`,
    '',
  ].join('\n');
}
