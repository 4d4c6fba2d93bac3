import type { Priority } from '../../src/domain/delivery.ts';
import { describe, expect, it } from 'vitest';
import type { AttemptResult } from '../../src/domain/attempt.ts';
import { answer } from './receivers.ts';
import type { Weather } from './weather.ts';
import { createWorld, type NodeOptions, type World } from './world.ts';

type Node = ReturnType<World['node']>;

const settings: NonNullable<NodeOptions['settings']> = {
  laneConcurrency: 3,
  maxInFlight: 12,
  windowRows: 12,
  windowBytes: 4_000,
  nodeRows: 60,
  nodeBytes: 12_000,
  maxUnsettled: 30,
  settleBatch: 7,
  settleBesideAt: 3,
  pollLanes: 3,
  pollRows: 20,
  pollBytes: 2_000,
  dueScanLimit: 3,
  freeRows: 5,
  unfoldRows: 2,
  reconcileMs: 1_000,
  reconcileAgeMs: 5_000,
  maxLanes: 6,
  disableAfterMs: null,
  retryPolicy: { kind: 'list', waitsSeconds: [0.2, 0.5, 1, 2, 4, 8] },
};

const STORM_MS = 90_000;
const MESSAGES = 400;
const LARGEST_PAYLOAD = 600;

const results: readonly AttemptResult[] = [
  answer(500),
  answer(429, '1'),
  answer(429, '20'),
  answer(503),
  { kind: 'timeout', phase: 'headers' },
  { kind: 'network', code: 'reset' },
];

/** Everything at once, from one seed: what must hold at any moment is checked at any moment. */
const storm = async (seed: number): Promise<{ readonly world: World; readonly complaints: string[] }> => {
  const world = createWorld(seed);
  const { chance, timers, tiny } = world;
  const complaints: string[] = [];
  const pick = <T>(items: readonly T[]): T => items[Math.floor(chance() * items.length)]!;
  const endpoints = Array.from({ length: 12 }, (_, i) => world.endpoint(`e${i}`));
  // Every other storm is mild: most of it goes through memory.
  const isMild = seed % 2 === 0;
  const [faultRate, failureRate, pauseMs] = isMild ? [0.01, 0.05, 500] : [0.03, 0.35, 300];
  const tuned = isMild
    ? { ...settings, maxLanes: 100, windowRows: 40, pollRows: 100, nodeRows: 200 }
    : settings;
  let isCalm = false;
  let cut: Node | null = null;

  const weather: Weather = (operation, node) => {
    const isCut = cut !== null && cut.id === node && operation === 'heartbeat';
    const isSlow = chance() < 0.02;
    const fault = isCut || chance() < faultRate ? 'before' : chance() < faultRate ? 'after' : 'none';
    const thereMs = isSlow ? chance() * 2_000 : 1 + chance() * 10;
    return { thereMs, backMs: chance() < 0.02 ? chance() * 2_000 : 1 + chance() * 10, fault };
  };
  world.behaviour.current = ({ messageId, endpoint }) => {
    if (!tiny.rows.has(tiny.key(messageId, endpoint.id)))
      complaints.push(`${messageId} was sent after its end`);
    const isBad = !isCalm && chance() < failureRate;
    return {
      afterMs: chance() < 0.05 && !isCalm ? chance() * 4_000 : 2 + chance() * 50,
      result: isBad ? pick(results) : answer(200),
    };
  };
  const start = (): Node => {
    const node: Node = world.node({
      settings: tuned,
      observe: {
        rejected: (settlement, detail) => {
          // Only a settlement that was written although its reply was lost meets its own attempt.
          const ids = tiny.attempts.filter(({ id }) => id === settlement.attempt.id);
          if (ids.length !== 1) complaints.push(`rejected: ${detail}`);
        },
        attemptStarted: () => {
          const { rows, bytes, inFlight } = node.numbers();
          if (rows > tuned.nodeRows!) complaints.push(`${rows} rows`);
          if (bytes > 12_000 + LARGEST_PAYLOAD) complaints.push(`${bytes} bytes`);
          if (inFlight > 12) complaints.push(`${inFlight} in flight`);
        },
      },
    });
    void node.start();
    return node;
  };

  tiny.setWeather(weather);
  let nodes = [start(), start()];
  const replace = (old: Node): void => {
    nodes = [...nodes.filter((node) => node !== old), start()];
  };
  const accepted: Promise<unknown>[] = [];
  const endMs = timers.nowMs() + STORM_MS;
  while (timers.nowMs() < endMs) {
    const roll = chance();
    if (accepted.length < MESSAGES && roll < 0.8) {
      const burst = chance() < 0.05 ? 30 : 1;
      const to = pick(endpoints);
      for (let i = 0; i < burst; i++) {
        const payload = new Uint8Array(1 + Math.floor(chance() * LARGEST_PAYLOAD));
        const priority = Math.floor(chance() * 3) as Priority;
        const owner = isMild ? nodes.find((node) => node.owns(to.partition) !== null) : undefined;
        accepted.push(
          world.accept(owner ?? pick(nodes), to, { payload, priority }, 1 + chance() * 20, chance() < 0.02),
        );
      }
    } else if (roll < 0.82) {
      cut = cut === null ? pick(nodes) : null;
    } else if (roll < 0.83) {
      const victim = pick(nodes);
      victim.stop();
      replace(victim);
    } else if (roll < 0.84) {
      const leaver = pick(nodes);
      void leaver.drain(chance() * 3_000);
      replace(leaver);
    } else if (roll < 0.86) {
      const endpoint = pick(endpoints);
      const isDisabled = tiny.endpoints.get(endpoint.id)!.disabled;
      tiny.endpoints.set(endpoint.id, { ...endpoint, disabled: !isDisabled });
      for (const node of nodes) void node.configChanged({ endpointId: endpoint.id });
    }
    await timers.advance(chance() * pauseMs);
  }
  isCalm = true;
  cut = null;
  tiny.setWeather(null);
  for (const endpoint of endpoints) tiny.endpoints.set(endpoint.id, endpoint);
  await timers
    .until(() => tiny.rows.size === 0, 10 * 60_000)
    .catch((error: unknown) => {
      const left = [...tiny.rows].slice(0, 3).map(([key, row]) => ({ key, ...row, delivery: undefined }));
      const lane = [...tiny.rows.values()]
        .slice(0, 1)
        .map(({ delivery }) => tiny.laneRow(delivery.endpointId));
      const numbers = nodes.map((node) => node.numbers());
      throw new Error(
        `${String(error)}: ${JSON.stringify({ now: timers.nowMs(), left, lane, numbers }, null, 1)}`,
      );
    });
  await timers.advance(1_000);
  await Promise.all(accepted);
  for (const node of nodes) {
    const { rows, bytes, inFlight, unsettled } = node.numbers();
    if (rows + bytes + inFlight + unsettled > 0) complaints.push(`left: ${JSON.stringify(node.numbers())}`);
    node.stop();
  }
  return { world, complaints };
};

const countBy = (keys: readonly string[]): Map<string, number> => {
  const counts = new Map<string, number>();
  for (const key of keys) counts.set(key, (counts.get(key) ?? 0) + 1);
  return counts;
};

const fresh = Math.floor(Math.random() * 2 ** 31);
const { CHAOS_SEED, CHAOS_RUNS } = process.env;
const seeds =
  CHAOS_SEED === undefined
    ? [...Array.from({ length: Number(CHAOS_RUNS ?? 8) }, (_, i) => i + 1), fresh]
    : [Number(CHAOS_SEED)];

describe('a storm of faults', () => {
  it.each(seeds)('loses nothing and sends nothing twice at once (CHAOS_SEED=%i)', async (seed) => {
    const { world, complaints } = await storm(seed);
    const { receivers, tiny } = world;
    expect(complaints).toEqual([]);
    expect(receivers.overlaps).toEqual([]);
    expect(tiny.ends.size).toBeGreaterThan(MESSAGES / 2);
    const sent = countBy(
      receivers.requests.map(({ messageId, endpointId }) => tiny.key(messageId, endpointId)),
    );
    const written = countBy(tiny.attempts.map(({ key }) => key));
    const unwritten = [...sent].filter(([key, times]) => (written.get(key) ?? 0) < times);
    expect(unwritten).toEqual([]);
    expect(new Set(tiny.attempts.map(({ id }) => id)).size).toBe(tiny.attempts.length);
  });
});
