import { setTimeout as pause } from 'node:timers/promises';
import { nowMs } from '../crash/changes.ts';
import type { Producer } from '../crash/producer.ts';
import { type Fault, must } from './fault.ts';
import { returnOf } from './herd.ts';
import type { World } from './world.ts';

const SPIKE = 10;
const SPIKE_PAUSE_MS = 120;
const MEASURE_MS = 10_000;
const PATIENCE_MS = 120_000;
/** POSTHORN_ENDPOINT_CONCURRENCY of the nodes under test: the default. */
const CEILING = 64;
/** Enough for a herd, at each of the receivers. */
const DUE = 10 * CEILING;

/** Acknowledgements a second of all producers, over so long. */
const rateOver = async (producers: readonly Producer[], ms: number): Promise<number> => {
  const count = (): number => producers.reduce((sum, producer) => sum + producer.acknowledgedAt().length, 0);
  const [before, fromMs] = [count(), nowMs()];
  await pause(ms);
  return (count() - before) / ((nowMs() - fromMs) / 1_000);
};

const spike = async (world: World): Promise<string> => {
  const { scenario } = world;
  const quiet = await rateOver(scenario.producers(), Math.min(MEASURE_MS, world.seconds * 300));
  const crowd = world.nodes.flatMap(({ port }) =>
    Array.from({ length: SPIKE - 1 }, () =>
      scenario.produce({ count: 3, pauseMs: SPIKE_PAUSE_MS, url: `http://127.0.0.1:${port}` }),
    ),
  );
  let most = 0;
  do most = Math.max(most, await rateOver(scenario.producers(), Math.min(MEASURE_MS, world.seconds * 500)));
  while (world.goesOn());
  for (const producer of crowd) await producer.finish(PATIENCE_MS);
  await world.flows();
  must(most > quiet * 2, `a spike is one: ${quiet.toFixed(0)}/s before, ${most.toFixed(0)}/s in it`);
  return `${quiet.toFixed(0)}/s, then ${most.toFixed(0)}/s`;
};

type Waiting = { readonly due: number; readonly lanes: number };

/** What could be sent this moment. */
const dueNow = async (world: World): Promise<Waiting> =>
  (
    await world.sql<Waiting>(
      `select count(*)::int as due, count(distinct endpoint_id)::int as lanes from live
        where due_at <= clock_timestamp() or state = 'held'`,
    )
  )[0]!;

const receiversDown = async (world: World): Promise<string> => {
  const { oracle } = world.scenario;
  await world.during('cut from the receivers', null, async () => {
    await world.receivers.set({ way: 'refused' });
    await oracle.until('what was on its way', () => oracle.inFlight() === 0);
  });
  const awayMs = nowMs();
  let waiting = await dueNow(world);
  while (world.goesOn() || waiting.due < DUE * waiting.lanes) {
    await pause(500);
    waiting = await dueNow(world);
  }
  const backMs = nowMs();
  must(
    oracle.requests().every(({ arrivedMs }) => arrivedMs < awayMs),
    'nothing arrives where nobody listens',
  );
  await world.receivers.set({});
  await world.flows();
  // Until the backlog is gone but for what comes in meanwhile.
  for (let left = waiting; left.due > waiting.lanes * CEILING; left = await dueNow(world)) {
    must(nowMs() < backMs + PATIENCE_MS, `the backlog goes out: ${left.due} of ${waiting.due} are due still`);
    await pause(500);
  }
  const tookMs = nowMs() - backMs;
  const requests = oracle.requests();
  const returns = [...new Set(requests.map(({ endpointId }) => endpointId))].map((id) =>
    returnOf(
      requests.filter(({ endpointId }) => endpointId === id),
      backMs,
    ),
  );
  const peak = Math.max(...returns.map((one) => one.peak));
  const unearned = Math.max(...returns.map((one) => one.unearned));
  must(peak <= CEILING, `never more than ${CEILING} at once, not ${peak}`);
  must(unearned <= 0, `each further request is earned by an answer; ${unearned} were not`);
  return `${waiting.due} due at once, gone in ${(tookMs / 1_000).toFixed(0)} s; one at first, then as many as were answered, at most ${peak} at once`;
};

export const faultsOfLoad: readonly Fault[] = [
  {
    name: 'spike',
    does: 'ten times the producers, at once, and gone again',
    world: () => ({ pauseMs: SPIKE_PAUSE_MS }),
    harm: spike,
  },
  {
    name: 'receivers-down',
    does: 'all receivers are down, and come back to a backlog all of which is due: no herd',
    // No delivery may run out of attempts meanwhile.
    world: () => ({ settings: () => ({ POSTHORN_RETRY_SCHEDULE: Array(60).fill('1').join(',') }) }),
    harm: receiversDown,
  },
];
