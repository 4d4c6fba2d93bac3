import { Queue, QueueEvents, Worker } from 'bullmq';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { redisDedup } from '../../src/dedup/redis.ts';
import { bullmqProcessor } from '../../src/queues/bullmq.ts';
import { handOff } from '../../src/queues/index.ts';
import { broker } from '../brokers/broker.ts';
import { startRedis } from '../brokers/redis.ts';
import { eventually } from '../eventually.ts';
import { eventOf } from '../events.ts';

const redis = await broker('Redis (for BullMQ)', startRedis);

describe.skipIf(redis === null)('BullMQ', () => {
  const connection = { host: '127.0.0.1', port: redis?.port ?? 0 };
  let client: Redis;
  const errors: unknown[] = [];
  const closing: { close: () => Promise<unknown> }[] = [];
  beforeAll(() => {
    client = new Redis(connection.port);
  });
  afterAll(async () => {
    for (const one of closing.toReversed()) await one.close();
    await client.quit();
  });
  const queueNamed = (name: string): Queue => {
    const queue = new Queue(name, { connection });
    closing.push(queue, new QueueEvents(name, { connection }));
    return queue;
  };
  const workOn = (queue: Queue, options: Parameters<typeof bullmqProcessor>[0]): void => {
    const worker = new Worker(queue.name, bullmqProcessor(options), { connection, concurrency: 5 });
    worker.on('error', (error) => errors.push(error));
    closing.push(worker);
  };
  const QUICK = { firstMs: 1, ceilingMs: 5 };

  it('handles what was handed off once, however often it was', async () => {
    const queue = queueNamed('once');
    const sink = handOff((message) => queue.add('webhook', message));
    const handled: unknown[] = [];
    for (let copy = 0; copy < 3; copy += 1) await sink.put(eventOf('a'), 'a');
    await sink.put(eventOf('b'), 'b');
    workOn(queue, {
      dedup: redisDedup(client),
      handle: (event) => handled.push(event.json()),
      backoff: QUICK,
    });
    await eventually(
      () => queue.getCompletedCount(),
      (count) => count === 4,
    );
    expect(handled).toHaveLength(2);
    expect(handled).toEqual(expect.arrayContaining([{ id: 'a' }, { id: 'b' }]));
  });

  it('tries again as often as told here, although the job says once', async () => {
    const queue = queueNamed('again');
    const attempts: number[] = [];
    await handOff((message) => queue.add('webhook', message, { attempts: 1 })).put(eventOf('again'), 'again');
    workOn(queue, {
      dedup: redisDedup(client),
      backoff: QUICK,
      handle: (_event, { attempt }) => {
        attempts.push(attempt);
        if (attempt < 4) throw new Error('not yet');
      },
    });
    await eventually(
      () => queue.getCompletedCount(),
      (count) => count === 1,
    );
    expect(attempts).toEqual([1, 2, 3, 4]);
    expect(errors).toEqual([]);
  });

  it('fails what is out of attempts, although the job says more, or keeps it where told', async () => {
    const fail = (): never => {
      throw new RangeError('never');
    };
    const queue = queueNamed('dead');
    await queue.add('webhook', 'any', { attempts: 9 });
    workOn(queue, { handle: fail, maxAttempts: 2, backoff: QUICK });
    const [failed] = await eventually(
      () => queue.getFailed(),
      ({ length }) => length === 1,
    );
    expect(failed).toMatchObject({ failedReason: 'RangeError: never', attemptsStarted: 2 });

    const other = queueNamed('buried');
    const dead: unknown[] = [];
    await other.add('webhook', { foreign: true });
    workOn(other, { handle: fail, maxAttempts: 2, backoff: QUICK, deadLetter: (one) => dead.push(one) });
    await eventually(
      () => other.getCompletedCount(),
      (count) => count === 1,
    );
    expect(dead).toMatchObject([{ attempts: 2, error: 'RangeError: never' }]);
  });
});
