import { Buffer } from './buffer.ts';
import type { Item, Limits } from './buffer.ts';
import type { Send } from './http.ts';
import { createSender } from './sender.ts';
import type { Outcome } from './verdict.ts';

export type QueueOptions<Message> = {
  /** Messages kept, waiting and under way. @default 10_000 */
  readonly maxMessages?: number;
  /** Their bytes as JSON. @default 64 MiB */
  readonly maxBytes?: number;
  /**
   * What to do without room. `drop-oldest` makes room; `drop-newest` keeps what is there; `reject`
   * throws a {@link QueueFull} at the caller. @default 'drop-oldest'
   */
  readonly whenFull?: 'drop-oldest' | 'drop-newest' | 'reject';
  /** Messages in one request, at most 500. @default 100 */
  readonly batchMessages?: number;
  /** Bytes of one request; the server takes 2 MiB unless told otherwise. @default 1 MiB */
  readonly batchBytes?: number;
  /** How long a message waits for others to be sent along with. @default 50 */
  readonly lingerMs?: number;
  /** Requests at a time, each for another application. @default 4 */
  readonly concurrency?: number;
  /**
   * How long a message is tried. The server knows a repeated request for at least a day: beyond that,
   * trying again could deliver twice. @default 12 hours
   */
  readonly giveUpMs?: number;
  /** In Node: what is left is sent when the event loop has run empty. @default true */
  readonly flushOnExit?: boolean;
  /** Told of messages that have come to an end. What it throws is lost. */
  readonly onSettled?: (settled: readonly Settled<Message>[]) => void;
  /** Told before a request is made again. What it throws is lost. */
  readonly onRetry?: (error: unknown) => void;
};

export type Settled<Message> = {
  readonly application: string;
  readonly message: Message;
  readonly outcome: Outcome;
};

/** Whether a message was taken. `dropped` ones were counted and told of. */
export type Enqueued =
  | { readonly ok: true }
  | { readonly ok: false; readonly why: 'full' | 'too_large' | 'not_json' | 'closed' };

/** Since the client was made; `waiting` and `waitingBytes` now. */
export type Counters = {
  readonly enqueued: number;
  readonly accepted: number;
  readonly refused: number;
  readonly unconfirmed: number;
  readonly dropped: number;
  readonly retries: number;
  readonly waiting: number;
  readonly waitingBytes: number;
};

/** Of the messages that had been enqueued when flush was called. */
export type Flushed = {
  /** All of them have come to an end. */
  readonly done: boolean;
  readonly accepted: number;
  readonly refused: number;
  readonly unconfirmed: number;
  readonly dropped: number;
  readonly left: number;
};

/** There is no room, and `whenFull` is `reject`. */
export class QueueFull extends Error {
  override readonly name = 'QueueFull';
}

export type Queue<Message> = {
  readonly enqueue: (application: string, message: Message) => Enqueued;
  readonly flush: (options?: { readonly timeoutMs?: number }) => Promise<Flushed>;
  readonly close: (options?: { readonly timeoutMs?: number }) => Promise<Flushed>;
  readonly counters: () => Counters;
};

const HOUR_MS = 3_600_000;
const MEBIBYTE = 1_048_576;
const MOST_OF_A_BATCH = 500;
const CLOSE_MS = 10_000;
const EXIT_MS = 5_000;

type Waiter<Message> = {
  readonly left: Set<Item<Message>>;
  readonly counts: Record<Outcome['kind'], number>;
  readonly done: () => void;
};

type Process = {
  readonly on: (event: 'beforeExit', run: () => void) => unknown;
  readonly off: (event: 'beforeExit', run: () => void) => unknown;
};
/** Where there is one with events: Node, Bun, Deno. */
const processOf = (): Process | null => {
  const { process: found } = globalThis as { readonly process?: Partial<Process> };
  return typeof found?.on === 'function' && typeof found.off === 'function' ? (found as Process) : null;
};

const encoder = new TextEncoder();
const noCounts = (): Record<Outcome['kind'], number> => ({
  accepted: 0,
  refused: 0,
  unconfirmed: 0,
  dropped: 0,
});

const limitsOf = <Message>(options: QueueOptions<Message>): { buffer: Limits; batch: Limits } => ({
  buffer: { messages: options.maxMessages ?? 10_000, bytes: options.maxBytes ?? 64 * MEBIBYTE },
  batch: {
    messages: Math.max(1, Math.min(options.batchMessages ?? 100, MOST_OF_A_BATCH)),
    bytes: options.batchBytes ?? MEBIBYTE,
  },
});

/** Messages on their way to the server, in memory: nobody waits for them, and their room is bounded. */
export const createQueue = <Message>(send: Send, options: QueueOptions<Message> = {}): Queue<Message> => {
  const limits = limitsOf(options);
  const buffer = new Buffer<Message>(limits.buffer);
  const underWay = new Set<Item<Message>>();
  const waiters = new Set<Waiter<Message>>();
  const totals = { ...noCounts(), enqueued: 0, retries: 0 };
  let closing: Promise<Flushed> | null = null;

  // A hook that throws must not cost a message.
  const tell = (run: () => void): void => {
    try {
      run();
    } catch {
      // It was told.
    }
  };

  const onSettled = (items: readonly Item<Message>[], outcomes: readonly Outcome[]): void => {
    const settled = items.map(({ application, message }, index) => ({
      application,
      message,
      outcome: outcomes[index]!,
    }));
    items.forEach((item, index) => {
      const { kind } = outcomes[index]!;
      totals[kind]++;
      underWay.delete(item);
      for (const waiter of waiters) if (waiter.left.delete(item)) waiter.counts[kind]++;
    });
    tell(() => options.onSettled?.(settled));
    for (const waiter of waiters) if (waiter.left.size === 0) waiter.done();
  };

  const sender = createSender<Message>({
    send,
    buffer,
    settings: {
      batch: limits.batch,
      lingerMs: options.lingerMs ?? 50,
      concurrency: options.concurrency ?? 4,
      giveUpMs: options.giveUpMs ?? 12 * HOUR_MS,
    },
    nowMs: () => performance.now(),
    random: Math.random,
    newKey: () => `batch_${crypto.randomUUID()}`,
    onSettled,
    onRetry: (error) => {
      totals.retries++;
      tell(() => options.onRetry?.(error));
    },
  });

  /** False: there is no room, and none is to be made. */
  const makeRoom = (bytes: number): boolean => {
    while (!buffer.hasRoomFor(bytes)) {
      if (options.whenFull === 'reject')
        throw new QueueFull(
          `${buffer.messages} messages (${buffer.bytes} bytes) are waiting. Send less, allow more (maxMessages, maxBytes), or let some be dropped (whenFull).`,
        );
      const oldest = options.whenFull === 'drop-newest' ? null : buffer.dropOldest();
      if (oldest === null) return false;
      onSettled([oldest], [{ kind: 'dropped' }]);
    }
    return true;
  };

  const enqueue: Queue<Message>['enqueue'] = (application, message) => {
    if (closing !== null) return { ok: false, why: 'closed' };
    let text: string | undefined;
    try {
      text = JSON.stringify(message);
    } catch {
      // A cycle, or a BigInt.
    }
    if (text === undefined) return { ok: false, why: 'not_json' };
    const item = { application, message, bytes: encoder.encode(text), sinceMs: performance.now() };
    if (item.bytes.length > limits.buffer.bytes) return { ok: false, why: 'too_large' };
    if (!makeRoom(item.bytes.length)) {
      totals.dropped++;
      tell(() => options.onSettled?.([{ application, message, outcome: { kind: 'dropped' } }]));
      return { ok: false, why: 'full' };
    }
    totals.enqueued++;
    underWay.add(item);
    buffer.add(item);
    sender.wake(application);
    return { ok: true };
  };

  const flush: Queue<Message>['flush'] = ({ timeoutMs } = {}) =>
    new Promise((resolve) => {
      const left = new Set(underWay);
      const counts = noCounts();
      let timer: ReturnType<typeof setTimeout> | undefined;
      const waiter = {
        left,
        counts,
        done: () => {
          clearTimeout(timer);
          waiters.delete(waiter);
          sender.hurry(waiters.size > 0);
          resolve({ done: left.size === 0, ...counts, left: left.size });
        },
      };
      waiters.add(waiter);
      if (left.size === 0) return waiter.done();
      if (timeoutMs !== undefined) timer = setTimeout(() => waiter.done(), timeoutMs);
      sender.hurry(true);
    });

  const surroundings = options.flushOnExit === false ? null : processOf();
  const onExit = (): void => {
    if (underWay.size > 0) void close({ timeoutMs: EXIT_MS });
  };
  surroundings?.on('beforeExit', onExit);

  const close: Queue<Message>['close'] = ({ timeoutMs = CLOSE_MS } = {}) => {
    closing ??= flush({ timeoutMs }).then((flushed) => {
      surroundings?.off('beforeExit', onExit);
      sender.stop();
      for (let item = buffer.dropOldest(); item !== null; item = buffer.dropOldest())
        onSettled([item], [{ kind: 'dropped' }]);
      return flushed;
    });
    return closing;
  };

  return {
    enqueue,
    flush,
    close,
    counters: () => {
      return { ...totals, waiting: buffer.messages, waitingBytes: buffer.bytes };
    },
  };
};
