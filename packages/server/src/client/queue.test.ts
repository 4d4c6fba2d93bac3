import { onTestFinished, describe, expect, it } from 'vitest';
import type { Reply, Sending } from './http.ts';
import { createQueue, QueueFull } from './queue.ts';
import type { Queue, QueueOptions, Settled } from './queue.ts';

type Message = { readonly n: number; readonly text?: string };

type Asked = {
  readonly sending: Sending;
  readonly ns: readonly number[];
  readonly answer: (reply: Reply) => void;
};

const accepted = (ns: readonly number[]): Reply => ({
  kind: 'answer',
  status: 202,
  body: { data: ns.map((n) => ({ status: 202, message: { id: `msg_${n}` } })) },
  retryAfterMs: null,
});
const refused = (status: number): Reply => ({ kind: 'answer', status, body: undefined, retryAfterMs: null });

const textOf = ({ body }: Sending): string => new TextDecoder().decode(body as Uint8Array);

/** A queue in front of a server that answers when it is told to. */
const queueFor = (options: QueueOptions<Message> = {}) => {
  const asked: Asked[] = [];
  const settled: Settled<Message>[] = [];
  let onAsked = (): void => {};
  const queue = createQueue<Message>(
    (sending) =>
      new Promise((resolve) => {
        const { messages } = JSON.parse(textOf(sending)) as { messages: Message[] };
        asked.push({ sending, ns: messages.map(({ n }) => n), answer: resolve });
        sending.signal?.addEventListener('abort', () => resolve({ kind: 'unreachable', cause: 'aborted' }));
        onAsked();
      }),
    { lingerMs: 1, flushOnExit: false, onSettled: (some) => settled.push(...some), ...options },
  );
  onTestFinished(() => void queue.close({ timeoutMs: 0 }));
  /** The nth request, once it is made. */
  const request = (index: number): Promise<Asked> =>
    new Promise((resolve) => {
      const look = (): void => {
        const found = asked[index];
        if (found !== undefined) resolve(found);
        else onAsked = look;
      };
      look();
    });
  return { queue, asked, settled, request };
};

const add = (queue: Queue<Message>, from: number, to: number, application = 'a'): void => {
  for (let n = from; n <= to; n++) queue.enqueue(application, { n });
};

describe('enqueue', () => {
  it('sends by size, without waiting for the rest', async () => {
    const { queue, request } = queueFor({ lingerMs: 3_600_000, batchMessages: 3 });
    add(queue, 1, 7);
    const first = await request(0);
    expect([first.sending.path, first.ns]).toEqual(['/api/v1/app/a/msg/batch?with_content=false', [1, 2, 3]]);
    first.answer(accepted(first.ns));
    expect((await request(1)).ns).toEqual([4, 5, 6]);
    expect(queue.counters()).toMatchObject({ enqueued: 7, accepted: 3, waiting: 4 });
  });

  it('sends by bytes, and a large one alone', async () => {
    const { queue, request } = queueFor({ lingerMs: 3_600_000, batchBytes: 100 });
    queue.enqueue('a', { n: 1, text: 'x'.repeat(50) });
    queue.enqueue('a', { n: 2, text: 'x'.repeat(200) });
    const first = await request(0);
    expect(first.ns).toEqual([1]);
    first.answer(accepted(first.ns));
    expect((await request(1)).ns).toEqual([2]);
  });

  it('sends by time', async () => {
    const { queue, request } = queueFor({ lingerMs: 5 });
    add(queue, 1, 2);
    expect((await request(0)).ns).toEqual([1, 2]);
  });

  it('keeps an application’s order, one request at a time, and does not let it wait for others', async () => {
    const { queue, asked, request } = queueFor({ concurrency: 2 });
    queue.enqueue('a', { n: 1 });
    const first = await request(0);
    add(queue, 2, 3);
    queue.enqueue('b', { n: 4 });
    expect((await request(1)).ns).toEqual([4]);
    queue.enqueue('c', { n: 5 });
    expect(asked.length).toBe(2);
    first.answer(accepted([1]));
    const [third, fourth] = [await request(2), asked.length];
    expect(fourth).toBe(3);
    expect(third.ns).toEqual([2, 3]);
  });

  it('takes what the message is now, not what it becomes', async () => {
    const { queue, request } = queueFor();
    const message = { n: 1 };
    queue.enqueue('a', message);
    message.n = 2;
    expect((await request(0)).ns).toEqual([1]);
  });

  it('says what it cannot take', () => {
    const { queue } = queueFor({ maxBytes: 100 });
    const cycle: { n: number; self?: unknown } = { n: 1 };
    cycle.self = cycle;
    expect(queue.enqueue('a', cycle)).toEqual({ ok: false, why: 'not_json' });
    expect(queue.enqueue('a', { n: 10n } as never)).toEqual({ ok: false, why: 'not_json' });
    expect(queue.enqueue('a', undefined as never)).toEqual({ ok: false, why: 'not_json' });
    expect(queue.enqueue('a', { n: 1, text: 'x'.repeat(100) })).toEqual({ ok: false, why: 'too_large' });
    expect(queue.counters()).toMatchObject({ enqueued: 0, waiting: 0 });
  });
});

describe('without room', () => {
  it('drops the oldest that has not left', async () => {
    const { queue, settled, request } = queueFor({ maxMessages: 3, whenFull: 'drop-oldest' });
    add(queue, 1, 1);
    const first = await request(0);
    add(queue, 2, 5);
    expect(settled.map(({ message, outcome }) => [message.n, outcome.kind])).toEqual([
      [2, 'dropped'],
      [3, 'dropped'],
    ]);
    first.answer(accepted([1]));
    expect((await request(1)).ns).toEqual([4, 5]);
    expect(queue.counters()).toMatchObject({ enqueued: 5, dropped: 2, accepted: 1, waiting: 2 });
  });

  it('drops the newest', () => {
    const { queue, settled } = queueFor({ maxMessages: 2, whenFull: 'drop-newest', lingerMs: 3_600_000 });
    add(queue, 1, 2);
    expect(queue.enqueue('a', { n: 3 })).toEqual({ ok: false, why: 'full' });
    expect(settled.map(({ message, outcome }) => [message.n, outcome.kind])).toEqual([[3, 'dropped']]);
    expect(queue.counters()).toMatchObject({ enqueued: 2, dropped: 1, waiting: 2 });
  });

  it('rejects', () => {
    const { queue } = queueFor({ maxBytes: 20, whenFull: 'reject', lingerMs: 3_600_000 });
    add(queue, 1, 2);
    expect(() => queue.enqueue('a', { n: 3 })).toThrow(QueueFull);
    expect(queue.counters()).toMatchObject({ enqueued: 2, dropped: 0, waiting: 2, waitingBytes: 14 });
  });

  it('cannot drop what is under way: then the newest goes', async () => {
    const { queue, request } = queueFor({ maxMessages: 1 });
    add(queue, 1, 1);
    await request(0);
    expect(queue.enqueue('a', { n: 2 })).toEqual({ ok: false, why: 'full' });
  });
});

describe('a request that fails', () => {
  it('is made again with the same bytes under the same key; the next has another', async () => {
    const errors: unknown[] = [];
    const { queue, request } = queueFor({ onRetry: (error) => errors.push(error) });
    add(queue, 1, 2);
    const tries: Asked[] = [];
    const replies = [refused(503), { kind: 'unreachable', cause: 'x' } as const, refused(401)];
    for (const [index, reply] of replies.entries()) {
      tries.push(await request(index));
      tries.at(-1)!.answer(reply);
    }
    const last = await request(3);
    add(queue, 3, 3);
    expect(
      new Set([...tries, last].map(({ sending }) => `${sending.key ?? ''} ${textOf(sending)}`)).size,
    ).toBe(1);
    last.answer(accepted([1, 2]));
    expect((await request(4)).sending.key).not.toBe(last.sending.key);
    expect(errors.length).toBe(3);
    expect(queue.counters()).toMatchObject({ retries: 3, accepted: 2 });
  });

  it('that is too large goes in halves', async () => {
    const { queue, asked, request } = queueFor();
    add(queue, 1, 3);
    const flushed = queue.flush();
    (await request(0)).answer(refused(413));
    (await request(1)).answer(accepted([1, 2]));
    (await request(2)).answer(accepted([3]));
    expect(await flushed).toMatchObject({ done: true, accepted: 3 });
    expect(asked.map(({ ns }) => ns)).toEqual([[1, 2, 3], [1, 2], [3]]);
    expect(new Set(asked.map(({ sending }) => sending.key)).size).toBe(3);
  });

  it('is given up in the end, and told as unconfirmed', async () => {
    const { queue, settled, request } = queueFor({ giveUpMs: 0 });
    add(queue, 1, 1);
    (await request(0)).answer(refused(503));
    expect(await queue.flush()).toEqual({
      done: true,
      accepted: 0,
      refused: 0,
      unconfirmed: 1,
      dropped: 0,
      left: 0,
    });
    expect(settled[0]!.outcome).toMatchObject({ kind: 'unconfirmed', error: { status: 503 } });
  });

  it('for good is told with the server’s words', async () => {
    const { queue, settled, request } = queueFor();
    add(queue, 1, 1);
    (await request(0)).answer({
      kind: 'answer',
      status: 404,
      body: { code: 'not_found' },
      retryAfterMs: null,
    });
    expect(await queue.flush()).toMatchObject({ done: true, refused: 1 });
    expect(settled[0]!.outcome).toEqual({ kind: 'refused', status: 404, error: { code: 'not_found' } });
  });
});

describe('flush', () => {
  it('waits for what was there when it was called, and for nothing after', async () => {
    const { queue, request } = queueFor({ lingerMs: 3_600_000 });
    add(queue, 1, 2);
    const flushed = queue.flush();
    const first = await request(0);
    queue.enqueue('b', { n: 3 });
    first.answer(accepted([1, 2]));
    expect(await flushed).toEqual({
      done: true,
      accepted: 2,
      refused: 0,
      unconfirmed: 0,
      dropped: 0,
      left: 0,
    });
    expect(queue.counters().waiting).toBe(1);
  });

  it('answers at once without anything to do, and in time with too much', async () => {
    const { queue } = queueFor({ lingerMs: 3_600_000 });
    expect(await queue.flush()).toMatchObject({ done: true, left: 0 });
    add(queue, 1, 2);
    expect(await queue.flush({ timeoutMs: 5 })).toMatchObject({ done: false, left: 2 });
    expect(queue.counters().waiting).toBe(2);
  });

  it('does not suffer from a hook that throws', async () => {
    const { queue, request } = queueFor({
      onSettled: () => {
        throw new Error('hook');
      },
    });
    add(queue, 1, 1);
    (await request(0)).answer(accepted([1]));
    expect(await queue.flush()).toMatchObject({ done: true, accepted: 1 });
  });
});

describe('close', () => {
  it('takes no more, gives up in time, and tells of every message', async () => {
    const { queue, settled, request } = queueFor();
    add(queue, 1, 1);
    await request(0);
    add(queue, 2, 2);
    const closed = queue.close({ timeoutMs: 5 });
    expect(queue.enqueue('a', { n: 3 })).toEqual({ ok: false, why: 'closed' });
    expect(await closed).toMatchObject({ done: false, left: 2 });
    expect(await queue.close()).toEqual(await closed);
    await queue.flush();
    expect(new Map(settled.map(({ message, outcome }) => [message.n, outcome.kind]))).toEqual(
      new Map([
        [1, 'unconfirmed'],
        [2, 'dropped'],
      ]),
    );
    expect(queue.counters()).toMatchObject({ waiting: 0, waitingBytes: 0, unconfirmed: 1, dropped: 1 });
  });
});
