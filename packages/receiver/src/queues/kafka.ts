import { type ConsumeOptions, createConsumer, type Verdict } from './consumer.ts';
import { waitFor } from './wait.ts';

type Payload = {
  readonly topic: string;
  readonly partition: number;
  readonly message: {
    readonly key: Uint8Array | null;
    readonly value: Uint8Array | null;
    readonly offset: string;
  };
  heartbeat(): Promise<void>;
};

/** What is used of a consumer of kafkajs. */
export type KafkaConsumer = {
  run(config: {
    autoCommit: false;
    partitionsConsumedConcurrently: number;
    eachMessage: (payload: Payload) => Promise<void>;
  }): Promise<void>;
  commitOffsets(offsets: { topic: string; partition: number; offset: string }[]): Promise<void>;
};

/** What is used of a producer of kafkajs. */
export type KafkaProducer = {
  send(record: {
    topic: string;
    /** As the consumer gave them: Node's Buffer, a name that the types here do without. */
    messages: { key: never; value: never; headers: Record<string, string> }[];
  }): Promise<unknown>;
};

export type KafkaOptions = Omit<ConsumeOptions, 'deadLetter'> & {
  /** Connected; where messages out of attempts go, with `x-posthorn-error`. */
  readonly deadLetter: { readonly producer: KafkaProducer; readonly topic: string };
  /** At most so many partitions at once. @default 1 */
  readonly partitions?: number;
  /** Ends the wait between attempts, for `consumer.stop()` to be quick. */
  readonly signal?: AbortSignal;
};

const HEARTBEAT_MS = 3_000;

/**
 * Consumes the topics that the consumer has subscribed to, in the order of each partition: a failed
 * message is tried again before the next one, then goes to the dead-letter topic. An offset is
 * committed once its message has ended. Heartbeats go on meanwhile, so that work of any length keeps
 * its partition.
 */
export const consumeKafka = (consumer: KafkaConsumer, options: KafkaOptions): Promise<void> => {
  const { deadLetter, partitions = 1, signal, ...rest } = options;
  const consume = createConsumer(rest);

  const bury = async (
    { topic, partition, message }: Payload,
    { error, attempts }: Extract<Verdict, { kind: 'dead' }>,
  ): Promise<void> => {
    const headers = {
      'x-posthorn-error': error,
      'x-posthorn-attempts': String(attempts),
      'x-posthorn-from': `${topic}:${partition}:${message.offset}`,
    };
    const [key, value] = [message.key, message.value] as [never, never];
    await deadLetter.producer.send({ topic: deadLetter.topic, messages: [{ key, value, headers }] });
  };

  const take = async (payload: Payload, lost: AbortSignal): Promise<void> => {
    const { topic, partition, message } = payload;
    const body = message.value ?? new Uint8Array();
    const id = `${partition}:${message.offset}`;
    const cut = signal ? AbortSignal.any([signal, lost]) : lost;
    for (let attempt = 1; ;) {
      const verdict = await consume({ body, id, attempt, from: topic });
      lost.throwIfAborted();
      if (verdict.kind === 'dead') await bury(payload, verdict);
      if (verdict.kind !== 'retry') break;
      await waitFor(verdict.waitMs, cut);
      cut.throwIfAborted();
      if (verdict.counts) attempt += 1;
    }
    const offset = String(BigInt(message.offset) + 1n);
    await consumer.commitOffsets([{ topic, partition, offset }]);
  };

  return consumer.run({
    autoCommit: false,
    partitionsConsumedConcurrently: partitions,
    eachMessage: async (payload) => {
      // A heartbeat that fails means that the partition is somebody else's now.
      const lost = new AbortController();
      const beat = setInterval(() => {
        payload.heartbeat().catch((error: unknown) => lost.abort(error));
      }, HEARTBEAT_MS);
      try {
        await take(payload, lost.signal);
      } finally {
        clearInterval(beat);
      }
    },
  });
};
