import { utf8 } from '../bytes.ts';
import { type ConsumeOptions, type Consumer, createConsumer, type Verdict } from './consumer.ts';

export type SqsRecord = {
  readonly messageId: string;
  readonly body: string;
  readonly attributes: {
    readonly ApproximateReceiveCount: string;
    readonly MessageGroupId?: string | undefined;
  };
  readonly eventSourceARN: string;
};

export type SqsEvent = { readonly Records: readonly SqsRecord[] };

export type SqsBatchResponse = { batchItemFailures: { itemIdentifier: string }[] };

export type SqsOptions = ConsumeOptions & {
  /** At most so many messages of a batch at once. @default 10 */
  readonly concurrency?: number;
};

/**
 * A Lambda function on an SQS queue, with partial batch failure (switch on
 * `ReportBatchItemFailures`). On a FIFO queue the rest of a message group waits for the one of it
 * that failed; other groups go on.
 *
 * When a message comes again is the queue's visibility timeout. Without `deadLetter` a message out
 * of attempts keeps failing, until the queue's redrive policy moves it.
 */
export const sqsHandler = (options: SqsOptions): ((event: SqsEvent) => Promise<SqsBatchResponse>) => {
  const consume = createConsumer(options);
  return async ({ Records: records }) => {
    const verdicts = await consumeRecords(consume, records, options.concurrency ?? 10);
    return {
      batchItemFailures: records
        .filter((_, index) => verdicts[index]?.kind !== 'ack')
        .map(({ messageId }) => ({ itemIdentifier: messageId })),
    };
  };
};

/** A verdict for each record; undefined: not begun, because one before it in its group failed. */
export const consumeRecords = async (
  consume: Consumer,
  records: readonly SqsRecord[],
  concurrency: number,
): Promise<(Verdict | undefined)[]> => {
  const verdicts: (Verdict | undefined)[] = records.map(() => undefined);
  const groups = groupsOf(records);
  const next = groups.values();
  const worker = async (): Promise<void> => {
    for (const group of next)
      for (const index of group) {
        const record = records[index];
        if (record === undefined) continue;
        const verdict = await consume(deliveredOf(record));
        verdicts[index] = verdict;
        if (verdict.kind !== 'ack') break;
      }
  };
  await Promise.all(Array.from({ length: Math.min(concurrency, groups.length) }, worker));
  return verdicts;
};

/** Indexes of records that go one after the other. A standard queue may have group ids, but no order. */
const groupsOf = (records: readonly SqsRecord[]): number[][] => {
  const groups = new Map<string | number, number[]>();
  records.forEach(({ eventSourceARN, attributes }, index) => {
    const group = eventSourceARN.endsWith('.fifo') ? (attributes.MessageGroupId ?? '') : index;
    groups.set(group, [...(groups.get(group) ?? []), index]);
  });
  return [...groups.values()];
};

const deliveredOf = ({ messageId, body, attributes, eventSourceARN }: SqsRecord) => ({
  id: messageId,
  body: utf8(body),
  attempt: Math.max(1, Number(attributes.ApproximateReceiveCount)),
  from: eventSourceARN.slice(eventSourceARN.lastIndexOf(':') + 1),
});
