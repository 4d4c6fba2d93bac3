import { describe, expect, it } from 'vitest';
import { answer } from './receivers.ts';
import { joined, started } from './steps.ts';
import { createWorld, type World } from './world.ts';

const LIMIT = 12;

/** The most requests that any second saw, of all endpoints together; a request counts at its start and at its arrival. */
const mostInASecond = (world: World): number => {
  const times = world.receivers.requests.map(({ atMs }) => atMs).sort((a, b) => a - b);
  let most = 0;
  for (let from = 0, to = 0; to < times.length; to++) {
    while (times[to]! - times[from]! >= 1_000) from++;
    most = Math.max(most, to - from + 1);
  }
  return most;
};

/** The most that nodes have ever claimed together. */
const watchClaims = (world: World): (() => number) => {
  let most = 0;
  const { shares } = world.tiny;
  const set = shares.set.bind(shares);
  shares.set = (applicationId, claims) => {
    most = Math.max(
      most,
      claims.reduce((sum, { share }) => sum + share, 0),
    );
    return set(applicationId, claims);
  };
  return () => most;
};

const endpoints = (world: World, count: number, limit = LIMIT) =>
  Array.from({ length: count }, (_, n) => world.endpoint(`e${n}`, { applicationRateLimit: limit }));

describe('an application with a rate limit', () => {
  it('sees no more requests in any second over all its endpoints, is kept busy, and each has its turn', async () => {
    const world = createWorld(3);
    const node = await started(world);
    const all = endpoints(world, 5);
    // Many for one of them, few for the others.
    for (let n = 0; n < 100; n++) void world.accept(node, all[0]!);
    for (const each of all.slice(1)) for (let n = 0; n < 5; n++) void world.accept(node, each);
    const startMs = world.timers.nowMs();
    const others = (): number =>
      world.receivers.requests.filter(({ endpointId }) => endpointId !== all[0]!.id).length;
    await world.timers.until(() => others() === 20, 20_000);
    // One in five for each.
    expect(world.receivers.requests.length).toBeLessThanOrEqual(40);
    await world.timers.until(() => world.tiny.ends.size === 120, 60_000);
    expect(mostInASecond(world)).toBe(LIMIT);
    expect(world.timers.nowMs() - startMs).toBeLessThan((120 / LIMIT) * 1_200 + 3_000);
  });

  it('does not hold up another application', async () => {
    const world = createWorld();
    const node = await started(world);
    const slow = world.endpoint('slow', { applicationRateLimit: 1 });
    const free = world.endpoint('free', { applicationId: 'app_2' });
    for (let n = 0; n < 20; n++) void world.accept(node, slow);
    for (let n = 0; n < 20; n++) void world.accept(node, free);
    const done = () => world.receivers.requests.filter(({ endpointId }) => endpointId === free.id).length;
    await world.timers.until(() => done() === 20, 500);
    expect(done()).toBe(20);
  });

  it('goes on without endpoints that cannot use their turn', async () => {
    const world = createWorld();
    const node = await started(world);
    const [first, second] = endpoints(world, 2, 2);
    for (let n = 0; n < 6; n++) void world.accept(node, first!);
    for (let n = 0; n < 6; n++) void world.accept(node, second!);
    await world.timers.until(() => world.receivers.requests.length >= 3, 5_000);
    world.tiny.endpoints.set(first!.id, { ...first!, disabled: true });
    const changed = node.configChanged({ endpointId: first!.id });
    const done = () => world.receivers.requests.filter(({ endpointId }) => endpointId === second!.id).length;
    await world.timers.until(() => done() === 6, 12_000);
    await changed;
    expect(done()).toBe(6);
    expect(mostInASecond(world)).toBe(2);
  });

  it.each([1, 2, 3, 4, 5, 6, 7, 8])(
    'keeps it while nodes join, leave and die, and uses it (seed %i)',
    { timeout: 60_000 },
    async (seed) => {
      const world = createWorld(seed);
      const claimed = watchClaims(world);
      const limit = 1 + Math.floor(world.chance() * 20);
      const all = endpoints(world, 12, limit);
      world.behaviour.current = () => ({ afterMs: 1 + world.chance() * 300, result: answer(200) });
      let nodes = [await started(world)];
      const drains: Promise<unknown>[] = [];
      const post = (): void => {
        for (const each of all) void world.accept(nodes[Math.floor(world.chance() * nodes.length)]!, each);
      };
      for (let n = 0; n < 20; n++) post();
      for (let turn = 0; turn < 8; turn++) {
        await world.timers.advance(2_000 + world.chance() * 10_000);
        const what = world.chance();
        if (nodes.length === 1 || (what < 0.5 && nodes.length < 4)) nodes.push(await joined(world));
        else {
          const [gone] = nodes.splice(Math.floor(world.chance() * nodes.length), 1);
          if (what < 0.75) drains.push(gone!.drain(1_000));
          else gone!.stop();
        }
        if (turn % 3 === 0) post();
      }
      const sent = world.receivers.requests.length;
      const fromMs = world.timers.nowMs() + 25_000;
      await world.timers.advance(25_000);
      for (let n = 0; n < 10 * limit; n++) post();
      await world.timers.advance(20_000);
      await Promise.all(drains);
      expect(sent).toBeGreaterThan(0);
      expect(claimed()).toBeLessThanOrEqual(limit);
      expect(mostInASecond(world)).toBeLessThanOrEqual(limit);
      // Whoever is there in the end has all of it, save what changes hands.
      const late = world.receivers.requests.filter(({ atMs }) => atMs >= fromMs).length;
      expect(late / 20).toBeGreaterThan(limit * 0.5);
      nodes.forEach((node) => node.stop());
      nodes = [];
    },
  );

  it('is one a second for three nodes, and each of them has its turn', async () => {
    const world = createWorld(5);
    const first = await started(world);
    const nodes = [first, await joined(world), await joined(world)];
    await world.timers.advance(30_000);
    const all = endpoints(world, 24, 1);
    for (const each of all) for (let n = 0; n < 4; n++) void world.accept(nodes[n % 3]!, each);
    await world.timers.advance(60_000);
    expect(mostInASecond(world)).toBe(1);
    const owners = new Set(
      world.receivers.requests.map(({ endpointId }) => {
        const { partition } = all.find(({ id }) => id === endpointId)!;
        return nodes.findIndex((node) => node.owns(partition) !== null);
      }),
    );
    expect(owners.size).toBe(3);
    expect(world.receivers.requests.length).toBeGreaterThan(30);
    nodes.forEach((node) => node.stop());
  });

  it('counts manual attempts', async () => {
    const world = createWorld();
    const node = await started(world);
    const [endpoint] = endpoints(world, 1, 2);
    const resends = Array.from({ length: 5 }, (_, n) =>
      node.resend({
        endpoint: endpoint!,
        messageId: `msg_${n}`,
        eventType: 'a',
        channels: null,
        tags: null,
        payload: new Uint8Array(1),
        contentType: 'application/json',
      }),
    );
    await world.timers.until(() => world.receivers.requests.length === 5, 10_000);
    expect(mostInASecond(world)).toBe(2);
    await world.timers.advance(100);
    await Promise.all(resends);
  });
});
