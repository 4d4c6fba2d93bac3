import { describe, expect, it } from 'vitest';
import { answer } from './receivers.ts';
import { firstOf, started, warm } from './steps.ts';
import { createWorld, type World } from './world.ts';

const SETTINGS = {
  maxInFlight: 64,
  laneConcurrency: 16,
  windowRows: 50,
  nodeRows: 400,
  pollLanes: 10,
  pollRows: 100,
};

const HANGING = { afterMs: 15_000, result: { kind: 'timeout', phase: 'headers' } } as const;

/** One application with work waiting for many endpoints, more than memory, polls and sockets take. */
const flooded = async (world: World, answerMs: number) => {
  const node = await started(world, { settings: SETTINGS });
  const quiet = await warm(world, node, 'quiet');
  world.tiny.endpoints.set(quiet.id, { ...quiet, applicationId: 'app_quiet' });
  await firstOf(world, node.configChanged({ endpointId: quiet.id }));
  world.behaviour.current = ({ endpoint }) => ({
    afterMs: endpoint.id === quiet.id ? 5 : answerMs,
    result: answer(200),
  });
  const endpoints = Array.from({ length: 100 }, (_, n) =>
    world.endpoint(`flood${n}`, { applicationId: 'app_flood' }),
  );
  for (const endpoint of endpoints) {
    for (let n = 0; n < 60; n++) world.tiny.insert(world.delivery(endpoint), null);
    node.wake(endpoint.id, world.timers.nowMs());
  }
  world.tiny.setWeather((operation) => {
    const ms = operation === 'poll' ? 8 : 1;
    return { thereMs: ms, backMs: ms, fault: 'none' };
  });
  await world.timers.advance(1_000);
  return { node, quiet: { ...quiet, applicationId: 'app_quiet' } };
};

const latencies = async (world: World, count: number, post: () => Promise<string>): Promise<number[]> => {
  const times: number[] = [];
  for (let n = 0; n < count; n++) {
    const fromMs = world.timers.nowMs();
    const key = await post();
    await world.timers.until(() => world.tiny.ends.has(key), 5_000);
    times.push(world.timers.nowMs() - fromMs);
    await world.timers.advance(37);
  }
  return times.toSorted((a, b) => a - b);
};

describe('an application with far more waiting than everything takes', () => {
  it.each([50, 500])(
    'does not delay the message of another, its receivers answering after %i ms: through memory',
    async (answerMs) => {
      const world = createWorld();
      const { node, quiet } = await flooded(world, answerMs);
      const times = await latencies(world, 30, async () => {
        const { key, by } = await firstOf(world, world.accept(node, quiet));
        expect(by).toBe('memory');
        return key;
      });
      expect(times.at(-1)).toBeLessThan(100);
      expect(world.tiny.rows.size).toBeGreaterThan(0);
      expect(node.numbers().rows).toBeLessThanOrEqual(SETTINGS.nodeRows);
    },
  );

  it.each([50, 500])(
    'does not delay the message of another, its receivers answering after %i ms: read from the store',
    async (answerMs) => {
      const world = createWorld();
      const { node, quiet } = await flooded(world, answerMs);
      const times = await latencies(world, 30, async () => {
        const draft = world.delivery(quiet);
        world.tiny.insert(draft, null);
        node.wake(quiet.id, world.timers.nowMs());
        return world.tiny.key(draft.messageId, draft.endpointId);
      });
      expect(times.at(-1)).toBeLessThan(100);
      expect(world.tiny.rows.size).toBeGreaterThan(0);
    },
  );
});

describe('endpoints that hang', () => {
  it('take no more than half of the sockets, and those that answer go on as before', async () => {
    const world = createWorld();
    const node = await started(world, { settings: { ...SETTINGS, nodeRows: 20_000 } });
    const well = await warm(world, node, 'well');
    world.behaviour.current = ({ endpoint }) =>
      endpoint.id === well.id ? { afterMs: 5, result: answer(200) } : HANGING;
    const hung = Array.from({ length: 100 }, (_, n) =>
      world.endpoint(`hung${n}`, { applicationId: `app_${n}` }),
    );
    let most = 0;
    for (let second = 0; second < 40; second++) {
      for (const endpoint of hung) world.tiny.insert(world.delivery(endpoint), null);
      for (const endpoint of hung) node.wake(endpoint.id, world.timers.nowMs());
      await world.timers.advance(500);
      const fromMs = world.timers.nowMs();
      const { key } = await firstOf(world, world.accept(node, well));
      await world.timers.until(() => world.tiny.ends.has(key), 1_000);
      expect(world.timers.nowMs() - fromMs).toBeLessThan(50);
      most = Math.max(most, node.numbers().inFlight);
      await world.timers.advance(500);
    }
    expect(most).toBeLessThanOrEqual(SETTINGS.maxInFlight / 2 + 1);
    expect(most).toBeGreaterThan(SETTINGS.maxInFlight / 4);
  });

  it('do not starve new endpoints of sockets either', async () => {
    const world = createWorld();
    const node = await started(world, { settings: { ...SETTINGS, nodeRows: 20_000 } });
    const bad = new Set<string>();
    world.behaviour.current = ({ endpoint }) =>
      bad.has(endpoint.id) ? HANGING : { afterMs: 5, result: answer(200) };
    for (let n = 0; n < 100; n++) {
      const endpoint = world.endpoint(`hung${n}`, { applicationId: `app_${n}` });
      bad.add(endpoint.id);
      for (let k = 0; k < 20; k++) world.tiny.insert(world.delivery(endpoint), null);
      node.wake(endpoint.id, world.timers.nowMs());
    }
    // Long enough for all of them to have been found out.
    await world.timers.advance(120_000);
    for (let n = 0; n < 20; n++) {
      const endpoint = world.endpoint(`new${n}`, { applicationId: `app_new${n}` });
      const fromMs = world.timers.nowMs();
      const { key } = await firstOf(world, world.accept(node, endpoint));
      await world.timers.until(() => world.tiny.ends.has(key), 5_000);
      expect(world.timers.nowMs() - fromMs).toBeLessThan(100);
    }
  });
});
