import type { Buffer, Item, Limits } from './buffer.ts';
import { waitBefore } from './http.ts';
import type { Reply, Send } from './http.ts';
import { judge } from './verdict.ts';
import type { Outcome } from './verdict.ts';

export type SenderSettings = {
  /** What one request carries at most. */
  readonly batch: Limits;
  /** A batch that is not full goes after this long. */
  readonly lingerMs: number;
  /** Requests at a time; never two for one application, so that its messages keep their order. */
  readonly concurrency: number;
  /** How long one batch is tried before its messages are given up as unconfirmed. */
  readonly giveUpMs: number;
};

export type SenderDeps<Message> = {
  readonly send: Send;
  readonly buffer: Buffer<Message>;
  readonly settings: SenderSettings;
  readonly nowMs: () => number;
  readonly random: () => number;
  readonly newKey: () => string;
  readonly onSettled: (items: readonly Item<Message>[], outcomes: readonly Outcome[]) => void;
  readonly onRetry: (error: unknown) => void;
};

export type Sender = {
  /** A message of this application was added. */
  readonly wake: (application: string) => void;
  /** While on, nothing waits to be joined by others, and the process is kept alive by what is left. */
  readonly hurry: (on: boolean) => void;
  /** Gives up at once: what is under way is unconfirmed. */
  readonly stop: () => void;
};

const OPEN = new TextEncoder().encode('{"messages":[');
const CLOSE = new TextEncoder().encode(']}');
const COMMA = new TextEncoder().encode(',');

const bodyOf = (items: readonly { readonly bytes: Uint8Array }[]): Uint8Array<ArrayBuffer> => {
  const parts = [
    OPEN,
    ...items.flatMap(({ bytes }, index) => (index === 0 ? [bytes] : [COMMA, bytes])),
    CLOSE,
  ];
  const body = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    body.set(part, at);
    at += part.length;
  }
  return body;
};

type Timer = ReturnType<typeof setTimeout>;
// Elsewhere than in Node a timer is a number, and keeps nothing alive.
const keepAlive = (timer: Timer, on: boolean): void => {
  if (typeof timer !== 'object') return;
  if (on) timer.ref();
  else timer.unref();
};

/** Takes batches out of the buffer and sends each until it is settled. */
export const createSender = <Message>(deps: SenderDeps<Message>): Sender => {
  const { buffer, settings } = deps;
  const busy = new Set<string>();
  const timers = new Set<Timer>();
  const waits = new Set<() => void>();
  const stopping = new AbortController();
  let linger: { readonly timer: Timer; readonly atMs: number } | null = null;
  let isHurried = false;

  const later = (ms: number, run: () => void): Timer => {
    const timer = setTimeout(() => {
      timers.delete(timer);
      run();
    }, ms);
    timers.add(timer);
    keepAlive(timer, isHurried);
    return timer;
  };

  const wait = (ms: number): Promise<void> =>
    new Promise((resolve) => {
      const end = (): void => {
        waits.delete(end);
        resolve();
      };
      waits.add(end);
      later(ms, end);
    });

  const settle = (items: readonly Item<Message>[], outcomes: readonly Outcome[]): void => {
    buffer.settle(items);
    deps.onSettled(items, outcomes);
  };

  /** The same bytes under the same key, however often: the server takes them once. */
  const deliver = async (application: string, items: readonly Item<Message>[]): Promise<void> => {
    const key = deps.newKey();
    const body = bodyOf(items);
    const path = `/api/v1/app/${encodeURIComponent(application)}/msg/batch?with_content=false`;
    const endMs = deps.nowMs() + settings.giveUpMs;
    for (let tries = 1; ; tries++) {
      const reply: Reply = await deps.send({ method: 'POST', path, body, key, signal: stopping.signal });
      const verdict = judge(reply, items.length);
      if (verdict.kind === 'settled') return settle(items, verdict.outcomes);
      if (verdict.kind === 'split') {
        const half = Math.ceil(items.length / 2);
        await deliver(application, items.slice(0, half));
        return deliver(application, items.slice(half));
      }
      const { error } = verdict;
      if (!stopping.signal.aborted && deps.nowMs() < endMs) {
        deps.onRetry(error);
        await wait(waitBefore(tries, verdict.retryAfterMs, deps.random()));
        if (!stopping.signal.aborted) continue;
      }
      return settle(
        items,
        items.map(() => ({ kind: 'unconfirmed', error })),
      );
    }
  };

  const begin = (application: string): void => {
    busy.add(application);
    void deliver(application, buffer.take(application, settings.batch)).finally(() => {
      busy.delete(application);
      wakeAll();
    });
  };

  const lingerUntil = (atMs: number): void => {
    if (linger !== null && linger.atMs <= atMs) return;
    if (linger !== null) {
      clearTimeout(linger.timer);
      timers.delete(linger.timer);
    }
    const timer = later(Math.max(1, atMs - deps.nowMs()), () => {
      linger = null;
      wakeAll();
    });
    linger = { timer, atMs };
  };

  const wake = (application: string): void => {
    if (stopping.signal.aborted || busy.has(application) || busy.size >= settings.concurrency) return;
    const dueMs = buffer.oldestOf(application) + settings.lingerMs;
    if (isHurried || dueMs <= deps.nowMs() || buffer.isFull(application, settings.batch)) begin(application);
    else lingerUntil(dueMs);
  };

  const wakeAll = (): void => {
    for (const application of [...buffer.applications()]) {
      if (busy.size >= settings.concurrency) return;
      wake(application);
    }
  };

  return {
    wake,
    hurry: (on) => {
      isHurried = on;
      for (const timer of timers) keepAlive(timer, on);
      if (on) wakeAll();
    },
    stop: () => {
      stopping.abort();
      for (const timer of timers) clearTimeout(timer);
      timers.clear();
      for (const end of waits) end();
    },
  };
};
