import { describe, expect, it } from 'vitest';
import { answer } from './receivers.ts';
import { firstOf, started, warm } from './steps.ts';
import { createWorld, type World } from './world.ts';

const DAY_MS = 86_400_000;

/** Stores a message as acceptance does when it is scheduled. */
const schedule = (
  world: World,
  node: Awaited<ReturnType<typeof started>>,
  name: string,
  dueMs: number,
  expiresAtMs: number | null = null,
): string => {
  const draft = world.delivery(world.endpoint(name), { expiresAtMs });
  world.tiny.insert(draft, null, dueMs);
  node.wake(draft.endpointId, dueMs);
  return world.tiny.key(draft.messageId, draft.endpointId);
};

describe('a scheduled delivery', () => {
  it('goes out when it is due, and holds up nothing until then', async () => {
    const world = createWorld();
    const node = await started(world);
    const endpoint = await warm(world, node, 'a');
    const nowMs = world.timers.nowMs();
    const dues = [1_000, 5_000, 30_000, 60_000].map((ms) => nowMs + ms);
    for (const dueMs of dues.toReversed()) schedule(world, node, 'a', dueMs);
    await firstOf(world, world.accept(node, endpoint));
    await world.timers.until(() => world.receivers.requests.length === 2, 100);
    await world.timers.until(() => world.tiny.rows.size === 0, 70_000);
    const late = world.receivers.requests.slice(2).map(({ atMs }, index) => atMs - dues[index]!);
    for (const ms of late) expect(ms).toBeGreaterThanOrEqual(0);
    for (const ms of late) expect(ms).toBeLessThan(50);
  });

  it('costs no looks at the store while it waits', async () => {
    const world = createWorld();
    const node = await started(world);
    await warm(world, node, 'a');
    const before = world.tiny.calls('poll');
    for (let n = 0; n < 100; n++) schedule(world, node, 'a', world.timers.nowMs() + DAY_MS);
    await world.timers.advance(60_000);
    expect(world.tiny.calls('poll')).toBe(before);
  });
});

describe('a delivery that expires', () => {
  it('is canceled where it waits, and where its endpoint is paused', async () => {
    const world = createWorld();
    const node = await started(world);
    world.endpoint('a');
    const key = schedule(world, node, 'a', world.timers.nowMs() + 600_000, world.timers.nowMs() + 5_000);
    await world.timers.until(() => world.tiny.ends.get(key) === 'canceled', 10_000);
    expect(world.receivers.requests).toEqual([]);
  });

  it('is not tried again after it, however many attempts were left', async () => {
    const world = createWorld();
    const node = await started(world, {
      settings: { retryPolicy: { kind: 'list', waitsSeconds: [1, 1, 1, 3_600] } },
    });
    const endpoint = await warm(world, node, 'a');
    world.behaviour.current = () => ({ afterMs: 5, result: answer(500) });
    const expiresAtMs = world.timers.nowMs() + 2_500;
    const { key } = await firstOf(world, world.accept(node, endpoint, { expiresAtMs }));
    await world.timers.until(() => world.tiny.ends.get(key) === 'canceled', 10_000);
    expect(world.receivers.requests.length).toBe(4);
    expect(world.timers.nowMs() - expiresAtMs).toBeLessThan(1_100);
  });

  it('is canceled rather than sent when its turn in memory comes too late', async () => {
    const world = createWorld();
    const node = await started(world, { settings: { laneConcurrency: 1 } });
    const endpoint = await warm(world, node, 'a');
    world.behaviour.current = () => ({ afterMs: 3_000, result: answer(200) });
    const expiresAtMs = world.timers.nowMs() + 4_000;
    const all = Promise.all(
      [{}, { expiresAtMs }, { expiresAtMs }, { expiresAtMs }, {}].map((more) =>
        world.accept(node, endpoint, more),
      ),
    );
    const accepted = await firstOf(world, all);
    expect(accepted.map(({ by }) => by)).toEqual(Array.from({ length: 5 }, () => 'memory'));
    await world.timers.until(() => world.tiny.rows.size === 0, 30_000);
    const ends = accepted.map(({ key }) => world.tiny.ends.get(key));
    expect(ends).toEqual(['succeeded', 'succeeded', 'canceled', 'canceled', 'succeeded']);
    for (const { atMs, messageId } of world.receivers.requests) {
      const isLate = atMs >= expiresAtMs;
      expect(isLate && ends[accepted.findIndex(({ key }) => key.startsWith(messageId))] === 'canceled').toBe(
        false,
      );
    }
    await world.timers.until(() => node.numbers().rows === 0, 1_000);
    expect(node.numbers().bytes).toBe(0);
  });
});
