import { isOrdered } from '../domain/message.ts';
import type { InsertOutcome, InsertReply, MessageInsert } from './port.ts';

/** The end of one insert, as its producer needs it. */
export type CommitResult =
  | InsertOutcome
  /** The database refused this very message. */
  | { readonly kind: 'rejected'; readonly detail: string }
  | { readonly kind: 'unavailable'; readonly detail: string }
  /** May or may not have been written: answer with an error, deliver nothing. */
  | { readonly kind: 'unknown'; readonly detail: string };

export type GroupCommitLimits = {
  /** A batch closes at this many delivery rows … */
  readonly rows: number;
  /** … or this many bytes of payload; a larger message goes alone. */
  readonly bytes: number;
  /** Statements at once. */
  readonly concurrency: number;
};

export const defaultLimits: GroupCommitLimits = { rows: 500, bytes: 2 * 1024 * 1024, concurrency: 2 };

type Waiting = { readonly insert: MessageInsert; readonly done: (result: CommitResult) => void };

/** Joins concurrent inserts into few statements. */
export type GroupCommit = {
  /** Queues an insert; `done` is called once, never before `add` returned. */
  readonly add: (insert: MessageInsert, done: (result: CommitResult) => void) => void;
  /** Inserts queued and under way. */
  readonly pending: () => number;
};

/**
 * Group commit: while a statement is under way the next batch gathers, so batches grow with load
 * by themselves and nothing waits on a timer. A second statement starts beside the first only when
 * a full batch has gathered. A statement that the database refuses for its data is split in halves
 * down to the guilty message; the others are committed. Messages with an order are never in two
 * statements at once: those that came first are written first.
 *
 * @param schedule Runs a callback after the current burst of input (`setImmediate`).
 */
export const createGroupCommit = (
  insert: (batch: readonly MessageInsert[]) => Promise<InsertReply>,
  schedule: (run: () => void) => void,
  limits: GroupCommitLimits = defaultLimits,
): GroupCommit => {
  let queue: Waiting[] = [];
  let queuedRows = 0;
  let queuedBytes = 0;
  let running = 0;
  let working = 0;
  let scheduled = false;
  /** A statement under way has messages with an order. */
  let isWritingOrdered = false;

  const hasOrder = ({ insert: { message, deliveries } }: Waiting): boolean => isOrdered(message, deliveries);
  const rowsOf = (item: Waiting): number => Math.max(1, item.insert.deliveries.length);
  const bytesOf = (item: Waiting): number => item.insert.message.payload.byteLength;

  const takeBatch = (): Waiting[] => {
    const batch: Waiting[] = [];
    const passed: Waiting[] = [];
    let rows = 0;
    let bytes = 0;
    for (const item of queue) {
      if (isWritingOrdered && hasOrder(item)) {
        passed.push(item);
        continue;
      }
      const fits = rows + rowsOf(item) <= limits.rows && bytes + bytesOf(item) <= limits.bytes;
      if (batch.length > 0 && !fits) break;
      rows += rowsOf(item);
      bytes += bytesOf(item);
      batch.push(item);
    }
    const rest = queue.slice(batch.length + passed.length);
    queue = passed.length === 0 ? rest : [...passed, ...rest];
    queuedRows -= rows;
    queuedBytes -= bytes;
    return batch;
  };

  const answer = (batch: readonly Waiting[], reply: InsertReply): void => {
    if (reply.kind === 'done') batch.forEach((item, index) => item.done(reply.outcomes[index]!));
    else for (const item of batch) item.done(reply);
  };

  /** `onWritten` is called when no further statement of the batch is to come, before anybody is answered. */
  const write = async (batch: readonly Waiting[], onWritten: () => void): Promise<void> => {
    const reply = await insert(batch.map((item) => item.insert));
    if (reply.kind === 'rejected' && batch.length > 1) {
      const middle = batch.length >> 1;
      await write(batch.slice(0, middle), () => {});
      return write(batch.slice(middle), onWritten);
    }
    onWritten();
    answer(batch, reply);
  };

  const pump = (): void => {
    scheduled = false;
    while (queue.length > 0 && running < limits.concurrency) {
      const full = queuedRows >= limits.rows || queuedBytes >= limits.bytes;
      if (running > 0 && !full) return;
      const batch = takeBatch();
      if (batch.length === 0) return;
      const isOrderedBatch = batch.some(hasOrder);
      if (isOrderedBatch) isWritingOrdered = true;
      running++;
      working += batch.length;
      // The next statement first: the database works on it while these are answered.
      const onWritten = (): void => {
        if (isOrderedBatch) isWritingOrdered = false;
        running--;
        pump();
      };
      void write(batch, onWritten).then(() => {
        working -= batch.length;
      });
    }
  };

  return {
    add: (item, done) => {
      queue.push({ insert: item, done });
      queuedRows += Math.max(1, item.deliveries.length);
      queuedBytes += item.message.payload.byteLength;
      if (scheduled) return;
      scheduled = true;
      schedule(pump);
    },
    pending: () => queue.length + working,
  };
};
