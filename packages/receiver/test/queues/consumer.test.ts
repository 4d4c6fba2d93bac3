import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { DedupStore, SeenFact } from '../../src/contract.ts';
import { memoryDedup } from '../../src/dedup/memory.ts';
import { createConsumer, type DeadMessage, handOff, pack, unpack } from '../../src/queues/index.ts';
import { eventOf, gate } from '../events.ts';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const delivered = (text: string, attempt = 1, id: string | null = 'broker-1') => ({
  body: bytes(text),
  id,
  attempt,
  from: 'queue',
});
const random = (): number => 0;

describe('the rule of all queues', () => {
  it('handles one of 200 that come at once, and tells the others apart', async () => {
    const held = gate();
    let handled = 0;
    const consume = createConsumer({
      dedup: memoryDedup(),
      handle: async () => {
        handled += 1;
        await held.passed;
      },
    });
    const message = delivered(pack(eventOf('a'), 'a'));
    const verdicts = Array.from({ length: 200 }, () => consume(message));
    held.open();
    const kinds = (await Promise.all(verdicts)).map(({ kind }) => kind);
    expect(kinds.filter((kind) => kind === 'ack')).toHaveLength(1);
    expect(kinds.filter((kind) => kind === 'retry')).toHaveLength(199);
    expect(handled).toBe(1);
    expect(await consume(message)).toEqual({ kind: 'ack', why: 'duplicate' });
  });

  it('takes another message of the same event for a duplicate, another event not', async () => {
    const handled: unknown[] = [];
    const consume = createConsumer({ dedup: memoryDedup(), handle: ({ id }) => handled.push(id) });
    await consume(delivered(pack(eventOf('a'), 'a'), 1, 'broker-1'));
    await consume(delivered(pack(eventOf('a'), 'a'), 1, 'broker-2'));
    await consume(delivered(pack(eventOf('b'), 'b'), 1, 'broker-3'));
    // Without a key of its own, the broker's id.
    await consume(delivered(pack(eventOf('c'), null), 1, 'broker-4'));
    await consume(delivered(pack(eventOf('c'), null), 2, 'broker-4'));
    await consume(delivered(pack(eventOf('c'), null), 1, 'broker-5'));
    expect(handled).toEqual(['a', 'b', 'c', 'c']);
  });

  it('tries again with longer waits, then keeps a dead letter', async () => {
    const dead: DeadMessage[] = [];
    const facts: SeenFact[] = [];
    const consume = createConsumer({
      dedup: memoryDedup(),
      handle: () => {
        throw new RangeError('no such account');
      },
      maxAttempts: 3,
      backoff: { firstMs: 100, factor: 3 },
      random,
      deadLetter: (one) => dead.push(one),
      seen: (fact) => facts.push(fact),
    });
    const text = pack(eventOf('a'), 'a');
    expect(await consume(delivered(text, 1))).toMatchObject({ kind: 'retry', waitMs: 100, counts: true });
    expect(await consume(delivered(text, 2))).toMatchObject({ kind: 'retry', waitMs: 300, counts: true });
    expect(await consume(delivered(text, 3))).toEqual({ kind: 'ack', why: 'dead' });
    expect(dead).toMatchObject([{ key: 'a', attempts: 3, error: 'RangeError: no such account' }]);
    expect(facts.map(({ kind }) => kind)).toEqual(['failed', 'failed', 'failed', 'dead']);
    expect(JSON.stringify(facts)).not.toContain('account');
  });

  it('leaves the dead to the broker without a place for them, and to a retry when the place fails', async () => {
    const errors: unknown[] = [];
    const fail = (): never => {
      throw new Error('no');
    };
    const rule = { handle: fail, maxAttempts: 1, onError: (error: unknown) => errors.push(error) };
    expect(await createConsumer(rule)(delivered('x'))).toMatchObject({ kind: 'dead', attempts: 1 });
    const kept = createConsumer({ ...rule, deadLetter: () => Promise.reject(new Error('disk full')) });
    expect(await kept(delivered('x'))).toMatchObject({ kind: 'retry', counts: false });
    expect(errors.map(String)).toEqual(['Error: disk full']);
  });

  it('does not handle while the store is away, and acknowledges what it could not record', async () => {
    const away = (): Promise<never> => Promise.reject(new Error('store away'));
    const handled: string[] = [];
    const consumeOn = (store: DedupStore) =>
      createConsumer({ dedup: store, random, handle: ({ id }) => handled.push(id ?? '') });
    const store = memoryDedup();
    const text = pack(eventOf('a'), 'a');
    expect(await consumeOn({ ...store, claim: away })(delivered(text))).toMatchObject({
      kind: 'retry',
      counts: false,
    });
    expect(handled).toEqual([]);
    expect(await consumeOn({ ...store, done: away })(delivered(text))).toMatchObject({ why: 'processed' });
    expect(handled).toEqual(['a']);
  });

  it('aborts the signal when the lease is over, and tells when another has taken over', async () => {
    const facts: SeenFact[] = [];
    const store = memoryDedup();
    let taken: unknown;
    const consume = createConsumer({
      dedup: { store, leaseMs: 20 },
      seen: (fact) => facts.push(fact),
      handle: async (_event, { signal }) => {
        await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
        taken = await store.claim('handled:a', { ttlMs: 1_000, leaseMs: 1_000, nowMs: Date.now() + 1_000 });
      },
    });
    expect(await consume(delivered(pack(eventOf('a'), 'a')))).toEqual({ kind: 'ack', why: 'processed' });
    expect(taken).toMatchObject({ kind: 'first' });
    expect(facts.map(({ kind }) => kind)).toEqual(['overtaken']);
  });
});

describe('a packed event', () => {
  it('comes out as it went in', () => {
    const text = fc.string({ unit: 'binary' });
    fc.assert(
      fc.property(text, fc.option(text), fc.uint8Array(), (id, key, body) => {
        const unpacked = unpack(delivered(pack(eventOf(id, { body }), key), 1, null), 0);
        expect(unpacked.key).toBe(key);
        expect(unpacked.event.id).toBe(id);
        expect([...unpacked.event.body]).toEqual([...body]);
      }),
    );
  });

  it('may be anything else: then the message is the event', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json(), fc.constant('{"posthorn":1,"head":"x"}')), (text) => {
        expect(unpack(delivered(text), 7)).toMatchObject({
          key: 'queue:broker-1',
          event: { id: 'broker-1', source: 'queue', receivedAtMs: 7, body: bytes(text) },
        });
      }),
    );
  });
});

describe('handOff', () => {
  it('sends once, says duplicate after and full meanwhile', async () => {
    const held = gate();
    const sent: string[] = [];
    const sink = handOff(
      async (message) => {
        sent.push(message);
        await held.passed;
      },
      { dedup: memoryDedup() },
    );
    const first = sink.put(eventOf('a'), 'a');
    expect(await sink.put(eventOf('a'), 'a')).toMatchObject({ kind: 'full' });
    held.open();
    expect(await first).toEqual({ kind: 'stored' });
    expect(await sink.put(eventOf('a'), 'a')).toEqual({ kind: 'duplicate' });
    expect(sent).toHaveLength(1);
  });

  it('rejects when the queue does, and sends the next time', async () => {
    let up = false;
    const sink = handOff(() => (up ? Promise.resolve() : Promise.reject(new Error('queue away'))), {
      dedup: memoryDedup(),
    });
    await expect(sink.put(eventOf('a'), 'a')).rejects.toThrow('queue away');
    up = true;
    expect(await sink.put(eventOf('a'), 'a')).toEqual({ kind: 'stored' });
  });

  it('and the consuming half may share a store', async () => {
    const store = memoryDedup();
    const queue: string[] = [];
    const handled: unknown[] = [];
    const sink = handOff((message) => queue.push(message), { dedup: store });
    const consume = createConsumer({ dedup: store, handle: ({ id }) => handled.push(id) });
    await sink.put(eventOf('a'), 'a');
    await consume(delivered(queue[0] ?? ''));
    expect(handled).toEqual(['a']);
  });
});
