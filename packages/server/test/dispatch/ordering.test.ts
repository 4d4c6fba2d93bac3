// Orders on the model of the store: what an owner knows of them, and what a crash leaves of that.
import { describe, expect, it } from 'vitest';
import type { EndpointConfig } from '../../src/domain/configuration.ts';
import { priorities, WHOLE_ENDPOINT } from '../../src/domain/delivery.ts';
import { createModelDatabase, type ModelDatabase } from './model-database.ts';
import { answer } from './receivers.ts';
import { joined, started } from './steps.ts';
import { createWorld, type NodeOptions, type World } from './world.ts';

type Node = Awaited<ReturnType<typeof started>>;

const HOUR_MS = 3_600_000;
/** Nothing is found by looking again and again: only what somebody tells. */
const blind: NonNullable<NodeOptions['settings']> = {
  dueScanMs: HOUR_MS,
  sharedScanMs: HOUR_MS,
  repairMs: HOUR_MS,
  sweepMs: HOUR_MS,
};
/** Only what a crash could hide is looked for by nobody. */
const withoutRepair: NonNullable<NodeOptions['settings']> = { repairMs: HOUR_MS };

const create = () => {
  let database!: ModelDatabase;
  const world = createWorld(1, (timers) => {
    database = createModelDatabase(timers, { current: () => ({ thereMs: 1, backMs: 1, fault: 'none' }) });
    return database.store;
  });
  const endpointOf = (name: string, more: Partial<EndpointConfig> = {}): EndpointConfig => {
    const endpoint = world.endpoint(name, more);
    database.addEndpoint(endpoint);
    return endpoint;
  };
  /** Accepts a message with an order as ingest does; the node hears of it. */
  const accept = async (node: Node, to: EndpointConfig, orderKey: string): Promise<string> => {
    const draft = world.delivery(to, { orderKey });
    await database.insert(draft, node.id, null);
    node.wake(to.id, node.clock.nowMs(), orderKey);
    return draft.messageId;
  };
  const sent = (): string[] => world.receivers.requests.map(({ messageId }) => messageId);
  return { world, database, endpointOf, accept, sent };
};

const run = async (world: World, isOver: () => boolean, limitMs: number): Promise<number> => {
  const beganMs = world.timers.nowMs();
  await world.timers.until(isOver, limitMs);
  return world.timers.nowMs() - beganMs;
};

describe('an order', () => {
  it('goes on as soon as the end of the one before is written, without anybody looking for it', async () => {
    const { world, database, endpointOf, accept, sent } = create();
    const node = await started(world, { settings: blind });
    const fifo = endpointOf('fifo', { fifo: true });
    const ids: string[] = [];
    for (let n = 0; n < 30; n++) ids.push(await accept(node, fifo, WHOLE_ENDPOINT));
    // A round trip to the receiver (5 ms) and two to the store (2 ms each).
    const tookMs = await run(world, () => database.openCount() === 0, 2_000);
    expect(sent()).toEqual(ids);
    expect(tookMs).toBeLessThan(30 * 20);
    expect(world.receivers.peaks.endpoint).toBe(1);
    node.stop();
  });

  it('waits for the retry of its first, and no key for another', async () => {
    const { world, database, endpointOf, accept, sent } = create();
    const node = await started(world, { settings: blind });
    const endpoint = endpointOf('keyed');
    let isBad = true;
    const first = await accept(node, endpoint, 'a');
    world.behaviour.current = ({ messageId }) => ({
      afterMs: 5,
      result: answer(messageId === first && isBad ? 500 : 200),
    });
    const second = await accept(node, endpoint, 'a');
    const other = await accept(node, endpoint, 'b');
    await run(world, () => sent().length === 2, 500);
    expect(sent().toSorted()).toEqual([first, other].toSorted());
    isBad = false;
    await run(world, () => database.openCount() === 0, 5_000);
    expect(sent().slice(2)).toEqual([first, second]);
    node.stop();
  });

  it('comes before urgency, which counts among the first of all keys', async () => {
    const { world, database, endpointOf, sent } = create();
    const node = await started(world, { settings: { ...blind, laneConcurrency: 1 } });
    const endpoint = endpointOf('keyed');
    const { critical, bulk } = priorities;
    const drafts = [
      { orderKey: 'a', priority: bulk },
      { orderKey: 'a', priority: critical },
      { orderKey: 'b', priority: critical },
      { orderKey: 'c', priority: bulk },
    ].map((more) => world.delivery(endpoint, more));
    for (const draft of drafts) await database.insert(draft, node.id, null);
    for (const key of ['a', 'b', 'c']) node.wake(endpoint.id, node.clock.nowMs(), key);
    await run(world, () => database.openCount() === 0, 5_000);
    const [bulkOfA, criticalOfA, criticalOfB, bulkOfC] = drafts.map(({ messageId }) => messageId);
    expect(sent()).toEqual([criticalOfB, bulkOfA, bulkOfC, criticalOfA]);
    node.stop();
  });

  it('keeps what it knows in bounds with very many keys, and many at once on their way', async () => {
    const { world, database, endpointOf, accept } = create();
    const KEYS = 1_500;
    const node = await started(world, { settings: { ...blind, laneConcurrency: 8, windowRows: 40 } });
    const endpoint = endpointOf('many');
    world.behaviour.current = () => ({ afterMs: 20, result: answer(200) });
    for (let n = 0; n < KEYS; n++) await accept(node, endpoint, `key ${n}`);
    let most = 0;
    await run(
      world,
      () => {
        most = Math.max(most, node.numbers().rows);
        return database.openCount() === 0;
      },
      60_000,
    );
    // A window, and half of one for what has an order.
    expect(most).toBeLessThanOrEqual(60);
    expect(world.receivers.peaks.endpoint).toBeGreaterThan(4);
    node.stop();
  }, 60_000);
});

describe('what a crash leaves of an order', () => {
  it('is found by its next owner, though the end of the first was the last that was written', async () => {
    const { world, database, endpointOf, accept, sent } = create();
    const node = await started(world, { settings: withoutRepair });
    const fifo = endpointOf('fifo', { fifo: true });
    world.behaviour.current = () => ({ afterMs: 3_000, result: answer(200) });
    const first = await accept(node, fifo, WHOLE_ENDPOINT);
    const second = await accept(node, fifo, WHOLE_ENDPOINT);
    // The owner has looked at everything: nothing is due but by the end of what is in flight.
    await run(world, () => database.hint(fifo.id) === Infinity, 2_900);
    expect(sent()).toEqual([first]);
    await run(world, () => !database.isOpen(`${first} ${fifo.id}`), 5_000);
    node.stop();
    const next = await joined(world, { settings: withoutRepair });
    await run(world, () => database.openCount() === 0, 30_000);
    expect(sent()).toEqual([first, second]);
    next.stop();
  });

  it('is found by its next owner, though somebody else had it locked and tells nobody', async () => {
    const { world, database, endpointOf, sent } = create();
    const node = await started(world, { settings: withoutRepair });
    const fifo = endpointOf('fifo', { fifo: true });
    const draft = world.delivery(fifo, { orderKey: WHOLE_ENDPOINT });
    await database.insert(draft, node.id, null);
    const unlock = database.lock(`${draft.messageId} ${fifo.id}`);
    node.wake(fifo.id, node.clock.nowMs(), WHOLE_ENDPOINT);
    await world.timers.advance(4_000);
    node.stop();
    unlock();
    const next = await joined(world, { settings: withoutRepair });
    await run(world, () => database.openCount() === 0, 30_000);
    expect(sent()).toEqual([draft.messageId]);
    next.stop();
  });

  it('is found by its next owner, though it had no room for all that was due', async () => {
    const { world, database, endpointOf, accept, sent } = create();
    const settings = { ...withoutRepair, laneConcurrency: 1, windowRows: 2 };
    const node = await started(world, { settings });
    const endpoint = endpointOf('keyed');
    world.behaviour.current = () => ({ afterMs: 14_000, result: answer(200) });
    const ids: string[] = [];
    for (const key of ['a', 'b', 'c', 'd']) ids.push(await accept(node, endpoint, key));
    await world.timers.advance(5_000);
    expect(sent()).toHaveLength(1);
    node.stop();
    world.behaviour.current = () => ({ afterMs: 5, result: answer(200) });
    const next = await joined(world, { settings });
    await run(world, () => database.openCount() === 0, 60_000);
    expect(new Set(sent())).toEqual(new Set(ids));
    next.stop();
  });

  it('counts as in flight until its owner, who has left, has written its end', async () => {
    const { world, database, endpointOf, accept, sent } = create();
    const node = await started(world, { settings: withoutRepair });
    const fifo = endpointOf('fifo', { fifo: true });
    world.behaviour.current = () => ({ afterMs: 4_000, result: answer(200) });
    const first = await accept(node, fifo, WHOLE_ENDPOINT);
    const second = await accept(node, fifo, WHOLE_ENDPOINT);
    await run(world, () => sent().length === 1, 1_000);
    const sentMs = world.timers.nowMs();
    void node.drain(10_000);
    const next = await joined(world, { settings: withoutRepair });
    await run(world, () => next.numbers().partitions === 256, 3_000);
    world.behaviour.current = () => ({ afterMs: 5, result: answer(200) });
    await run(world, () => sent().length === 2, 10_000);
    expect(sent()).toEqual([first, second]);
    // Not before the first had ended, and not long after.
    const waitedMs = world.timers.nowMs() - sentMs;
    expect(waitedMs).toBeGreaterThanOrEqual(4_000);
    expect(waitedMs).toBeLessThan(6_000);
    await run(world, () => database.openCount() === 0, 5_000);
    next.stop();
  });
});
