import { utf8 } from '../bytes.ts';
import { type ConsumeOptions, createConsumer } from './consumer.ts';

/** What is used of a BullMQ job. */
export type BullJob = {
  readonly id?: string | undefined;
  readonly queueName: string;
  readonly data: unknown;
  readonly attemptsStarted: number;
  moveToDelayed(timestampMs: number, token?: string): Promise<unknown>;
};

/**
 * The processor of a BullMQ worker: `new Worker(name, bullmqProcessor({ handle }), { connection })`.
 * Attempts and waits are those given here, whatever the job's own. Without `deadLetter` a job out of
 * attempts is among the queue's failed ones.
 */
export const bullmqProcessor = (
  options: ConsumeOptions,
): ((job: BullJob, token?: string) => Promise<string>) => {
  const consume = createConsumer(options);
  return async (job, token) => {
    const verdict = await consume({
      id: job.id ?? null,
      body: utf8(typeof job.data === 'string' ? job.data : JSON.stringify(job.data ?? null)),
      attempt: Math.max(1, job.attemptsStarted),
      from: job.queueName,
    });
    switch (verdict.kind) {
      case 'ack':
        return verdict.why;
      case 'retry':
        await job.moveToDelayed(Date.now() + verdict.waitMs, token);
        throw named('DelayedError', verdict.error);
      case 'dead':
        throw named('UnrecoverableError', verdict.error);
      default:
        return verdict satisfies never;
    }
  };
};

/** BullMQ knows its own errors by name. */
const named = (name: 'DelayedError' | 'UnrecoverableError', message: string): Error =>
  Object.assign(new Error(message), { name });
