import { expect, describe, it } from 'vitest';
import { answer } from './receivers.ts';
import { firstOf, started } from './steps.ts';
import { createWorld, type World } from './world.ts';

/** The most requests that any second saw, a request counting at its start as at its arrival. */
const mostInASecond = (world: World): number => {
  const times = world.receivers.requests.map(({ atMs }) => atMs).sort((a, b) => a - b);
  let most = 0;
  for (let from = 0, to = 0; to < times.length; to++) {
    while (times[to]! - times[from]! >= 1_000) from++;
    most = Math.max(most, to - from + 1);
  }
  return most;
};

describe('an endpoint with a rate limit', () => {
  it('sees no more requests in any second, first tries and retries together, and is kept busy', async () => {
    const world = createWorld(7);
    const node = await started(world);
    const endpoint = world.endpoint('a', { rateLimit: 10 });
    let failures = 0;
    world.behaviour.current = () => ({
      afterMs: 1 + world.chance() * 400,
      // Not a 5xx: that would lower how many are in flight.
      result: answer(failures++ % 3 === 0 ? 400 : 200),
    });
    for (let n = 0; n < 60; n++) void world.accept(node, endpoint);
    const startMs = world.timers.nowMs();
    await world.timers.until(() => world.tiny.ends.size === 60, 120_000);
    expect(mostInASecond(world)).toBe(10);
    const seconds = (world.timers.nowMs() - startMs) / 1_000;
    // A slot lasts a response of 0.2 s and the window: never below 10 in 1.4 s while work waits.
    expect(seconds).toBeLessThan((world.receivers.requests.length / 10) * 1.4 + 8);
  });

  it('does not hold up another endpoint', async () => {
    const world = createWorld();
    const node = await started(world);
    const slow = world.endpoint('slow', { rateLimit: 1 });
    const free = world.endpoint('free');
    for (let n = 0; n < 20; n++) void world.accept(node, slow);
    for (let n = 0; n < 20; n++) void world.accept(node, free);
    const done = () => world.receivers.requests.filter(({ endpointId }) => endpointId === free.id).length;
    await world.timers.until(() => done() === 20, 500);
    expect(mostInASecond(world)).toBeGreaterThanOrEqual(20);
  });

  it('keeps it over a change of owner', async () => {
    const world = createWorld();
    const old = await started(world);
    const endpoint = world.endpoint('a', { rateLimit: 5 });
    for (let n = 0; n < 30; n++) void world.accept(old, endpoint);
    await world.timers.until(() => world.receivers.requests.length >= 7, 10_000);
    const next = world.node();
    const drained = old.drain(1_000);
    const start = next.start();
    await world.timers.until(() => world.tiny.ends.size === 30, 60_000);
    await start;
    await drained;
    expect(mostInASecond(world)).toBe(5);
  });

  it('counts what the owner before still has on its way, until it has ended', async () => {
    const world = createWorld();
    const old = await started(world);
    const endpoint = world.endpoint('a', { rateLimit: 2 });
    // The second one is slow: on a real network it may arrive at any time until it ends.
    let asked = 0;
    world.behaviour.current = () => ({ afterMs: ++asked === 2 ? 6_000 : 20, result: answer(200) });
    for (let n = 0; n < 8; n++) void world.accept(old, endpoint);
    await world.timers.until(() => world.receivers.requests.length === 2, 5_000);
    const slowEndsMs = world.receivers.requests[1]!.atMs + 6_000;
    const drained = old.drain(10_000);
    const next = world.node();
    const start = next.start();
    await world.timers.until(() => world.tiny.ends.size === 8, 60_000);
    await start;
    await drained;
    const byNext = world.receivers.requests.slice(2).map(({ atMs }) => atMs);
    // One slot beside the slow request, two again one window after its end.
    const beside = byNext.filter((atMs) => atMs < slowEndsMs + 1_000);
    expect(beside.length).toBeGreaterThanOrEqual(3);
    for (let i = 1; i < beside.length; i++) expect(beside[i]! - beside[i - 1]!).toBeGreaterThanOrEqual(1_000);
    const after = byNext.filter((atMs) => atMs >= slowEndsMs + 1_000);
    expect(after.slice(0, 2).every((atMs) => atMs < slowEndsMs + 2_500)).toBe(true);
  });

  it('waits for a window after it has seen what the owner before has left, however late that is', async () => {
    const world = createWorld();
    const old = await started(world);
    const endpoint = world.endpoint('a', { rateLimit: 1 });
    world.behaviour.current = () => ({ afterMs: 800, result: answer(200) });
    for (let n = 0; n < 3; n++) void world.accept(old, endpoint);
    await world.timers.until(() => world.receivers.requests.length === 1, 5_000);
    const endsMs = world.receivers.requests[0]!.atMs + 800;
    const drained = old.drain(5_000);
    // Its look comes when that has ended and is written, a second after it has got the partition.
    world.tiny.setWeather((operation) => ({
      thereMs: operation === 'loadLanes' || operation === 'dueLanes' ? 950 : 1,
      backMs: 1,
      fault: 'none',
    }));
    const next = world.node();
    const start = next.start();
    await world.timers.until(() => world.receivers.requests.length === 2, 20_000);
    await start;
    await drained;
    expect(world.receivers.requests[1]!.atMs - endsMs).toBeGreaterThanOrEqual(1_000);
  });

  it('counts resends, which come before what is queued', async () => {
    const world = createWorld();
    const node = await started(world);
    const endpoint = world.endpoint('a', { rateLimit: 2 });
    for (let n = 0; n < 20; n++) void world.accept(node, endpoint);
    await world.timers.until(() => world.receivers.requests.length >= 4, 10_000);
    const sent = Promise.all(
      ['m1', 'm2', 'm3'].map((messageId) =>
        node.resend({
          endpoint,
          messageId,
          eventType: 'invoice.paid',
          channels: null,
          tags: null,
          payload: new Uint8Array(3),
          contentType: 'application/json',
        }),
      ),
    );
    const before = world.receivers.requests.length;
    await firstOf(world, sent);
    // While one of them waits, the other slot may go to what is queued.
    const next = world.receivers.requests.slice(before, before + 4).map(({ messageId }) => messageId);
    expect(next).toEqual(expect.arrayContaining(['m1', 'm2', 'm3']));
    await world.timers.until(() => world.tiny.ends.size === 20, 60_000);
    expect(mostInASecond(world)).toBe(2);
  });

  it('goes on after a resend that had the only slot', async () => {
    const world = createWorld();
    const node = await started(world);
    const endpoint = world.endpoint('a', { rateLimit: 1 });
    const first = world.accept(node, endpoint);
    await world.timers.until(() => world.tiny.ends.size === 1, 10_000);
    await first;
    world.behaviour.current = () => ({ afterMs: 3_000, result: answer(200) });
    void node.resend({
      endpoint,
      messageId: 'm1',
      eventType: 'invoice.paid',
      channels: null,
      tags: null,
      payload: new Uint8Array(3),
      contentType: 'application/json',
    });
    await world.timers.until(() => world.receivers.inFlight() === 1, 5_000);
    void world.accept(node, endpoint);
    await world.timers.until(() => world.tiny.ends.size === 2, 20_000);
    expect(mostInASecond(world)).toBe(1);
  });

  it('that gets its limit while requests go out starts with a full window', async () => {
    const world = createWorld();
    const node = await started(world);
    const endpoint = world.endpoint('a');
    for (let n = 0; n < 20; n++) void world.accept(node, endpoint);
    await world.timers.until(() => world.receivers.requests.length === 20, 5_000);
    const limited = world.endpoint('a', { rateLimit: 3 });
    await firstOf(world, node.configChanged({ endpointId: endpoint.id }));
    const sinceMs = world.receivers.requests.at(-1)!.atMs;
    for (let n = 0; n < 6; n++) void world.accept(node, limited);
    await world.timers.until(() => world.receivers.requests.length === 26, 10_000);
    expect(world.receivers.requests[20]!.atMs - sinceMs).toBeGreaterThanOrEqual(1_000);
    expect(world.receivers.requests[23]!.atMs - world.receivers.requests[20]!.atMs).toBeGreaterThanOrEqual(
      1_000,
    );
  });

  it('that loses its limit and gets it again starts with a full window too', async () => {
    const world = createWorld();
    const node = await started(world);
    const change = async (rateLimit: number | null): Promise<ReturnType<World['endpoint']>> => {
      const endpoint = world.endpoint('a', { rateLimit });
      await firstOf(world, node.configChanged({ endpointId: endpoint.id }));
      return endpoint;
    };
    const post = async (to: ReturnType<World['endpoint']>, count: number): Promise<void> => {
      const before = world.receivers.requests.length;
      for (let n = 0; n < count; n++) void world.accept(node, to);
      await world.timers.until(() => world.receivers.requests.length === before + count, 10_000);
    };
    await post(world.endpoint('a', { rateLimit: 3 }), 1);
    await world.timers.advance(3_000);
    await post(await change(null), 20);
    const sinceMs = world.receivers.requests.at(-1)!.atMs;
    await post(await change(3), 1);
    expect(world.receivers.requests.at(-1)!.atMs - sinceMs).toBeGreaterThanOrEqual(1_000);
  });
});
