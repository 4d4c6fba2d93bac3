import { describe, expect, it } from 'vitest';
import { answer } from './receivers.ts';
import { firstOf, joined, started, warm } from './steps.ts';
import { createWorld, type World } from './world.ts';

type Node = ReturnType<World['node']>;

const counts = (nodes: readonly Node[]): number[] => nodes.map((node) => node.numbers().partitions);

const isEven = (nodes: readonly Node[]): boolean => {
  const held = counts(nodes);
  const total = held.reduce((sum, count) => sum + count, 0);
  return total === 256 && Math.max(...held) - Math.min(...held) <= 1;
};

const evenWorld = async (world: World, size: number): Promise<Node[]> => {
  const nodes: Node[] = [];
  for (let i = 0; i < size; i++) nodes.push(await joined(world));
  await world.timers.until(() => isEven(nodes), 120_000);
  return nodes;
};

describe('partitions', () => {
  it('spread evenly over nodes that come, a few a second, and stay', async () => {
    const world = createWorld();
    const first = await started(world);
    expect(first.numbers().partitions).toBe(256);
    const second = await joined(world);
    let before = 256;
    let most = 0;
    const beganMs = world.timers.nowMs();
    while (!isEven([first, second]) && world.timers.nowMs() - beganMs < 120_000) {
      await world.timers.advance(1_000);
      most = Math.max(most, before - first.numbers().partitions);
      before = first.numbers().partitions;
    }
    expect(counts([first, second])).toEqual([128, 128]);
    expect(most).toBeGreaterThan(0);
    expect(most).toBeLessThanOrEqual(16);
    const third = await joined(world);
    await world.timers.until(() => isEven([first, second, third]), 60_000);
    const epochs = (): number =>
      [...world.tiny.partitions.values()].reduce((sum, { epoch }) => sum + epoch, 0);
    const settled = epochs();
    await world.timers.advance(60_000);
    expect(epochs()).toBe(settled);
  });

  it('do not move to and from a node that keeps coming and going', async () => {
    const world = createWorld();
    const [steady] = await evenWorld(world, 1);
    const before = [...world.tiny.partitions.values()].map(({ epoch }) => epoch);
    for (let i = 0; i < 5; i++) {
      const flapping = world.node();
      void flapping.start();
      await world.timers.advance(4_000);
      await firstOf(world, flapping.drain(0));
    }
    expect(steady!.numbers().partitions).toBe(256);
    expect([...world.tiny.partitions.values()].map(({ epoch }) => epoch)).toEqual(before);
  });

  it('of a node that leaves are with the others within a second', async () => {
    const world = createWorld();
    const [first, second, third] = await evenWorld(world, 3);
    void first!.drain(10_000);
    const leftMs = world.timers.nowMs();
    await world.timers.until(() => isEven([second!, third!]), 5_000);
    expect(world.timers.nowMs() - leftMs).toBeLessThan(1_000);
  });

  it('of a node that died are with the others as soon as its lease is over', async () => {
    const world = createWorld();
    const [first, second, third] = await evenWorld(world, 3);
    first!.stop();
    const diedMs = world.timers.nowMs();
    await world.timers.until(() => isEven([second!, third!]), 15_000);
    expect(world.timers.nowMs() - diedMs).toBeLessThan(11_000);
  });

  it('do not go to a node that only accepts', async () => {
    const world = createWorld();
    const accepting = await joined(world, { settings: { takes: false } });
    const worker = await started(world);
    await world.timers.advance(30_000);
    expect(counts([accepting, worker])).toEqual([0, 256]);
    expect(accepting.numbers().isInTouch).toBe(true);
    const endpoint = world.endpoint('a');
    expect(accepting.admit(endpoint, 10, 1)).toBeNull();
    await firstOf(world, world.accept(accepting, endpoint));
    // The scan for what others accept, the lane's row, its endpoint, the poll.
    await world.timers.until(() => world.receivers.requests.length === 1, 130);
  });

  it('go to whoever is there when the one whose share they are does not take them', async () => {
    const world = createWorld();
    // It says that it is there and never takes anything: broken, or of another mind.
    world.tiny.nodes.set('zzz', { isTaking: true, joinedMs: 0, untilMs: Infinity });
    const node = await joined(world);
    expect(node.numbers().partitions).toBe(128);
    await world.timers.until(() => node.numbers().partitions === 256, 10_000);
  });
});

describe('a hand-over', () => {
  it('hands back what is queued, lets what is in flight end, and repeats nothing', async () => {
    const world = createWorld();
    const first = await started(world, { settings: { laneConcurrency: 1 } });
    const endpoints = Array.from({ length: 30 }, (_, i) => world.endpoint(`e${i}`));
    for (const endpoint of endpoints) await firstOf(world, world.accept(first, endpoint));
    await world.timers.until(() => world.tiny.rows.size === 0, 5_000);
    world.behaviour.current = () => ({ afterMs: 12_000, result: answer(200) });
    const sent = world.receivers.requests.length;
    for (const endpoint of endpoints) {
      await firstOf(world, Promise.all([world.accept(first, endpoint), world.accept(first, endpoint)]));
    }
    await world.timers.until(() => world.receivers.inFlight() === 30, 2_000);
    const second = await joined(world, { settings: { steadyMs: 0 } });
    await world.timers.until(() => isEven([first, second]), 60_000);
    await world.timers.until(() => world.tiny.rows.size === 0, 60_000);
    expect(world.receivers.requests.length - sent).toBe(60);
    expect(world.tiny.attempts.filter(({ record }) => record === null)).toEqual([]);
    expect(counts([first, second])).toEqual([128, 128]);
  });

  it('waits for inserts under way and stores nothing more as held', async () => {
    const world = createWorld();
    const first = await started(world);
    const endpoint = await warm(world, first, 'a');
    const slow = world.accept(first, endpoint, {}, 30_000);
    const second = await joined(world);
    await world.timers.until(() => first.owns(endpoint.partition) === null, 60_000);
    expect(world.tiny.partitions.get(endpoint.partition)!.node).toBe(first.id);
    await world.timers.until(() => second.owns(endpoint.partition) !== null, 120_000);
    expect(await firstOf(world, slow)).toMatchObject({ by: 'memory' });
    await world.timers.until(() => world.tiny.rows.size === 0, 5_000);
    expect(world.tiny.attempts.filter(({ record }) => record === null)).toEqual([]);
  });

  it('that the store does not take leaves the partitions where they are', async () => {
    const world = createWorld();
    const first = await started(world);
    const endpoint = await warm(world, first, 'a');
    const second = await joined(world);
    world.tiny.setWeather((operation) => ({
      thereMs: 1,
      backMs: 1,
      fault: operation === 'release' ? 'before' : 'none',
    }));
    await world.timers.advance(20_000);
    expect(second.numbers().partitions).toBe(0);
    world.tiny.setWeather(null);
    await world.timers.until(() => isEven([first, second]), 60_000);
    await firstOf(world, world.accept(first, endpoint));
    await world.timers.until(() => world.tiny.rows.size === 0, 5_000);
  });
});
