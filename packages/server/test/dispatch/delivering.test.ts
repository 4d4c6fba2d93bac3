import { describe, expect, it } from 'vitest';
import { answer } from './receivers.ts';
import { firstOf, started, warm } from './steps.ts';
import { createWorld } from './world.ts';

describe('the way of a delivery', () => {
  it('goes through memory once the lane is known, without being read back', async () => {
    const world = createWorld();
    const node = await started(world);
    const endpoint = await warm(world, node, 'a');
    const polls = world.tiny.calls('poll');
    const accepted = await firstOf(world, world.accept(node, endpoint));
    await world.timers.until(() => node.numbers().rows === 0, 1_000);
    expect(accepted.by).toBe('memory');
    expect(world.tiny.calls('poll')).toBe(polls);
    expect(world.tiny.ends.get(accepted.key)).toBe('succeeded');
    expect(node.numbers()).toMatchObject({ rows: 0, bytes: 0, inFlight: 0, unsettled: 0 });
  });

  it('settles many attempts by few statements', async () => {
    const world = createWorld();
    const node = await started(world);
    const endpoint = await warm(world, node, 'a');
    const before = world.tiny.calls('settle');
    const all = Promise.all(Array.from({ length: 200 }, () => world.accept(node, endpoint)));
    await world.timers.until(() => world.tiny.rows.size === 0 && world.tiny.ends.size === 201, 5_000);
    expect((await all).every(({ by }) => by === 'memory')).toBe(true);
    expect(world.tiny.calls('settle') - before).toBeLessThan(30);
  });

  it('retries by the schedule and gives up after it', async () => {
    const world = createWorld();
    const node = await started(world);
    world.behaviour.current = () => ({ afterMs: 5, result: answer(500) });
    const endpoint = world.endpoint('a');
    const { key } = await firstOf(world, world.accept(node, endpoint));
    await world.timers.until(() => world.tiny.ends.has(key), 60_000);
    expect(world.tiny.ends.get(key)).toBe('dead');
    const at = world.receivers.requests.map(({ atMs }) => atMs);
    expect(at).toHaveLength(3);
    expect(at[1]! - at[0]!).toBeGreaterThanOrEqual(1_000);
    expect(at[1]! - at[0]!).toBeLessThan(1_300);
    expect(at[2]! - at[1]!).toBeGreaterThanOrEqual(5_000);
    expect(at[2]! - at[1]!).toBeLessThan(5_800);
  });

  it('takes the policy of the endpoint, then of the event type, and keeps it for the run', async () => {
    const world = createWorld();
    const node = await started(world);
    world.behaviour.current = () => ({ afterMs: 5, result: answer(500) });
    world.tiny.policies.set('org_1', new Map([['invoice.paid', { kind: 'list', waitsSeconds: [] }]]));
    const own = world.endpoint('own', { retryPolicy: { kind: 'list', waitsSeconds: [0.1] } });
    const other = world.endpoint('other');
    await firstOf(world, world.accept(node, own));
    await firstOf(world, world.accept(node, other));
    await world.timers.until(() => world.tiny.ends.size === 2, 10_000);
    const times = (id: string): number =>
      world.receivers.requests.filter(({ endpointId }) => endpointId === id).length;
    expect(times(own.id)).toBe(2);
    expect(times(other.id)).toBe(1);
    expect([...world.tiny.ends.values()]).toEqual(['dead', 'dead']);
  });

  it('makes a retry at its time, not at the next look into the store', async () => {
    const world = createWorld();
    const node = await started(world, { settings: { dueScanMs: 60_000 } });
    const endpoint = await warm(world, node, 'a');
    world.behaviour.current = () => ({ afterMs: 5, result: answer(500) });
    await firstOf(world, world.accept(node, endpoint));
    await world.timers.until(() => world.receivers.requests.length === 4, 20_000);
    const [, first, second, third] = world.receivers.requests.map(({ atMs }) => atMs);
    expect(second! - first!).toBeLessThan(1_150);
    expect(third! - second!).toBeLessThan(5_550);
  });

  it('keeps to the policy that the run began with', async () => {
    const world = createWorld();
    const node = await started(world);
    world.behaviour.current = () => ({ afterMs: 5, result: answer(500) });
    const endpoint = world.endpoint('a', { retryPolicy: { kind: 'list', waitsSeconds: [1, 1, 1] } });
    const { key } = await firstOf(world, world.accept(node, endpoint));
    await world.timers.until(() => world.receivers.requests.length === 1, 1_000);
    world.endpoint('a', { retryPolicy: { kind: 'list', waitsSeconds: [] } });
    await firstOf(world, node.configChanged({ endpointId: endpoint.id }));
    await world.timers.until(() => world.tiny.ends.has(key), 10_000);
    expect(world.receivers.requests).toHaveLength(4);
  });

  it('finds everything that waits after a restart, blocked lanes excepted until their time', async () => {
    const world = createWorld();
    const old = await started(world);
    old.stop();
    for (let i = 0; i < 50; i++) {
      const endpoint = world.endpoint(`e${i}`);
      for (let n = 0; n < 3; n++) world.tiny.insert(world.delivery(endpoint), null);
    }
    const blocked = world.endpoint('e7');
    const freeAtMs = world.timers.nowMs() + 60_000;
    Object.assign(world.tiny.laneRow(blocked.id), { block: { reason: 'retry_after', untilMs: freeAtMs } });
    const node = world.node({ settings: { seize: true } });
    const start = node.start();
    await world.timers.until(() => world.tiny.rows.size === 3, 10_000);
    await start;
    expect(world.receivers.requests.some(({ endpointId }) => endpointId === blocked.id)).toBe(false);
    await world.timers.until(() => world.tiny.rows.size === 0, 61_000);
    const times = world.receivers.requests.filter(({ endpointId }) => endpointId === blocked.id);
    expect(times).toHaveLength(3);
    expect(Math.min(...times.map(({ atMs }) => atMs))).toBeGreaterThanOrEqual(freeAtMs);
  });
});

describe('bounds', () => {
  it('never has more attempts in flight than lane and node allow, and takes turns', async () => {
    const world = createWorld();
    const node = await started(world, {
      settings: { laneConcurrency: 4, maxInFlight: 6, windowRows: 20, nodeRows: 1_000 },
    });
    world.behaviour.current = () => ({ afterMs: 100, result: answer(200) });
    const busy = world.endpoint('busy');
    const quiet = world.endpoint('quiet');
    for (let i = 0; i < 300; i++) world.tiny.insert(world.delivery(busy), null);
    node.wake(busy.id, world.timers.nowMs());
    await world.timers.until(() => world.receivers.inFlight() === 4, 5_000);
    world.tiny.insert(world.delivery(quiet), null);
    node.wake(quiet.id, world.timers.nowMs());
    await world.timers.until(
      () => world.receivers.requests.some(({ endpointId }) => endpointId === quiet.id),
      150,
    );
    await world.timers.until(() => world.tiny.rows.size === 0, 30_000);
    expect(world.receivers.peaks).toEqual({ total: 5, endpoint: 4 });
    expect(world.receivers.overlaps).toEqual([]);
  });

  it('sends what is more than a window to the store and comes back to memory when that is drained', async () => {
    const world = createWorld();
    let most = 0;
    const node = await started(world, {
      settings: { laneConcurrency: 2, windowRows: 10 },
      observe: { attemptStarted: () => void (most = Math.max(most, node.numbers().rows)) },
    });
    const endpoint = await warm(world, node, 'a');
    const burst = Promise.all(Array.from({ length: 100 }, () => world.accept(node, endpoint)));
    await world.timers.until(() => world.tiny.ends.size === 101, 30_000);
    const by = (await burst).map((accepted) => accepted.by);
    // One place is kept for what is critical.
    expect(by.filter((way) => way === 'memory')).toHaveLength(9);
    // Window, what is in flight, and what waits for its settlement.
    expect(most).toBeLessThan(20);
    await world.timers.advance(200);
    const later = await firstOf(world, world.accept(node, endpoint));
    expect(later.by).toBe('memory');
    await world.timers.until(() => node.numbers().rows === 0, 1_000);
    expect(node.numbers()).toMatchObject({ rows: 0, bytes: 0 });
  });

  it('takes a burst into memory while the receiver keeps up, and a window only when it does not', async () => {
    const world = createWorld();
    const settings = { laneConcurrency: 2, windowRows: 10, burstRows: 200 };
    const node = await started(world, { settings });
    const endpoint = await warm(world, node, 'a');
    const acceptAll = (count: number) =>
      firstOf(world, Promise.all(Array.from({ length: count }, () => world.accept(node, endpoint))));
    const inMemory = async (count: number): Promise<number> =>
      (await acceptAll(count)).filter(({ by }) => by === 'memory').length;
    expect(await inMemory(100)).toBe(100);
    await world.timers.until(() => node.numbers().rows === 0, 30_000);
    world.behaviour.current = () => ({ afterMs: 5_000, result: answer(200) });
    expect(await inMemory(5)).toBe(5);
    await world.timers.advance(1_100);
    // Two are in flight, three wait; of ten rows one is kept for what is critical.
    expect(await inMemory(100)).toBe(6);
    await world.timers.until(() => world.tiny.rows.size === 0, 600_000);
  });

  it('lets nothing new pass what waits in the store', async () => {
    const world = createWorld();
    const node = await started(world, { settings: { laneConcurrency: 1, windowRows: 10 } });
    const endpoint = await warm(world, node, 'a');
    await firstOf(world, Promise.all(Array.from({ length: 60 }, () => world.accept(node, endpoint))));
    for (let i = 0; i < 5; i++) {
      await world.timers.advance(30);
      expect((await firstOf(world, world.accept(node, endpoint))).by).toBe('store');
    }
    await world.timers.until(() => world.tiny.rows.size === 0, 10_000);
  });

  it('stops starting while the store takes no results, and goes on when it does', async () => {
    const world = createWorld();
    const node = await started(world, { settings: { maxUnsettled: 20, laneConcurrency: 5 } });
    const endpoint = await warm(world, node, 'a');
    world.tiny.setWeather((operation) => ({
      thereMs: 1,
      backMs: 1,
      fault: operation === 'settle' ? 'before' : 'none',
    }));
    const all = Promise.all(Array.from({ length: 100 }, () => world.accept(node, endpoint)));
    await world.timers.advance(3_000);
    expect((await all).every(({ by }) => by === 'memory')).toBe(true);
    expect(world.receivers.requests).toHaveLength(21);
    expect(node.numbers().unsettled).toBe(20);
    world.tiny.setWeather(null);
    await world.timers.until(() => world.tiny.rows.size === 0, 10_000);
    expect(world.receivers.requests).toHaveLength(101);
  });

  it('does not poll a delivery again while nobody knows whether its last attempt was written', async () => {
    const world = createWorld();
    const rejected: string[] = [];
    const node = await started(world, {
      settings: { retryPolicy: { kind: 'list', waitsSeconds: [0, 0, 0] } },
      observe: { rejected: (_, detail) => void rejected.push(detail) },
    });
    const endpoint = await warm(world, node, 'a');
    world.behaviour.current = () => ({ afterMs: 5, result: answer(500) });
    let lost = 3;
    world.tiny.setWeather((operation) => ({
      thereMs: 1,
      backMs: 1,
      fault: operation === 'settle' && lost-- > 0 ? 'after' : 'none',
    }));
    const { key } = await firstOf(world, world.accept(node, endpoint));
    // Something else becomes due meanwhile and would have the lane polled.
    for (let i = 0; i < 20; i++) {
      node.wake(endpoint.id, world.timers.nowMs());
      await world.timers.advance(20);
    }
    await world.timers.until(() => world.tiny.ends.has(key), 20_000);
    expect(rejected).toEqual([]);
    expect(world.tiny.attempts.filter((attempt) => attempt.key === key)).toHaveLength(4);
    expect(world.receivers.requests).toHaveLength(5);
  });

  it('keeps one half of the memory for lanes that move', async () => {
    const world = createWorld();
    const node = await started(world, {
      settings: { nodeRows: 200, windowRows: 100, laneConcurrency: 5, maxInFlight: 1_000 },
    });
    const healthy = await warm(world, node, 'healthy');
    world.behaviour.current = ({ endpoint }) => ({
      afterMs: endpoint.id === healthy.id ? 5 : 1_000_000,
      result: answer(200),
    });
    const hung = Array.from({ length: 10 }, (_, i) => world.endpoint(`hung${i}`));
    for (const endpoint of hung) {
      for (let n = 0; n < 200; n++) world.tiny.insert(world.delivery(endpoint), null);
      node.wake(endpoint.id, world.timers.nowMs());
    }
    await world.timers.until(() => world.receivers.inFlight() === 50, 5_000);
    const accepted = await firstOf(world, world.accept(node, healthy));
    expect(accepted.by).toBe('memory');
    await world.timers.until(() => world.tiny.ends.has(accepted.key), 1_000);
    expect(node.numbers().rows).toBeLessThanOrEqual(200);
  });
});
