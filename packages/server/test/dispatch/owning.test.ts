import { describe, expect, it } from 'vitest';
import { answer } from './receivers.ts';
import { firstOf, started, warm } from './steps.ts';
import { createWorld, type World } from './world.ts';

describe('manual attempts', () => {
  const request = (endpoint: ReturnType<World['endpoint']>, messageId: string) => ({
    endpoint,
    messageId,
    eventType: 'invoice.paid',
    channels: null,
    tags: null,
    payload: new Uint8Array(3),
    contentType: 'application/json',
  });

  it('are recorded once, also when the store needs several tries, and end what is queued', async () => {
    const world = createWorld();
    const node = await started(world);
    const endpoint = world.endpoint('a');
    world.behaviour.current = () => ({ afterMs: 5, result: answer(500) });
    const { key } = await firstOf(world, world.accept(node, endpoint));
    await world.timers.until(() => world.receivers.requests.length === 1, 1_000);
    world.behaviour.current = () => ({ afterMs: 5, result: answer(200) });
    let faults = 2;
    world.tiny.setWeather((operation) => ({
      thereMs: 1,
      backMs: 1,
      fault: operation === 'settleManual' && faults-- > 0 ? (faults === 1 ? 'before' : 'after') : 'none',
    }));
    const reply = await firstOf(world, node.resend(request(endpoint, key.split(' ')[0]!)));
    expect(reply).toMatchObject({ kind: 'sent', succeeded: true });
    expect(world.tiny.ends.get(key)).toBe('succeeded');
    expect(world.tiny.attempts.filter(({ record }) => record?.trigger === 'manual')).toHaveLength(1);
    await world.timers.advance(10_000);
    expect(world.receivers.requests).toHaveLength(2);
  });

  it('leave a record of the scheduled attempt that they overtook', async () => {
    const world = createWorld();
    const node = await started(world);
    const endpoint = world.endpoint('a');
    world.behaviour.current = () => ({ afterMs: 3_000, result: answer(500) });
    const { key } = await firstOf(world, world.accept(node, endpoint));
    await world.timers.until(() => world.receivers.inFlight() === 1, 1_000);
    world.behaviour.current = () => ({ afterMs: 5, result: answer(200) });
    await firstOf(world, node.resend(request(endpoint, key.split(' ')[0]!)));
    await world.timers.advance(5_000);
    const causes = world.tiny.attempts.map(({ record }) => record?.trigger);
    expect(causes).toEqual(['manual', 'scheduled']);
    expect(world.receivers.requests).toHaveLength(2);
  });

  it('are bounded', async () => {
    const world = createWorld();
    const node = await started(world, { settings: { maxManual: 2 } });
    const endpoint = world.endpoint('a');
    const sent = Promise.all(['m1', 'm2', 'm3'].map((id) => node.resend(request(endpoint, id))));
    expect((await firstOf(world, sent)).map(({ kind }) => kind)).toEqual(['sent', 'sent', 'busy']);
  });
});

describe('ownership', () => {
  it('aborts before the lease ends when it cannot be renewed, and goes on when nobody took over', async () => {
    const world = createWorld();
    const kinds: string[] = [];
    const node = await started(world, {
      settings: { laneConcurrency: 1 },
      observe: { ownershipChanged: ({ kind }) => void kinds.push(kind) },
    });
    const endpoint = await warm(world, node, 'a');
    world.behaviour.current = () => ({ afterMs: 60_000, result: answer(200) });
    const { key } = await firstOf(world, world.accept(node, endpoint));
    await firstOf(world, world.accept(node, endpoint));
    await world.timers.until(() => world.receivers.inFlight() === 1, 1_000);
    world.tiny.setWeather((operation) => ({
      thereMs: 1,
      backMs: 1,
      fault: operation === 'heartbeat' ? 'before' : 'none',
    }));
    const cutAtMs = world.timers.nowMs();
    await world.timers.until(() => world.receivers.inFlight() === 0, 11_000);
    expect(world.timers.nowMs() - cutAtMs).toBeLessThan(9_001);
    expect(node.owns(endpoint.partition)).toBeNull();
    expect(node.admit(endpoint, 10, 1)).toBeNull();
    world.behaviour.current = () => ({ afterMs: 5, result: answer(200) });
    await world.timers.advance(5_000);
    expect(world.receivers.requests).toHaveLength(2);
    world.tiny.setWeather(null);
    await world.timers.until(() => world.tiny.ends.has(key), 5_000);
    expect(kinds).toEqual(['gained', 'lapsed', 'renewed']);
    const causes = world.tiny.attempts
      .filter((attempt) => attempt.key === key)
      .map(({ record }) => record?.report.result.kind);
    expect(causes).toEqual(['unknown', 'response']);
  });

  it('believes the wall clock when that says that the lease is over', async () => {
    const world = createWorld();
    let skewMs = 0;
    const node = await started(world, { wallSkewMs: () => skewMs });
    const endpoint = await warm(world, node, 'a');
    expect(node.owns(endpoint.partition)).not.toBeNull();
    skewMs = 3_600_000;
    expect(node.owns(endpoint.partition)).toBeNull();
    await world.timers.advance(4_000);
    expect(node.owns(endpoint.partition)).not.toBeNull();
  });

  it('starts nothing after a lapse before a heartbeat has renewed the lease, wherever the clock goes', async () => {
    const world = createWorld();
    let skewMs = 0;
    const node = await started(world, { wallSkewMs: () => skewMs });
    const endpoint = await warm(world, node, 'a');
    skewMs = 3_600_000;
    expect(node.owns(endpoint.partition)).toBeNull();
    skewMs = 0;
    expect(node.owns(endpoint.partition)).toBeNull();
    await firstOf(world, world.accept(node, endpoint));
    await world.timers.until(() => world.tiny.rows.size === 0, 5_000);
    expect(world.tiny.attempts.filter(({ record }) => record?.report.result.kind === 'unknown')).toEqual([]);
  });

  it('drops what it had when somebody else holds the partition', async () => {
    const world = createWorld();
    const node = await started(world, { settings: { laneConcurrency: 1 } });
    const endpoint = await warm(world, node, 'a');
    world.behaviour.current = () => ({ afterMs: 60_000, result: answer(200) });
    const all = Promise.all(Array.from({ length: 5 }, () => world.accept(node, endpoint)));
    await world.timers.until(() => world.receivers.inFlight() === 1, 1_000);
    await firstOf(world, all);
    Object.assign(world.tiny.partitions.get(endpoint.partition)!, { node: 'other', epoch: 9 });
    await world.timers.until(() => world.receivers.inFlight() === 0, 4_000);
    await world.timers.advance(1_000);
    expect(node.owns(endpoint.partition)).toBeNull();
    expect(node.numbers()).toMatchObject({ rows: 0, bytes: 0, inFlight: 0, partitions: 255 });
    expect(world.tiny.rows.size).toBe(5);
  });

  it('does not take a delivery into memory that an earlier tenure accepted', async () => {
    const world = createWorld();
    const node = await started(world);
    const endpoint = await warm(world, node, 'a');
    const draft = world.delivery(endpoint);
    const epoch = node.admit(endpoint, draft.payload.byteLength, 1);
    const stored = { ...draft, epoch: epoch! };
    expect(world.tiny.insert(stored, node.id)).toBe('held');
    // Somebody had the partition in between and it came back to us.
    Object.assign(world.tiny.partitions.get(endpoint.partition)!, { epoch: epoch! + 2 });
    await world.timers.until(() => node.owns(endpoint.partition) === epoch! + 2, 5_000);
    expect(node.commit(stored)).toBe(false);
    await world.timers.until(() => world.tiny.rows.size === 0, 10_000);
    expect(world.receivers.requests).toHaveLength(2);
    expect(world.tiny.attempts.filter(({ record }) => record === null)).toHaveLength(1);
  });

  it('frees with an unknown attempt what the last owner left behind', async () => {
    const world = createWorld();
    const old = await started(world);
    const endpoint = await warm(world, old, 'a');
    world.behaviour.current = () => ({ afterMs: 60_000, result: answer(200) });
    const all = Promise.all(Array.from({ length: 5 }, () => world.accept(old, endpoint)));
    await world.timers.until(() => world.receivers.inFlight() === 5, 1_000);
    await firstOf(world, all);
    old.stop();
    await world.timers.advance(10);
    world.behaviour.current = () => ({ afterMs: 5, result: answer(200) });
    const node = world.node();
    void node.start();
    await world.timers.until(() => world.tiny.rows.size === 0, 15_000);
    expect(world.tiny.attempts.filter(({ record }) => record === null)).toHaveLength(5);
    expect(world.receivers.requests).toHaveLength(11);
    expect(world.tiny.calls('takeOver')).toBeGreaterThan(1);
  });

  it('frees what an insert of unknown outcome left behind', async () => {
    const world = createWorld();
    const node = await started(world);
    const endpoint = await warm(world, node, 'a');
    const draft = world.delivery(endpoint);
    const epoch = node.admit(endpoint, draft.payload.byteLength, 1);
    expect(world.tiny.insert({ ...draft, epoch: epoch! }, node.id)).toBe('held');
    node.cancel(endpoint.id, draft.payload.byteLength);
    await world.timers.advance(20_000);
    expect(world.receivers.requests).toHaveLength(1);
    await world.timers.until(() => world.tiny.rows.size === 0, 25_000);
    expect(world.receivers.requests).toHaveLength(2);
    await world.timers.until(() => node.numbers().rows === 0, 100);
    expect(node.numbers().bytes).toBe(0);
  });
});

describe('leaving', () => {
  it('hands back what was queued at once and lets what is in flight end', async () => {
    const world = createWorld();
    const node = await started(world, { settings: { laneConcurrency: 2 } });
    const endpoint = await warm(world, node, 'a');
    world.behaviour.current = () => ({ afterMs: 3_000, result: answer(200) });
    const all = Promise.all(Array.from({ length: 10 }, () => world.accept(node, endpoint)));
    await world.timers.until(() => world.receivers.inFlight() === 2, 1_000);
    await firstOf(world, all);
    const drained = node.drain(10_000);
    expect(node.drain(1)).toBe(drained);
    const leftAtMs = world.timers.nowMs();
    await world.timers.until(() => world.tiny.partitions.get(endpoint.partition)!.node === null, 1_000);
    expect(world.timers.nowMs() - leftAtMs).toBeLessThan(100);
    expect([...world.tiny.rows.values()].filter(({ state }) => state === 'waiting')).toHaveLength(8);
    // The next owner spares what is in flight and delivers the rest.
    world.behaviour.current = () => ({ afterMs: 5, result: answer(200) });
    const next = world.node();
    void next.start();
    await world.timers.until(() => world.tiny.rows.size === 0, 5_000);
    expect(await firstOf(world, drained)).toEqual({ handedBack: 8, aborted: 0, unsettled: 0 });
    expect(world.receivers.requests).toHaveLength(11);
    expect(world.receivers.overlaps).toEqual([]);
    expect(world.tiny.attempts.filter(({ record }) => record === null)).toEqual([]);
  });

  it('aborts after the grace time and says so', async () => {
    const world = createWorld();
    const node = await started(world);
    const endpoint = await warm(world, node, 'a');
    world.behaviour.current = () => ({ afterMs: 60_000, result: answer(200) });
    await firstOf(world, world.accept(node, endpoint));
    await world.timers.until(() => world.receivers.inFlight() === 1, 1_000);
    const report = await firstOf(world, node.drain(1_000));
    expect(report).toEqual({ handedBack: 0, aborted: 1, unsettled: 0 });
    const [row] = world.tiny.rows.values();
    expect(row).toMatchObject({ state: 'waiting', delivery: { unknowns: 1, attemptsUsed: 0 } });
  });

  it('waits for its own inserts that are under way', async () => {
    const world = createWorld();
    const node = await started(world);
    const endpoint = await warm(world, node, 'a');
    const accepted = world.accept(node, endpoint, {}, 500);
    const drained = node.drain(5_000);
    expect(await firstOf(world, drained)).toEqual({ handedBack: 1, aborted: 0, unsettled: 0 });
    await accepted;
    expect([...world.tiny.rows.values()].map(({ state }) => state)).toEqual(['waiting']);
    expect(world.tiny.attempts.filter(({ record }) => record === null)).toEqual([]);
  });
});
