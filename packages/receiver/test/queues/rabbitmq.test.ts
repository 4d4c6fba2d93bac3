import amqp from 'amqplib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { memoryDedup } from '../../src/dedup/memory.ts';
import { handOff } from '../../src/queues/index.ts';
import { consumeRabbit, type RabbitOptions } from '../../src/queues/rabbitmq.ts';
import { broker } from '../brokers/broker.ts';
import { startRabbit } from '../brokers/rabbitmq.ts';
import { eventually } from '../eventually.ts';
import { eventOf, gate } from '../events.ts';

const url = await broker('RabbitMQ', startRabbit);
const QUICK = { firstMs: 1, ceilingMs: 5 };

describe.skipIf(url === null)('RabbitMQ', () => {
  let connection: amqp.ChannelModel;
  beforeAll(async () => {
    connection = await amqp.connect(url ?? '');
  });
  afterAll(() => connection.close());

  const queues = async (name: string, type: 'classic' | 'quorum' = 'classic') => {
    const channel = await connection.createConfirmChannel();
    const dead = `${name}.dead`;
    for (const queue of [name, dead])
      await channel.assertQueue(queue, { durable: true, arguments: { 'x-queue-type': type } });
    const sink = handOff(async (message) => {
      channel.sendToQueue(name, Buffer.from(message), { persistent: true });
      await channel.waitForConfirms();
    });
    const consume = (options: Omit<RabbitOptions, 'queue' | 'deadLetterQueue'>) =>
      consumeRabbit(channel, { queue: name, deadLetterQueue: dead, backoff: QUICK, ...options });
    const ready = async (queue: string): Promise<number> => (await channel.checkQueue(queue)).messageCount;
    return { channel, sink, consume, ready, name, dead };
  };

  it.each(['classic', 'quorum'] as const)('handles each event once on a %s queue', async (type) => {
    const { sink, consume, ready, name } = await queues(`once-${type}`, type);
    for (let copy = 0; copy < 3; copy += 1) await sink.put(eventOf('a'), 'a');
    await sink.put(eventOf('b'), 'b');
    const handled: unknown[] = [];
    const facts: string[] = [];
    const stop = await consume({
      dedup: memoryDedup(),
      handle: (event) => handled.push(event.json()),
      seen: ({ kind }) => facts.push(kind),
    });
    await eventually(
      () => facts,
      ({ length }) => length >= 4,
    );
    await stop();
    expect(handled).toEqual([{ id: 'a' }, { id: 'b' }]);
    expect(await ready(name)).toBe(0);
  });

  it('counts the attempts across consumers, then moves the message to the dead-letter queue', async () => {
    const { channel, sink, consume, dead } = await queues('dead');
    await sink.put(eventOf('a'), 'a');
    const attempts: number[] = [];
    const fail = (_event: unknown, { attempt }: { readonly attempt: number }): never => {
      attempts.push(attempt);
      throw new RangeError('never');
    };
    const stop = await consume({ handle: fail, maxAttempts: 5 });
    await eventually(
      () => attempts,
      ({ length }) => length >= 2,
    );
    await stop();
    const stopSecond = await consume({ handle: fail, maxAttempts: 5 });
    const message = await eventually(
      async () => await channel.get(dead),
      (got) => got !== false,
    );
    await stopSecond();
    expect(attempts).toEqual([1, 2, 3, 4, 5]);
    expect(message && message.properties.headers).toMatchObject({
      'x-posthorn-attempt': 5,
      'x-posthorn-error': 'RangeError: never',
    });
    if (message) channel.ack(message);
  });

  it('gets a message again that a dead connection had in hand', async () => {
    const { sink, ready, name, dead, consume } = await queues('lost');
    await sink.put(eventOf('a'), 'a');
    const dying = await amqp.connect(url ?? '');
    const begun = gate();
    await consumeRabbit(await dying.createConfirmChannel(), {
      queue: name,
      deadLetterQueue: dead,
      handle: async () => {
        begun.open();
        await new Promise(() => {});
      },
    });
    await begun.passed;
    expect(await ready(name)).toBe(0);
    await dying.close();
    const handled: unknown[] = [];
    const stop = await consume({ handle: ({ id }) => handled.push(id) });
    await eventually(
      () => handled,
      ({ length }) => length === 1,
    );
    await stop();
  });

  it('stops after what is in hand, and refuses to start without the queues', async () => {
    const { sink, consume, ready, name } = await queues('stopping');
    await sink.put(eventOf('a'), 'a');
    const [begun, held] = [gate(), gate()];
    const stop = await consume({
      handle: async () => {
        begun.open();
        await held.passed;
      },
    });
    await begun.passed;
    const stopped = stop();
    held.open();
    await stopped;
    expect(await ready(name)).toBe(0);
    const channel = await connection.createConfirmChannel();
    channel.on('error', () => {});
    await expect(
      consumeRabbit(channel, { queue: name, deadLetterQueue: 'missing', handle: () => {} }),
    ).rejects.toThrow('missing');
  });
});
