import { SQS } from '@aws-sdk/client-sqs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { memoryDedup } from '../../src/dedup/memory.ts';
import { handOff } from '../../src/queues/index.ts';
import { pollSqs, type SqsEvent, sqsHandler, type SqsOptions } from '../../src/queues/sqs.ts';
import { broker } from '../brokers/broker.ts';
import { startElasticMq } from '../brokers/elasticmq.ts';
import { eventually } from '../eventually.ts';
import { eventOf } from '../events.ts';

const endpoint = await broker('ElasticMQ (SQS)', startElasticMq);

describe.skipIf(endpoint === null)('SQS', () => {
  let sqs: SQS;
  beforeAll(() => {
    const credentials = { accessKeyId: 'test', secretAccessKey: 'test' };
    sqs = new SQS({ endpoint: endpoint ?? '', region: 'elasticmq', credentials });
  });
  afterAll(() => sqs.destroy());

  const queueOf = async (name: string, attributes: Record<string, string> = {}) => {
    const { QueueUrl = '' } = await sqs.createQueue({ QueueName: name, Attributes: attributes });
    const { Attributes } = await sqs.getQueueAttributes({ QueueUrl, AttributeNames: ['QueueArn'] });
    const arn = Attributes?.['QueueArn'] ?? '';
    const sink = handOff((MessageBody, { id }) =>
      sqs.sendMessage({
        QueueUrl,
        MessageBody,
        ...(name.endsWith('.fifo') && {
          MessageGroupId: id?.split('.')[0] ?? '',
          MessageDeduplicationId: id ?? '',
        }),
      }),
    );
    const left = async (): Promise<number> => {
      const AttributeNames = [
        'ApproximateNumberOfMessages',
        'ApproximateNumberOfMessagesNotVisible',
      ] as const;
      const got = await sqs.getQueueAttributes({ QueueUrl, AttributeNames: [...AttributeNames] });
      return AttributeNames.reduce((sum, attribute) => sum + Number(got.Attributes?.[attribute]), 0);
    };
    /** What Lambda's poller does: receive, call, delete what did not fail. */
    const invoke = async (handler: ReturnType<typeof sqsHandler>): Promise<string[][]> => {
      const { Messages = [] } = await sqs.receiveMessage({
        QueueUrl,
        MaxNumberOfMessages: 10,
        WaitTimeSeconds: 0,
        MessageSystemAttributeNames: ['ApproximateReceiveCount', 'MessageGroupId'],
      });
      const event: SqsEvent = {
        Records: Messages.map(({ MessageId = '', Body = '', Attributes: more = {} }) => ({
          messageId: MessageId,
          body: Body,
          attributes: more as unknown as SqsEvent['Records'][number]['attributes'],
          eventSourceARN: arn,
        })),
      };
      const { batchItemFailures } = await handler(event);
      const failed = new Set(batchItemFailures.map(({ itemIdentifier }) => itemIdentifier));
      for (const { MessageId = '', ReceiptHandle = '' } of Messages)
        if (!failed.has(MessageId)) await sqs.deleteMessage({ QueueUrl, ReceiptHandle });
      return [Messages.map(({ MessageId = '' }) => MessageId), [...failed]];
    };
    return { QueueUrl, sink, left, invoke };
  };

  it('fails the failed messages of a batch only, and handles each event once', async () => {
    const { sink, left, invoke } = await queueOf('partial', { VisibilityTimeout: '0' });
    for (const id of ['a', 'bad', 'b', 'a']) await sink.put(eventOf(id), id);
    const handled: string[] = [];
    let healed = false;
    const handler = sqsHandler({
      dedup: memoryDedup(),
      concurrency: 1,
      handle: ({ id }) => {
        if (id === 'bad' && !healed) throw new Error('no');
        handled.push(id ?? '');
      },
    });
    await eventually(
      () => invoke(handler).then(left),
      (count) => count === 1,
    );
    expect(handled.toSorted()).toEqual(['a', 'b']);
    healed = true;
    await eventually(
      () => invoke(handler).then(left),
      (count) => count === 0,
    );
    expect(handled.toSorted()).toEqual(['a', 'b', 'bad']);
  });

  it('stops the rest of a group of a FIFO queue, not the others', async () => {
    const { sink, left, invoke } = await queueOf('order.fifo', { FifoQueue: 'true', VisibilityTimeout: '0' });
    for (const id of ['a.0', 'b.0', 'a.1', 'b.1', 'a.2']) await sink.put(eventOf(id), id);
    const begun: string[] = [];
    const handled: string[] = [];
    const handler = sqsHandler({
      handle: ({ id }, { attempt }) => {
        begun.push(id ?? '');
        if (id === 'a.1' && attempt === 1) throw new Error('not yet');
        handled.push(id ?? '');
      },
    });
    await eventually(
      () => invoke(handler).then(left),
      (count) => count === 0,
    );
    expect(handled.filter((id) => id.startsWith('a'))).toEqual(['a.0', 'a.1', 'a.2']);
    expect(handled.filter((id) => id.startsWith('b'))).toEqual(['b.0', 'b.1']);
    expect(begun.indexOf('a.2')).toBeGreaterThan(begun.lastIndexOf('a.1'));
  });

  it('keeps a dead letter by the count of SQS, or leaves it to the redrive policy', async () => {
    const { sink, left, invoke } = await queueOf('dead', { VisibilityTimeout: '0' });
    await sink.put(eventOf('a'), 'a');
    const dead: unknown[] = [];
    const fail = (): never => {
      throw new RangeError('never');
    };
    const rule: SqsOptions = { handle: fail, maxAttempts: 2 };
    for (let time = 0; time < 3; time += 1) await invoke(sqsHandler(rule));
    expect(await left()).toBe(1);
    await invoke(sqsHandler({ ...rule, deadLetter: (one) => dead.push(one) }));
    expect(await left()).toBe(0);
    expect(dead).toMatchObject([{ key: 'a', attempts: 4, error: 'RangeError: never' }]);
  });

  it('is polled outside of Lambda, with the wait of the back-off', async () => {
    const { sink, left, QueueUrl } = await queueOf('polled', { VisibilityTimeout: '30' });
    for (const id of ['a', 'b', 'c']) await sink.put(eventOf(id), id);
    const attempts: Record<string, number[]> = {};
    const stop = pollSqs(sqs, {
      queueUrl: QueueUrl,
      waitSeconds: 1,
      backoff: { firstMs: 1, ceilingMs: 5 },
      dedup: memoryDedup(),
      handle: ({ id }, { attempt }) => {
        (attempts[id ?? ''] ??= []).push(attempt);
        if (id === 'b' && attempt === 1) throw new Error('not yet');
      },
    });
    await eventually(left, (count) => count === 0);
    await stop();
    expect(attempts).toEqual({ a: [1], b: [1, 2], c: [1] });
  });
});
