import { describe, expect, it } from 'vitest';
import { answer } from './receivers.ts';
import { firstOf, joined, started, warm } from './steps.ts';
import { createWorld, type World } from './world.ts';

type Node = Awaited<ReturnType<typeof started>>;

const change = async (world: World, node: Node, untilMs: number | null | undefined): Promise<void> => {
  const paused = untilMs === undefined ? null : { untilMs };
  const { id } = world.endpoint('a', { paused });
  await firstOf(world, node.configChanged({ endpointId: id }));
};

describe('a paused endpoint', () => {
  it('gets nothing from the confirmation on; what comes waits, fails nothing and uses nothing up', async () => {
    const world = createWorld();
    const node = await started(world, { settings: { laneConcurrency: 2 } });
    const endpoint = await warm(world, node, 'a');
    world.behaviour.current = () => ({ afterMs: 40, result: answer(200) });
    const before = Promise.all(Array.from({ length: 20 }, () => world.accept(node, endpoint)));
    await world.timers.until(() => world.receivers.requests.length === 5, 1_000);
    await firstOf(world, before);
    await change(world, node, null);
    const seen = world.receivers.requests.length;
    const paused = { ...endpoint, paused: { untilMs: null } };
    for (let n = 0; n < 10; n++) expect(node.admit(paused, 10, 1)).toBeNull();
    await firstOf(world, world.accept(node, paused));
    await world.timers.advance(600_000);
    expect(world.receivers.requests).toHaveLength(seen);
    expect(node.numbers()).toMatchObject({ rows: 0, inFlight: 0 });
    const waiting = [...world.tiny.rows.values()];
    expect(waiting).toHaveLength(22 - seen);
    expect(waiting.every(({ state, delivery }) => state === 'waiting' && delivery.attemptsUsed === 0)).toBe(
      true,
    );

    await change(world, node, undefined);
    await world.timers.until(() => world.tiny.rows.size === 0, 60_000);
    expect([...world.tiny.ends.values()]).toEqual(Array.from({ length: 22 }, () => 'succeeded'));
    expect(world.receivers.overlaps).toEqual([]);
  });

  it('drains at a ramp once it is resumed: one at a time at first, twice as many a round trip later', async () => {
    const world = createWorld();
    const node = await started(world);
    const endpoint = await warm(world, node, 'a');
    await change(world, node, null);
    for (let n = 0; n < 300; n++) void world.accept(node, { ...endpoint, paused: { untilMs: null } });
    await world.timers.advance(1_000);
    world.behaviour.current = () => ({ afterMs: 100, result: answer(200) });
    const first = world.receivers.requests.length;
    await change(world, node, undefined);
    await world.timers.until(() => world.tiny.rows.size === 0, 60_000);
    const times = world.receivers.requests.slice(first).map(({ atMs }) => atMs);
    const inFlight = times.map(
      (atMs, index) => times.slice(0, index + 1).filter((t) => t > atMs - 100).length,
    );
    const trip = (index: number): number => Math.floor((times[index]! - times[0]!) / 100);
    for (const [index, count] of inFlight.entries()) expect(count).toBeLessThanOrEqual(2 ** trip(index));
    expect(Math.max(...inFlight)).toBeGreaterThanOrEqual(10);
  });

  it('goes on by itself when its time is over, and at a ramp', async () => {
    const world = createWorld();
    const node = await started(world);
    const endpoint = await warm(world, node, 'a');
    const untilMs = world.timers.nowMs() + 600_000;
    await change(world, node, untilMs);
    for (let n = 0; n < 10; n++) void world.accept(node, { ...endpoint, paused: { untilMs } });
    world.behaviour.current = () => ({ afterMs: 100, result: answer(200) });
    const seen = world.receivers.requests.length;
    await world.timers.until(() => world.receivers.requests.length > seen, 700_000);
    await world.timers.until(() => world.tiny.rows.size === 0, 10_000);
    const times = world.receivers.requests.slice(seen).map(({ atMs }) => atMs);
    expect(times[0]! - untilMs).toBeGreaterThanOrEqual(0);
    expect(times[0]! - untilMs).toBeLessThan(100);
    expect(times[1]! - times[0]!).toBeGreaterThanOrEqual(100);
  });

  it('stays paused with its next owner, and its end is seen there', async () => {
    const world = createWorld();
    const old = await started(world);
    const endpoint = await warm(world, old, 'a');
    await change(world, old, null);
    for (let n = 0; n < 5; n++) void world.accept(old, { ...endpoint, paused: { untilMs: null } });
    await world.timers.advance(100);
    const seen = world.receivers.requests.length;
    await firstOf(world, old.drain(1_000));
    const next = await joined(world);
    await world.timers.until(() => next.numbers().partitions === 256, 20_000);
    await world.timers.advance(30_000);
    expect(world.receivers.requests).toHaveLength(seen);
    // Resumed elsewhere, and the word of it never comes.
    world.endpoint('a');
    await world.timers.until(() => world.tiny.rows.size === 0, 15_000);
  });

  it('is retried by its schedule afterwards: the time in between cost nothing', async () => {
    const world = createWorld();
    const node = await started(world);
    const endpoint = await warm(world, node, 'a');
    world.behaviour.current = () => ({ afterMs: 5, result: answer(500) });
    const { key } = await firstOf(world, world.accept(node, endpoint));
    await world.timers.until(() => world.receivers.requests.length === 2, 1_000);
    await world.timers.advance(100);
    await change(world, node, world.timers.nowMs() + 90 * 86_400_000);
    await world.timers.advance(600_000);
    expect(world.tiny.rows.get(key)!.delivery.attemptsUsed).toBe(1);
    await change(world, node, undefined);
    await world.timers.until(() => world.tiny.ends.get(key) === 'dead', 20_000);
    expect(world.receivers.requests).toHaveLength(4);
  });
});
