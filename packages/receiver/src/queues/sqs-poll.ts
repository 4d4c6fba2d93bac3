import { waitFor } from './wait.ts';
import { createConsumer } from './consumer.ts';
import { consumeRecords, type SqsOptions, type SqsRecord } from './sqs-lambda.ts';

type Message = {
  MessageId?: string | undefined;
  ReceiptHandle?: string | undefined;
  Body?: string | undefined;
  Attributes?: { [name: string]: string } | undefined;
};

/** What is used of `new SQS()` from `@aws-sdk/client-sqs`. */
export type SqsClient = {
  receiveMessage(
    input: {
      QueueUrl: string;
      MaxNumberOfMessages: number;
      WaitTimeSeconds: number;
      MessageSystemAttributeNames: ('ApproximateReceiveCount' | 'MessageGroupId')[];
    },
    options: { abortSignal: AbortSignal },
  ): Promise<{ Messages?: Message[] | undefined }>;
  deleteMessage(input: { QueueUrl: string; ReceiptHandle: string }): Promise<unknown>;
  changeMessageVisibility(input: {
    QueueUrl: string;
    ReceiptHandle: string;
    VisibilityTimeout: number;
  }): Promise<unknown>;
};

export type SqsPollOptions = SqsOptions & {
  readonly queueUrl: string;
  /** How long a receive waits for messages, 0 to 20. @default 20 */
  readonly waitSeconds?: number;
};

const AT_ONCE = 10;
const LONGEST_VISIBILITY_S = 43_200;
const FAILED_RECEIVE_MS = 1_000;

/**
 * Works through an SQS queue outside of Lambda. A failed message comes again after the back-off. The
 * queue's visibility timeout must be longer than ten handlers take, or there are duplicates for `dedup`
 * to find.
 *
 * @returns What stops it: resolves once the messages in hand have ended.
 */
export const pollSqs = (client: SqsClient, options: SqsPollOptions): (() => Promise<void>) => {
  const { queueUrl: QueueUrl, waitSeconds = 20, concurrency = 10, onError } = options;
  const consume = createConsumer(options);
  const stopping = new AbortController();
  const receive = async (): Promise<Message[]> => {
    const { Messages = [] } = await client.receiveMessage(
      {
        QueueUrl,
        MaxNumberOfMessages: AT_ONCE,
        WaitTimeSeconds: waitSeconds,
        MessageSystemAttributeNames: ['ApproximateReceiveCount', 'MessageGroupId'],
      },
      { abortSignal: stopping.signal },
    );
    return Messages;
  };
  const settle = async (
    { ReceiptHandle = '' }: Message,
    verdict: Awaited<ReturnType<typeof consumeRecords>>[number],
  ): Promise<void> => {
    if (verdict?.kind === 'ack') await client.deleteMessage({ QueueUrl, ReceiptHandle });
    else {
      // What was not begun is free at once.
      const seconds = verdict?.kind === 'retry' ? Math.ceil(verdict.waitMs / 1_000) : 0;
      const VisibilityTimeout = Math.min(LONGEST_VISIBILITY_S, seconds);
      await client.changeMessageVisibility({ QueueUrl, ReceiptHandle, VisibilityTimeout });
    }
  };
  const round = async (): Promise<void> => {
    const messages = await receive();
    const verdicts = await consumeRecords(consume, messages.map(recordOf(QueueUrl)), concurrency);
    await Promise.all(messages.map((message, index) => settle(message, verdicts[index])));
  };
  const loop = async (): Promise<void> => {
    while (!stopping.signal.aborted)
      try {
        await round();
      } catch (error) {
        if (stopping.signal.aborted) return;
        onError?.(error);
        await waitFor(FAILED_RECEIVE_MS, stopping.signal);
      }
  };
  const looping = loop();
  return () => {
    stopping.abort();
    return looping;
  };
};

const recordOf =
  (queueUrl: string) =>
  ({ MessageId = '', Body = '', Attributes = {} }: Message): SqsRecord => ({
    messageId: MessageId,
    body: Body,
    attributes: {
      ApproximateReceiveCount: Attributes['ApproximateReceiveCount'] ?? '1',
      MessageGroupId: Attributes['MessageGroupId'],
    },
    // Its last part names the queue, as that of an ARN does.
    eventSourceARN: queueUrl.replaceAll('/', ':'),
  });
