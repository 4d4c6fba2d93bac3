import { randomUUID } from 'node:crypto';
import { type Consumer, Kafka, logLevel, type Producer } from 'kafkajs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { memoryDedup } from '../../src/dedup/memory.ts';
import { handOff } from '../../src/queues/index.ts';
import { consumeKafka, type KafkaOptions } from '../../src/queues/kafka.ts';
import { broker, until } from '../brokers/broker.ts';
import { startKafka } from '../brokers/kafka.ts';
import { eventually } from '../eventually.ts';
import { eventOf, gate } from '../events.ts';

const address = await broker('Kafka', startKafka);
const QUICK = { firstMs: 1, ceilingMs: 5 };

describe.skipIf(address === null)('Kafka', () => {
  const kafka = new Kafka({ brokers: [address ?? ''], logLevel: logLevel.NOTHING });
  const admin = kafka.admin();
  let producer: Producer;
  const consumers: Consumer[] = [];
  beforeAll(async () => {
    producer = kafka.producer();
    await until(() => admin.connect());
    await producer.connect();
  });
  afterAll(async () => {
    await Promise.all(consumers.map((consumer) => consumer.disconnect()));
    await producer.disconnect();
    await admin.disconnect();
  });

  const topicOf = async (numPartitions = 1) => {
    const topic = randomUUID();
    const dead = `${topic}.dead`;
    await admin.createTopics({
      waitForLeaders: true,
      topics: [
        { topic, numPartitions },
        { topic: dead, numPartitions: 1 },
      ],
    });
    const sink = handOff((value, { id }) =>
      producer.send({ topic, messages: [{ key: id?.split('.')[0] ?? null, value }] }),
    );
    const consume = async (options: Omit<KafkaOptions, 'deadLetter'>): Promise<Consumer> => {
      const consumer = kafka.consumer({ groupId: topic, maxWaitTimeInMs: 50, rebalanceTimeout: 2_000 });
      consumers.push(consumer);
      await consumer.connect();
      await consumer.subscribe({ topic, fromBeginning: true });
      await consumeKafka(consumer, { backoff: QUICK, deadLetter: { producer, topic: dead }, ...options });
      return consumer;
    };
    const committed = async (): Promise<number> => {
      const [offsets] = await admin.fetchOffsets({ groupId: topic, topics: [topic] });
      return (offsets?.partitions ?? []).reduce((sum, { offset }) => sum + Math.max(0, Number(offset)), 0);
    };
    return { topic, dead, sink, consume, committed };
  };

  it('keeps the order of each partition, whatever fails, and handles each event once', async () => {
    const { sink, consume, committed } = await topicOf(3);
    const keys = ['a', 'b', 'c', 'd'];
    for (let index = 0; index < 5; index += 1)
      for (const key of keys) {
        await sink.put(eventOf(`${key}.${index}`), `${key}.${index}`);
        if (index === 2) await sink.put(eventOf(`${key}.${index}`), `${key}.${index}`);
      }
    const handled: string[] = [];
    await consume({
      partitions: 3,
      dedup: memoryDedup(),
      handle: ({ id }, { attempt }) => {
        if (attempt === 1 && id?.endsWith('3')) throw new Error('flaky');
        handled.push(id ?? '');
      },
    });
    await eventually(committed, (count) => count === 24);
    for (const key of keys)
      expect(handled.filter((id) => id.startsWith(key))).toEqual(
        [0, 1, 2, 3, 4].map((index) => `${key}.${index}`),
      );
  });

  it('moves what is out of attempts to the dead-letter topic and goes on', async () => {
    const { sink, consume, committed, topic, dead } = await topicOf();
    await sink.put(eventOf('bad'), 'bad');
    await sink.put(eventOf('good'), 'good');
    const handled: unknown[] = [];
    await consume({
      maxAttempts: 3,
      handle: ({ id }, { attempt }) => {
        handled.push([id, attempt]);
        if (id === 'bad') throw new RangeError('never');
      },
    });
    await eventually(committed, (count) => count === 2);
    expect(handled).toEqual([
      ['bad', 1],
      ['bad', 2],
      ['bad', 3],
      ['good', 1],
    ]);
    const letters: Record<string, string>[] = [];
    const reader = kafka.consumer({ groupId: randomUUID(), maxWaitTimeInMs: 50 });
    consumers.push(reader);
    await reader.connect();
    await reader.subscribe({ topic: dead, fromBeginning: true });
    await reader.run({
      eachMessage: async ({ message: { headers = {} } }) => {
        letters.push(
          Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, String(value)])),
        );
      },
    });
    await eventually(
      () => letters,
      ({ length }) => length === 1,
    );
    expect(letters).toEqual([
      {
        'x-posthorn-error': 'RangeError: never',
        'x-posthorn-attempts': '3',
        'x-posthorn-from': `${topic}:0:0`,
      },
    ]);
  });

  it('commits after the end of the work only: the next consumer gets what was in hand', async () => {
    const { sink, consume, committed } = await topicOf();
    await sink.put(eventOf('a'), 'a');
    await sink.put(eventOf('b'), 'b');
    const begun = gate();
    const stopping = new AbortController();
    const store = memoryDedup();
    const first = await consume({
      dedup: store,
      signal: stopping.signal,
      backoff: { firstMs: 600_000, ceilingMs: 600_000 },
      handle: ({ id }) => {
        if (id !== 'b') return;
        begun.open();
        throw new Error('not here');
      },
    });
    await begun.passed;
    await eventually(committed, (count) => count === 1);
    stopping.abort();
    await first.disconnect();
    const handled: unknown[] = [];
    await consume({ dedup: store, handle: ({ id }) => handled.push(id) });
    await eventually(committed, (count) => count === 2);
    expect(handled).toEqual(['b']);
  });
});
