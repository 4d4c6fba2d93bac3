import { describe, expect, it } from 'vitest';
import type { LaneChange } from '../../src/dispatch/observer.ts';
import { answer } from './receivers.ts';
import { firstOf, started, warm } from './steps.ts';
import { createWorld } from './world.ts';

describe('what an endpoint says', () => {
  it('pauses the lane for a Retry-After and hands its queue back', async () => {
    const world = createWorld();
    const changes: LaneChange[] = [];
    const node = await started(world, {
      settings: { laneConcurrency: 1 },
      observe: { laneChanged: (_, change) => void changes.push(change) },
    });
    const endpoint = await warm(world, node, 'a');
    world.behaviour.current = () => ({ afterMs: 5, result: answer(429, '30') });
    const all = Promise.all(Array.from({ length: 5 }, () => world.accept(node, endpoint)));
    await world.timers.until(() => world.receivers.requests.length === 2, 1_000);
    await firstOf(world, all);
    const pausedAtMs = world.timers.nowMs();
    await world.timers.advance(100);
    expect(changes.map(({ kind }) => kind)).toEqual(['blocked']);
    expect(node.numbers().rows).toBe(0);
    expect([...world.tiny.rows.values()].every(({ state }) => state === 'waiting')).toBe(true);
    expect(world.tiny.laneRow(endpoint.id).block?.reason ?? null).toBeNull();
    await world.timers.advance(1_500);
    expect(world.tiny.laneRow(endpoint.id).block?.reason).toBe('retry_after');
    world.behaviour.current = () => ({ afterMs: 5, result: answer(200) });
    await world.timers.until(() => world.tiny.rows.size === 0, 60_000);
    expect(world.receivers.requests[2]!.atMs - pausedAtMs).toBeGreaterThanOrEqual(30_000);
    await world.timers.advance(2_000);
    expect(world.tiny.laneRow(endpoint.id).block).toBeNull();
  });

  it('disables an endpoint that says 410 again after the stop, and keeps its work', async () => {
    const world = createWorld();
    const node = await started(world);
    const endpoint = world.endpoint('a');
    world.behaviour.current = () => ({ afterMs: 5, result: answer(410) });
    await firstOf(world, world.accept(node, endpoint));
    await world.timers.until(() => world.tiny.disabled.length > 0, 20 * 60_000);
    await world.timers.advance(2_000);
    expect(world.tiny.disabled).toEqual([{ endpointId: endpoint.id, reason: 'gone' }]);
    expect(world.receivers.requests).toHaveLength(2);
    expect(world.tiny.rows.size).toBe(1);
    expect(node.admit(endpoint, 10, 1)).toBeNull();
    // Enabled again: it starts from nothing remembered.
    world.endpoint('a', { url: 'https://b.example/' });
    world.behaviour.current = () => ({ afterMs: 5, result: answer(200) });
    const changed = node.configChanged({ endpointId: endpoint.id });
    await world.timers.until(() => world.tiny.rows.size === 0, 10_000);
    await changed;
    expect(world.receivers.requests.at(-1)?.url).toBe('https://b.example/');
    await world.timers.advance(2_000);
    expect(world.tiny.laneRow(endpoint.id)).toMatchObject({
      block: null,
      goneSinceMs: null,
      failingSinceMs: null,
    });
  });

  it('writes what it remembers only when it changed', async () => {
    const world = createWorld();
    const node = await started(world, { settings: { retryPolicy: { kind: 'list', waitsSeconds: [] } } });
    const endpoint = await warm(world, node, 'a');
    world.behaviour.current = () => ({ afterMs: 5, result: answer(500) });
    for (let i = 0; i < 20; i++) {
      await firstOf(world, world.accept(node, endpoint));
      await world.timers.advance(500);
    }
    // The outage, and that the lane waits for some seconds.
    expect(world.tiny.calls('saveLane')).toBe(2);
    expect(world.tiny.laneRow(endpoint.id).failingSinceMs).not.toBeNull();
    world.behaviour.current = () => ({ afterMs: 5, result: answer(200) });
    await firstOf(world, world.accept(node, endpoint));
    await world.timers.advance(15_000);
    expect(world.tiny.calls('saveLane')).toBe(3);
    expect(world.tiny.laneRow(endpoint.id).failingSinceMs).toBeNull();
  });
});

describe('changes of configuration', () => {
  it('starts nothing with the old configuration once the change is confirmed', async () => {
    const world = createWorld();
    const node = await started(world, { settings: { laneConcurrency: 1 } });
    const endpoint = await warm(world, node, 'a');
    const all = Promise.all(Array.from({ length: 10 }, () => world.accept(node, endpoint)));
    await world.timers.until(() => world.receivers.requests.length === 3, 1_000);
    await firstOf(world, all);
    world.endpoint('a', { url: 'https://new.example/' });
    const confirmed = firstOf(world, node.configChanged({ applicationId: 'app_1' }));
    await confirmed;
    const before = world.receivers.requests.length;
    await world.timers.until(() => world.tiny.rows.size === 0, 1_000);
    const after = world.receivers.requests.slice(before);
    expect(after.length).toBeGreaterThan(5);
    expect(new Set(after.map(({ url }) => url))).toEqual(new Set(['https://new.example/']));
  });

  it('does not go by what an acceptance was matched with: the endpoint may have moved since', async () => {
    const world = createWorld();
    const node = await started(world);
    const before = world.endpoint('a', { url: 'https://old.example/' });
    // Moved, and confirmed by an owner before this one, which has read it once and heard nothing.
    world.endpoint('a', { url: 'https://new.example/' });
    for (let i = 0; i < 3; i++) {
      await firstOf(world, world.accept(node, before));
      await world.timers.until(() => world.tiny.rows.size === 0, 1_000);
    }
    expect(new Set(world.receivers.requests.map(({ url }) => url))).toEqual(
      new Set(['https://new.example/']),
    );
  });

  it('holds nothing against an endpoint that its old address has answered', async () => {
    const world = createWorld();
    const node = await started(world);
    const endpoint = await warm(world, node, 'a');
    world.behaviour.current = ({ endpoint: { url } }) =>
      url === endpoint.url ? { afterMs: 500, result: answer(410) } : { afterMs: 5, result: answer(200) };
    await firstOf(world, world.accept(node, endpoint));
    const moved = world.endpoint('a', { url: 'https://new.example/' });
    await firstOf(world, node.configChanged({ endpointId: endpoint.id }));
    await world.timers.advance(1_000);
    await firstOf(world, world.accept(node, moved));
    await world.timers.until(() => world.tiny.rows.size === 0, 5_000);
    expect(world.receivers.requests.at(-1)?.url).toBe('https://new.example/');
  });

  it('forgets a block that it has only read about, when the endpoint is moved', async () => {
    const world = createWorld();
    const first = await started(world);
    const endpoint = await warm(world, first, 'a');
    world.behaviour.current = () => ({ afterMs: 5, result: answer(410) });
    await firstOf(world, world.accept(first, endpoint));
    await world.timers.until(() => world.tiny.laneRow(endpoint.id).block !== null, 5_000);
    first.stop();
    world.behaviour.current = () => ({ afterMs: 5, result: answer(200) });
    await world.timers.advance(12_000);
    const second = await started(world);
    await world.timers.until(() => second.numbers().lanes > 0, 5_000);
    world.endpoint('a', { url: 'https://new.example/' });
    Object.assign(world.tiny.laneRow(endpoint.id), { block: null, failingSinceMs: null, goneSinceMs: null });
    await firstOf(world, second.configChanged({ endpointId: endpoint.id }));
    await world.timers.until(() => world.tiny.rows.size === 0, 5_000);
    expect(world.receivers.requests.at(-1)?.url).toBe('https://new.example/');
  });

  it('sees a change made elsewhere within some seconds', async () => {
    const world = createWorld();
    const node = await started(world);
    const endpoint = await warm(world, node, 'a');
    world.endpoint('a', { disabled: true });
    for (let i = 0; i < 100; i++) {
      void world.accept(node, endpoint);
      await world.timers.advance(100);
    }
    const lastAtMs = world.receivers.requests.at(-1)!.atMs;
    expect(world.timers.nowMs() - lastAtMs).toBeGreaterThan(4_000);
    expect([...world.tiny.rows.values()].every(({ state }) => state === 'waiting')).toBe(true);
  });

  it('does not keep a delivery in memory that was accepted before the endpoint was disabled', async () => {
    const world = createWorld();
    const node = await started(world);
    const endpoint = await warm(world, node, 'a');
    const accepted = world.accept(node, endpoint, {}, 500);
    world.endpoint('a', { disabled: true });
    await firstOf(world, node.configChanged({ endpointId: endpoint.id }));
    expect((await firstOf(world, accepted)).by).toBe('memory');
    await world.timers.until(() => node.numbers().rows === 0, 1_000);
    // Enabled elsewhere: nobody tells us.
    world.endpoint('a', { disabled: false });
    await world.timers.until(() => world.tiny.rows.size === 0, 10_000);
  });

  it('ends everything open for a deleted endpoint', async () => {
    const world = createWorld();
    const node = await started(world, { settings: { laneConcurrency: 1 } });
    const endpoint = await warm(world, node, 'a');
    const all = Promise.all(Array.from({ length: 10 }, () => world.accept(node, endpoint)));
    await world.timers.until(() => world.receivers.requests.length === 3, 1_000);
    await firstOf(world, all);
    world.tiny.endpoints.delete(endpoint.id);
    await firstOf(world, node.configChanged({ endpointId: endpoint.id }));
    const before = world.receivers.requests.length;
    await world.timers.until(() => world.tiny.rows.size === 0, 5_000);
    await world.timers.advance(5_000);
    expect(world.receivers.requests).toHaveLength(before);
    expect([...world.tiny.ends.values()].filter((end) => end === 'dead').length).toBeGreaterThan(5);
    expect(node.numbers()).toMatchObject({ rows: 0, bytes: 0, lanes: 0 });
  });
});
