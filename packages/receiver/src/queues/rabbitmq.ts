import { type ConsumeOptions, createConsumer, type Verdict } from './consumer.ts';
import { waitFor } from './wait.ts';

type Headers = { [name: string]: unknown };
type Publish = {
  readonly headers?: Headers;
  readonly persistent: true;
  readonly messageId?: string;
  readonly contentType?: string;
};

type RabbitMessage = {
  readonly content: Uint8Array;
  readonly properties: {
    readonly messageId?: unknown;
    readonly contentType?: unknown;
    readonly headers?: Headers | undefined;
  };
};

/** What is used of a confirm channel of amqplib. */
export type RabbitChannel<Message extends RabbitMessage> = {
  prefetch(count: number): Promise<unknown>;
  checkQueue(queue: string): Promise<unknown>;
  consume(
    queue: string,
    onMessage: (message: Message | null) => void,
  ): Promise<{ readonly consumerTag: string }>;
  cancel(consumerTag: string): Promise<unknown>;
  sendToQueue(
    queue: string,
    content: Message['content'],
    options: Publish,
    confirmed: (error: unknown) => void,
  ): boolean;
  ack(message: Message): void;
  nack(message: Message, allUpTo: boolean, requeue: boolean): void;
};

export type RabbitOptions = Omit<ConsumeOptions, 'deadLetter'> & {
  readonly queue: string;
  /** Where messages out of attempts go, with `x-posthorn-error`. It has to exist. */
  readonly deadLetterQueue: string;
  /** At most so many messages at once. @default 10 */
  readonly prefetch?: number;
};

const ATTEMPT = 'x-posthorn-attempt';

/**
 * Consumes a queue of RabbitMQ. A failed message waits here, unacknowledged, and then goes to the
 * queue's end with its attempts counted in a header, so that the count survives restarts; the copy is
 * confirmed before the original is acknowledged. Dead letters travel the same way.
 *
 * @param channel From `connection.createConfirmChannel()`. When it closes, connect and consume again.
 * @returns What stops it: resolves once the messages in hand have ended.
 * @throws when one of the queues does not exist
 */
export const consumeRabbit = async <Message extends RabbitMessage>(
  channel: RabbitChannel<Message>,
  options: RabbitOptions,
): Promise<() => Promise<void>> => {
  const { queue, deadLetterQueue, prefetch = 10, onError } = options;
  const consume = createConsumer(options);
  const stopping = new AbortController();
  const inHand = new Set<Promise<void>>();
  const send = (to: string, { content, properties }: Message, more: Headers): Promise<void> =>
    new Promise((resolve, reject) => {
      const { messageId, contentType, headers } = properties;
      const publish = {
        persistent: true,
        headers: { ...headers, ...more },
        ...(typeof messageId === 'string' && { messageId }),
        ...(typeof contentType === 'string' && { contentType }),
      } as const;
      channel.sendToQueue(to, content, publish, (error) =>
        error ? reject(error instanceof Error ? error : new Error(`Not confirmed by ${to}`)) : resolve(),
      );
    });

  const settle = async (message: Message, attempt: number, verdict: Verdict): Promise<void> => {
    switch (verdict.kind) {
      case 'ack':
        return channel.ack(message);
      case 'dead':
        await send(deadLetterQueue, message, { [ATTEMPT]: attempt, 'x-posthorn-error': verdict.error });
        return channel.ack(message);
      case 'retry':
        await waitFor(verdict.waitMs, stopping.signal);
        if (!verdict.counts) return channel.nack(message, false, true);
        await send(queue, message, { [ATTEMPT]: attempt + 1 });
        return channel.ack(message);
      default:
        return verdict satisfies never;
    }
  };

  const take = async (message: Message): Promise<void> => {
    const { content: body, properties } = message;
    const attempt = Number(properties.headers?.[ATTEMPT] ?? 1);
    const headers =
      typeof properties.contentType === 'string' ? { 'content-type': properties.contentType } : {};
    const id = typeof properties.messageId === 'string' ? properties.messageId : null;
    await settle(message, attempt, await consume({ body, id, attempt, from: queue, headers }));
  };

  await channel.checkQueue(queue);
  await channel.checkQueue(deadLetterQueue);
  await channel.prefetch(prefetch);
  const { consumerTag } = await channel.consume(queue, (message) => {
    if (message === null) return onError?.(new Error(`The queue ${queue} was deleted`));
    // What throws here is the channel, which is closed: the broker hands the message over again.
    const end: Promise<void> = take(message)
      .catch((error: unknown) => onError?.(error))
      .finally(() => inHand.delete(end));
    inHand.add(end);
  });
  return async () => {
    stopping.abort();
    await channel.cancel(consumerTag);
    await Promise.all(inHand);
  };
};
