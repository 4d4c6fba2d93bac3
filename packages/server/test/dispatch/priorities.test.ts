import { describe, expect, it } from 'vitest';
import { priorities, type Priority } from '../../src/domain/delivery.ts';
import { answer } from './receivers.ts';
import { firstOf, started, warm } from './steps.ts';
import { createWorld, type World } from './world.ts';

const { critical, normal, bulk } = priorities;

/** Of a window of 64, what bulk may fill. */
const FULL = 56;

/** An endpoint that takes five a second, and as much bulk in the store as there is room for in no window. */
const flooded = async (world: World, waiting: number) => {
  const node = await started(world, { settings: { windowRows: 64, laneConcurrency: 1 } });
  world.behaviour.current = () => ({ afterMs: 200, result: answer(200) });
  const endpoint = await warm(world, node, 'a');
  for (let n = 0; n < waiting; n++) world.tiny.insert(world.delivery(endpoint, { priority: bulk }), null);
  node.wake(endpoint.id, world.timers.nowMs(), bulk);
  const before = world.receivers.requests.length;
  await world.timers.until(
    () => world.receivers.requests.length > before && node.numbers().rows >= FULL,
    1_000,
  );
  return { node, endpoint };
};

const sentMs = async (world: World, key: string, limitMs: number): Promise<number> => {
  const fromMs = world.timers.nowMs();
  const isSent = (): boolean => world.receivers.requests.some(({ messageId }) => key.startsWith(messageId));
  await world.timers.until(isSent, limitMs);
  return world.timers.nowMs() - fromMs;
};

describe('a critical message behind more bulk than the window takes', () => {
  it('goes through memory and is sent next', async () => {
    const world = createWorld();
    const { node, endpoint } = await flooded(world, 5_000);
    const { key, by } = await firstOf(world, world.accept(node, endpoint, { priority: critical }));
    expect(by).toBe('memory');
    expect(await sentMs(world, key, 5_000)).toBeLessThanOrEqual(200);
    expect(world.tiny.rows.size).toBeGreaterThan(4_900);
  });

  it('is read from the store and sent within a second when its class is known', async () => {
    const world = createWorld();
    const { node, endpoint } = await flooded(world, 5_000);
    const draft = world.delivery(endpoint, { priority: critical });
    world.tiny.insert(draft, null);
    node.wake(endpoint.id, world.timers.nowMs(), critical);
    expect(await sentMs(world, draft.messageId, 5_000)).toBeLessThanOrEqual(250);
  });

  it.each(['told of without its class', 'found by looking'])(
    'is read from the store and sent within a second when another node has stored it: %s',
    async (way) => {
      const world = createWorld();
      const { node, endpoint } = await flooded(world, 5_000);
      const draft = world.delivery(endpoint, { priority: critical });
      world.tiny.insert(draft, null);
      if (way.startsWith('told')) node.wake(endpoint.id, world.timers.nowMs());
      expect(await sentMs(world, draft.messageId, 5_000)).toBeLessThanOrEqual(1_000);
    },
  );

  it('is tried again within a second of its time, although the window is full', async () => {
    const world = createWorld();
    const { node, endpoint } = await flooded(world, 5_000);
    const draft = world.delivery(endpoint, { priority: critical });
    let tries = 0;
    world.behaviour.current = ({ messageId }) => ({
      afterMs: 200,
      result: answer(messageId === draft.messageId && ++tries === 1 ? 500 : 200),
    });
    world.tiny.insert(draft, null);
    node.wake(endpoint.id, world.timers.nowMs(), critical);
    await world.timers.until(() => tries === 1, 1_000);
    await world.timers.until(() => tries === 2, 2_500);
    expect(world.tiny.rows.size).toBeGreaterThan(4_900);
  });

  it('does not cost a statement for each bulk delivery that is sent', async () => {
    const world = createWorld();
    const { node, endpoint } = await flooded(world, 2_000);
    const before = { polls: world.tiny.calls('poll'), sent: world.receivers.requests.length };
    for (let n = 0; n < 20; n++) {
      await firstOf(world, world.accept(node, endpoint, { priority: critical }));
      await world.timers.advance(1_000);
    }
    const sent = world.receivers.requests.length - before.sent;
    expect(sent).toBeGreaterThan(90);
    // Half a window by each, and a look for what others may have stored twice a second.
    expect(world.tiny.calls('poll') - before.polls).toBeLessThanOrEqual(41 + sent / 16);
  });
});

describe('classes of one endpoint', () => {
  it('all get their turns, bulk a twentieth, however much of the others comes', async () => {
    const world = createWorld();
    const node = await started(world, { settings: { laneConcurrency: 1 } });
    world.behaviour.current = () => ({ afterMs: 10, result: answer(200) });
    const endpoint = world.endpoint('a');
    const classOf = new Map<string, Priority>();
    for (let n = 0; n < 900; n++) {
      const draft = world.delivery(endpoint, { priority: ([critical, normal, bulk] as const)[n % 3]! });
      classOf.set(draft.messageId, draft.priority);
      world.tiny.insert(draft, null);
    }
    node.wake(endpoint.id, world.timers.nowMs());
    await world.timers.until(() => world.receivers.requests.length >= 200, 10_000);
    const of = (priority: Priority): number =>
      world.receivers.requests.slice(0, 200).filter(({ messageId }) => classOf.get(messageId) === priority)
        .length;
    expect(of(bulk)).toBe(10);
    expect(of(normal)).toBe(30);
    expect(of(critical)).toBe(160);
    await world.timers.until(() => world.tiny.rows.size === 0, 60_000);
  });

  it('never hold more than the window and its reserve in memory', async () => {
    const world = createWorld();
    const { node, endpoint } = await flooded(world, 500);
    let most = 0;
    for (let n = 0; n < 200; n++) {
      await firstOf(world, world.accept(node, endpoint, { priority: (n % 3) as Priority }));
      most = Math.max(most, node.numbers().rows);
    }
    // The window, one in flight, one that is being settled.
    expect(most).toBeLessThanOrEqual(66);
    world.behaviour.current = () => ({ afterMs: 1, result: answer(200) });
    await world.timers.until(() => node.numbers().rows === 0, 60_000);
    expect(world.tiny.rows.size).toBe(0);
    expect(node.numbers()).toMatchObject({ rows: 0, bytes: 0, inFlight: 0 });
  });
});
