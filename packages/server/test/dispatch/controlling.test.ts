import { describe, expect, it } from 'vitest';
import type { LaneChange } from '../../src/dispatch/observer.ts';
import { answer } from './receivers.ts';
import { firstOf, joined, started, warm } from './steps.ts';
import { createWorld } from './world.ts';

const schedule = {
  retryPolicy: { kind: 'list', waitsSeconds: Array.from({ length: 30 }, () => 1) },
} as const;

describe('an endpoint that only fails', () => {
  it('is tried ever more seldom, one at a time, and what waits uses nothing up', async () => {
    const world = createWorld();
    const changes: LaneChange[] = [];
    const node = await started(world, {
      settings: schedule,
      observe: { laneChanged: (_, change) => void changes.push(change) },
    });
    const endpoint = await warm(world, node, 'a');
    world.behaviour.current = () => ({ afterMs: 20, result: answer(500) });
    for (let n = 0; n < 200; n++) void world.accept(node, endpoint);
    await world.timers.advance(30_000);
    const seen = world.receivers.requests.length;
    await world.timers.advance(270_000);
    expect(world.receivers.requests.length - seen).toBeLessThanOrEqual(8);
    expect(seen).toBeLessThan(40);
    const reasons = changes.flatMap((change) => (change.kind === 'blocked' ? [change.block.reason] : []));
    expect(new Set(reasons)).toEqual(new Set(['failing']));
    expect(world.tiny.laneRow(endpoint.id).block?.reason).toBe('failing');
    const rows = [...world.tiny.rows.values()];
    expect(rows).toHaveLength(200);
    expect(rows.filter(({ delivery }) => delivery.attemptsUsed === 0).length).toBeGreaterThan(100);
    // What is looked at is one row, not a window of them that goes back again.
    expect(node.numbers().rows).toBeLessThanOrEqual(1);

    world.behaviour.current = () => ({ afterMs: 20, result: answer(200) });
    const backAtMs = world.timers.nowMs();
    await world.timers.until(() => world.tiny.rows.size === 0, 120_000);
    const back = world.receivers.requests.filter(({ atMs }) => atMs >= backAtMs).map(({ atMs }) => atMs);
    expect(back[0]! - backAtMs).toBeLessThanOrEqual(61_000);
    expect(back.filter((atMs) => atMs < back[0]! + 20)).toHaveLength(1);
    expect(world.receivers.overlaps).toEqual([]);
    await world.timers.advance(3_000);
    expect(world.tiny.laneRow(endpoint.id)).toMatchObject({ block: null, failingSinceMs: null });
  });

  it('is asked by one attempt first by its next owner too', async () => {
    const world = createWorld();
    const old = await started(world, { settings: schedule });
    const endpoint = await warm(world, old, 'a');
    world.behaviour.current = () => ({ afterMs: 20, result: answer(500) });
    for (let n = 0; n < 50; n++) void world.accept(old, endpoint);
    await world.timers.advance(20_000);
    await firstOf(world, old.drain(1_000));
    const seen = world.receivers.requests.length;
    const next = await joined(world, { settings: schedule });
    await world.timers.until(() => next.numbers().partitions === 256, 20_000);
    await world.timers.until(() => world.receivers.requests.length > seen, 60_000);
    await world.timers.advance(500);
    expect(world.receivers.requests.length - seen).toBe(1);
  });

  it('goes on at once when a resend by hand shows that it is back', async () => {
    const world = createWorld();
    const node = await started(world, { settings: schedule });
    const endpoint = await warm(world, node, 'a');
    world.behaviour.current = () => ({ afterMs: 20, result: answer(500) });
    for (let n = 0; n < 50; n++) void world.accept(node, endpoint);
    await world.timers.until(() => world.tiny.laneRow(endpoint.id).block?.reason === 'failing', 60_000);
    await world.timers.advance(100);
    world.behaviour.current = () => ({ afterMs: 20, result: answer(200) });
    const request = {
      endpoint,
      messageId: 'by hand',
      eventType: 'invoice.paid',
      channels: null,
      tags: null,
      payload: new Uint8Array(3),
      contentType: 'application/json',
    };
    await firstOf(world, node.resend(request));
    await world.timers.until(() => world.tiny.rows.size === 0, 3_000);
    expect([...world.tiny.ends.values()].filter((end) => end === 'succeeded')).toHaveLength(51);
  });

  it('is disabled in the end, however many deliveries share its few attempts', async () => {
    const world = createWorld();
    const node = await started(world, {
      settings: {
        disableAfterMs: 3_600_000,
        retryPolicy: { kind: 'list', waitsSeconds: [60, 60, 60, 60, 60, 60, 60, 60, 7_200, 7_200, 7_200] },
      },
    });
    const endpoint = await warm(world, node, 'a');
    world.behaviour.current = () => ({ afterMs: 20, result: answer(500) });
    for (let n = 0; n < 300; n++) void world.accept(node, endpoint);
    await world.timers.until(() => world.tiny.disabled.length === 1, 4_000_000);
    expect(world.tiny.disabled).toEqual([{ endpointId: endpoint.id, reason: 'failing' }]);
    expect(world.tiny.rows.size).toBe(300);
  });
});

describe('an endpoint that answers 429 beyond its rate', () => {
  it('is driven at 0.9 to 1.05 of it within 30 s, and uses no attempts up', async () => {
    const world = createWorld();
    const node = await started(world);
    const endpoint = await warm(world, node, 'a');
    const startMs = world.timers.nowMs();
    let second = 0;
    let taken = 0;
    world.behaviour.current = () => {
      const now = Math.floor(world.timers.nowMs() / 1_000);
      if (now !== second) [second, taken] = [now, 0];
      return { afterMs: 4, result: answer(++taken > 100 ? 429 : 200) };
    };
    for (let n = 0; n < 7_000; n++) {
      void world.accept(node, endpoint);
      if (n % 100 === 0) await world.timers.advance(500);
    }
    await world.timers.advance(10_000);
    const at = (fromMs: number, toMs: number): number =>
      world.receivers.requests.filter(({ atMs }) => atMs >= startMs + fromMs && atMs < startMs + toMs)
        .length /
      ((toMs - fromMs) / 1_000);
    for (const fromMs of [15_000, 20_000, 25_000, 30_000]) {
      expect(at(fromMs, fromMs + 5_000)).toBeGreaterThanOrEqual(90);
      expect(at(fromMs, fromMs + 5_000)).toBeLessThanOrEqual(105);
    }
    expect([...world.tiny.ends.values()].every((end) => end === 'succeeded')).toBe(true);
  });
});

describe('an endpoint that answers 500 to half of what it gets', () => {
  it('gets fewer at a time, but not one by one', async () => {
    const world = createWorld();
    const node = await started(world, { settings: schedule });
    const endpoint = await warm(world, node, 'a');
    world.behaviour.current = () => ({ afterMs: 50, result: answer(200) });
    for (let n = 0; n < 1_500; n++) world.tiny.insert(world.delivery(endpoint), null);
    node.wake(endpoint.id, world.timers.nowMs());
    await world.timers.until(() => world.receivers.inFlight() > 10, 2_000);
    let asked = 0;
    world.behaviour.current = () => ({ afterMs: 50, result: answer(++asked % 2 === 0 ? 500 : 200) });
    await world.timers.advance(1_000);
    let most = 0;
    for (let n = 0; n < 100; n++) {
      await world.timers.advance(5);
      most = Math.max(most, world.receivers.inFlight());
    }
    expect(most).toBe(10);
    expect(world.tiny.rows.size).toBeGreaterThan(1_000);
  });
});
