import { describe, expect, it } from 'vitest';
import type { AttemptResult } from '../../src/domain/attempt.ts';
import type { Priority } from '../../src/domain/delivery.ts';
import type { EndpointConfig } from '../../src/domain/configuration.ts';
import { createModelDatabase, type ModelDatabase } from './model-database.ts';
import { answer } from './receivers.ts';
import type { Weather } from './weather.ts';
import { createWorld, type NodeOptions, type World } from './world.ts';

type Node = ReturnType<World['node']>;

const MESSAGES = 120;
const STORM_MS = 45_000;

const settings: NonNullable<NodeOptions['settings']> = {
  laneConcurrency: 3,
  windowRows: 20,
  nodeRows: 100,
  settleBatch: 7,
  settleBesideAt: 3,
  dueScanLimit: 3,
  freeRows: 5,
  unfoldRows: 2,
  maxLanes: 8,
  reconcileMs: 1_000,
  reconcileAgeMs: 5_000,
  disableAfterMs: null,
  steadyMs: 500,
  giveAtOnce: 60,
  retryPolicy: { kind: 'list', waitsSeconds: [0.2, 0.5, 1, 2, 4, 8] },
};

const failures: readonly AttemptResult[] = [
  answer(500),
  answer(429, '1'),
  answer(503),
  { kind: 'network', code: 'reset' },
];

const storm = async (seed: number) => {
  const complaints: string[] = [];
  const weather: { current: Weather } = { current: () => ({ thereMs: 1, backMs: 1, fault: 'none' }) };
  let database!: ModelDatabase;
  const world = createWorld(seed, (timers) => {
    database = createModelDatabase(timers, weather);
    return database.store;
  });
  const { chance, timers, receivers } = world;
  const pick = <T>(items: readonly T[]): T => items[Math.floor(chance() * items.length)]!;
  const endpoints = Array.from({ length: 10 }, (_, i) => world.endpoint(`e${i}`));
  for (const endpoint of endpoints) database.addEndpoint(endpoint);
  let isCalm = false;
  let cut: Node | null = null;
  weather.current = (operation, node) => {
    const isCut = cut !== null && cut.id === node && operation === 'heartbeat';
    const fault = isCut || chance() < 0.02 ? 'before' : chance() < 0.02 ? 'after' : 'none';
    const slow = (): number => (chance() < 0.02 ? chance() * 2_000 : 1 + chance() * 10);
    return { thereMs: slow(), backMs: slow(), fault };
  };
  world.behaviour.current = ({ messageId, endpoint }) => {
    if (!database.isOpen(`${messageId} ${endpoint.id}`))
      complaints.push(`${messageId} was sent after its end`);
    const isBad = !isCalm && chance() < 0.2;
    const afterMs = chance() < 0.05 && !isCalm ? chance() * 4_000 : 2 + chance() * 50;
    return { afterMs, result: isBad ? pick(failures) : answer(200) };
  };
  const start = (): Node => {
    const node = world.node({ settings });
    void node.start();
    return node;
  };
  let nodes = [start(), start()];
  const replace = (old: Node): void => {
    nodes = [...nodes.filter((node) => node !== old), start()];
  };
  const accept = async (any: Node, to: EndpointConfig): Promise<void> => {
    const owner = nodes.find((one) => one.owns(to.partition) !== null);
    const node = owner !== undefined && chance() < 0.7 ? owner : any;
    const draft = world.delivery(to, { priority: Math.floor(chance() * 3) as Priority });
    const epoch = node.admit(to, draft.payload.byteLength, draft.priority);
    const isReplyLost = chance() < 0.03;
    await new Promise<void>((resolve) => void timers.setTimeout(resolve, 1 + chance() * 20));
    const isHeld = await database.insert(draft, node.id, epoch);
    await new Promise<void>((resolve) => void timers.setTimeout(resolve, 1 + chance() * 10));
    if (isHeld && !isReplyLost) {
      node.commit({ ...draft, epoch: epoch! });
      return;
    }
    if (epoch !== null) node.cancel(to.id, draft.payload.byteLength);
    if (!isReplyLost) node.wake(to.id, node.clock.nowMs());
  };
  const accepted: Promise<void>[] = [];
  const endMs = timers.nowMs() + STORM_MS;
  while (timers.nowMs() < endMs) {
    const roll = chance();
    if (accepted.length < MESSAGES && roll < 0.8) {
      for (let i = chance() < 0.05 ? 20 : 1; i > 0; i--) {
        accepted.push(accept(pick(nodes), pick(endpoints)));
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
      const { id } = pick(endpoints);
      database.setDisabled(id, !database.isDisabled(id));
    } else if (roll < 0.88) {
      const { id } = pick(endpoints);
      database.setPaused(id, chance() < 0.5 ? null : { untilMs: timers.nowMs() + chance() * 20_000 });
    }
    await timers.advance(chance() * 500);
  }
  isCalm = true;
  cut = null;
  weather.current = () => ({ thereMs: 1, backMs: 1, fault: 'none' });
  for (const { id } of endpoints) {
    database.setDisabled(id, false);
    database.setPaused(id, null);
  }
  await timers
    .until(() => database.openCount() === 0, 10 * 60_000)
    .catch((error: unknown) => {
      const numbers = nodes.map((node) => node.numbers());
      const state = {
        now: timers.nowMs(),
        left: database.left(),
        numbers,
        troubles: world.troubles.slice(-3),
      };
      throw new Error(`${String(error)}: ${JSON.stringify(state, null, 1)}`);
    });
  await timers.advance(1_000);
  await Promise.all(accepted);
  for (const node of nodes) {
    const { rows, bytes, inFlight, unsettled } = node.numbers();
    if (rows + bytes + inFlight + unsettled > 0) complaints.push(`left: ${JSON.stringify(node.numbers())}`);
    node.stop();
  }
  return { complaints, database, receivers, accepted: accepted.length };
};

const { CHAOS_SEED, CHAOS_RUNS } = process.env;
const fresh = Math.floor(Math.random() * 2 ** 31);
const seeds =
  CHAOS_SEED === undefined
    ? [...Array.from({ length: Number(CHAOS_RUNS ?? 4) }, (_, i) => i + 1), fresh]
    : [Number(CHAOS_SEED)];

describe('dispatch on the model of the store', () => {
  it.each(seeds)('delivers everything through faults and changes of owner (CHAOS_SEED=%i)', async (seed) => {
    const { complaints, database, receivers, accepted } = await storm(seed);
    expect(complaints).toEqual([]);
    expect(receivers.overlaps).toEqual([]);
    expect(database.messageCount()).toBe(accepted);
    const count = (keys: readonly string[]): Map<string, number> => {
      const counts = new Map<string, number>();
      for (const key of keys) counts.set(key, (counts.get(key) ?? 0) + 1);
      return counts;
    };
    const sent = count(receivers.requests.map(({ messageId, endpointId }) => `${messageId} ${endpointId}`));
    const written = count(database.attempts().map(({ key }) => key));
    expect(sent.size).toBe(accepted);
    expect([...sent].filter(([key, times]) => (written.get(key) ?? 0) < times)).toEqual([]);
  });
});
