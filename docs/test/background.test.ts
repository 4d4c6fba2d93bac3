// docs/receiver/background.md: the inbox and BullMQ run for real; the clients of the other queues are
// played, since packages/receiver/test/queues has the real ones.
import { createInbox, createInboxTable, type Inbox, type Workers } from '@posthorn/receiver/inbox';
import type { Sink } from '@posthorn/receiver';
import { memoryDedup } from '@posthorn/receiver/dedup/memory';
import { pack } from '@posthorn/receiver/queues';
import pg from 'pg';
import { afterAll, beforeAll, expect, vi } from 'vitest';
import { broker } from '../../packages/receiver/test/brokers/broker.ts';
import { startRedis } from '../../packages/receiver/test/brokers/redis.ts';
import { eventually } from '../../packages/receiver/test/eventually.ts';
import { eventOf } from '../../packages/receiver/test/events.ts';
import { useTestDatabase } from '../../packages/server/test/postgres.ts';
import { evaluate } from './evaluate.ts';
import { describePage } from './page.ts';

const redis = await broker('Redis (for the snippets)', startRedis);
const database = useTestDatabase();
let pool: pg.Pool;
beforeAll(() => {
  vi.stubEnv('DATABASE_URL', database.url);
  pool = new pg.Pool({ connectionString: database.url });
});
afterAll(async () => {
  await pool.end();
  vi.unstubAllEnvs();
});

const json = (value: unknown) => ({ body: new TextEncoder().encode(JSON.stringify(value)) });
const inboxWith = async (table: string): Promise<Inbox> => {
  const inbox = createInbox({ pool, table });
  await inbox.createTable();
  return inbox;
};
const message = pack(eventOf('e1'), 'e1');

/** What a consuming half is given, and what it was handed. */
const consuming = () => {
  const handled: unknown[] = [];
  return { handled, handle: ({ id }: { readonly id: string }) => handled.push(id), store: memoryDedup() };
};

describePage('docs/receiver/background.md', {
  'const inbox = createInbox(': async (text) => {
    const billed: unknown[] = [];
    const bill = (value: unknown): unknown => billed.push(value);
    const made = await evaluate(text, { bill }, ['inbox', 'workers', 'pool']);
    const event = eventOf('e1', json({ customer: 'c1' }));
    expect(await (made.inbox as Inbox).put(event, 'e1')).toEqual({ kind: 'stored' });
    await eventually(
      () => billed,
      ({ length }) => length === 1,
    );
    expect(billed).toEqual([{ customer: 'c1' }]);
    await (made.workers as Workers).stop();
    await (made.pool as pg.Pool).end();
  },

  workInTransaction: async (text) => {
    const inbox = await inboxWith('transactions');
    await pool.query('create table invoice (invoice int)');
    await inbox.put(eventOf('e1', json({ invoice: 7 })), 'e1');
    const { workers } = await evaluate(text, { inbox }, ['workers']);
    await eventually(
      () => inbox.counts(),
      ({ waiting, running }) => waiting + running === 0,
    );
    await (workers as Workers).stop();
    expect((await pool.query('select * from invoice')).rows).toEqual([{ invoice: 7 }]);
  },

  'inbox.dead(': async (text) => {
    const inbox = await inboxWith('letters');
    await inbox.put(eventOf('e1'), 'e1');
    const [job] = await inbox.jobs.claim('worker', 1_000, 1);
    if (job) await inbox.jobs.bury(job, 'worker', 'Error: no');
    const printed: unknown[][] = [];
    await evaluate(
      text,
      { inbox, console: { ...console, log: (...parts: unknown[]) => printed.push(parts) } },
      [],
    );
    expect(printed).toEqual([[expect.any(String), 'e1', 1, 'Error: no']]);
    expect(await inbox.counts()).toMatchObject({ waiting: 1, dead: 0 });
  },

  'create table if not exists posthorn_inbox': (text) => {
    expect(text.trim()).toBe(createInboxTable('posthorn_inbox'));
  },

  "queue.add('webhook'": async (text) => {
    const jobs: unknown[] = [];
    const queue = { add: async (...job: unknown[]) => jobs.push(job) };
    const { sink } = await evaluate(text, { queue }, ['sink']);
    expect(await (sink as Sink).put(eventOf('e1'), 'e1')).toEqual({ kind: 'stored' });
    expect(jobs).toEqual([['webhook', expect.stringContaining('posthorn')]]);
  },

  'sqs.sendMessage': async (text) => {
    const sent: unknown[] = [];
    const sqs = { sendMessage: async (input: unknown) => sent.push(input) };
    const { sink } = await evaluate(text, { sqs, QueueUrl: 'url' }, ['sink']);
    await (sink as Sink).put(eventOf('e1'), 'e1');
    expect(sent).toMatchObject([{ QueueUrl: 'url', MessageDeduplicationId: 'e1' }]);
  },

  bullmqProcessor: async (text) => {
    if (redis === null) return;
    const { Queue } = await import('bullmq');
    const connection = { host: '127.0.0.1', port: redis.port };
    const { handled, ...given } = consuming();
    const queue = new Queue('webhooks', { connection });
    await queue.add('webhook', message);
    const { worker } = await evaluate(text, { ...given, connection }, ['worker']);
    await eventually(
      () => handled,
      ({ length }) => length === 1,
    );
    await (worker as { close: () => Promise<void> }).close();
    await queue.close();
  },

  sqsHandler: async (text) => {
    const { handled, ...given } = consuming();
    const { handler } = await evaluate(text, given, ['handler']);
    const record = {
      messageId: '1',
      body: message,
      attributes: { ApproximateReceiveCount: '1' },
      eventSourceARN: 'arn:aws:sqs:eu-west-1:1:webhooks',
    };
    const answer = await (handler as (event: unknown) => Promise<unknown>)({ Records: [record] });
    expect(answer).toEqual({ batchItemFailures: [] });
    expect(handled).toEqual(['e1']);
  },

  pollSqs: async (text) => {
    const { handled, ...given } = consuming();
    const waiting = [{ MessageId: '1', ReceiptHandle: 'r', Body: message }];
    const deleted: unknown[] = [];
    const sqs = {
      receiveMessage: async () => {
        await new Promise((resolve) => setImmediate(resolve));
        return { Messages: waiting.splice(0) };
      },
      deleteMessage: async (input: unknown) => deleted.push(input),
      changeMessageVisibility: async () => {},
    };
    const { stop } = await evaluate(text, { ...given, sqs, queueUrl: 'url' }, ['stop']);
    await eventually(
      () => deleted,
      ({ length }) => length === 1,
    );
    await (stop as () => Promise<void>)();
    expect(handled).toEqual(['e1']);
  },

  pubsubPush: async (text) => {
    const { handled, ...given } = consuming();
    const data = Buffer.from(message).toString('base64');
    const body = JSON.stringify({
      message: { data, messageId: '1' },
      subscription: 'projects/p/subscriptions/s',
    });
    const { status } = await evaluate(text, { ...given, body }, ['status']);
    expect(status).toBe(204);
    expect(handled).toEqual(['e1']);
  },

  consumeRabbit: async (text) => {
    const { handled, ...given } = consuming();
    const asked: unknown[] = [];
    const channel = {
      prefetch: async () => {},
      checkQueue: async (queue: string) => asked.push(queue),
      consume: async (_queue: string, take: (message: unknown) => void) => {
        take({ content: Buffer.from(message), properties: {} });
        return { consumerTag: 'tag' };
      },
      cancel: async () => {},
      ack: () => asked.push('ack'),
    };
    const connection = { createConfirmChannel: async () => channel };
    const { stop } = await evaluate(text, { ...given, connection }, ['stop']);
    await (stop as () => Promise<void>)();
    expect(asked).toEqual(['webhooks', 'webhooks.dead', 'ack']);
    expect(handled).toEqual(['e1']);
  },

  consumeKafka: async (text) => {
    const { handled, ...given } = consuming();
    const committed: unknown[] = [];
    const consumer = {
      subscribe: async () => {},
      commitOffsets: async (offsets: unknown) => committed.push(offsets),
      run: async ({ eachMessage }: { eachMessage: (payload: unknown) => Promise<void> }) =>
        eachMessage({
          topic: 'webhooks',
          partition: 0,
          message: { key: null, value: Buffer.from(message), offset: '41' },
          heartbeat: async () => {},
        }),
    };
    await evaluate(text, { ...given, consumer, producer: {} }, []);
    expect(committed).toEqual([[{ topic: 'webhooks', partition: 0, offset: '42' }]]);
    expect(handled).toEqual(['e1']);
  },
});
