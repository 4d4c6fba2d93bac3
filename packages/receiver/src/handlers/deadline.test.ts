// Nobody waits longer than it says, and what goes on after the answer ends as it should.
import { afterEach, describe, expect, it, vi } from 'vitest';
import { recorder, SECRET, shown, signedRequest } from '../../test/handlers/requests.ts';
import { memoryDedup } from '../dedup/memory.ts';
import { standardWebhooks } from '../standard-webhooks.ts';
import type { ReceiverOptions } from './options.ts';
import { createReceiver } from './receiver.ts';

const source = standardWebhooks(SECRET);
const quiet = { source, log: () => undefined, onError: () => undefined };
const receiver = (options: Partial<ReceiverOptions> = {}) =>
  createReceiver({ ...quiet, handle: () => undefined, ...options } as ReceiverOptions);

afterEach(() => vi.useRealTimers());

/** Lets everything happen that needs no clock, and then moves it. */
const pass = (ms: number): Promise<unknown> => vi.advanceTimersByTimeAsync(ms);
/** WebCrypto works outside of the event loop's turns that fake timers know. */
const until = async (condition: () => boolean): Promise<void> => {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve));
};
const fakeTime = (): void => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date'] });

describe('the deadline', () => {
  it('answers a job of 30 s within 5 s, handles it once, and says so to the retry', async () => {
    fakeTime();
    let begun = 0;
    let ended = 0;
    const { facts, seen } = recorder();
    const { receive, idle } = receiver({
      seen,
      dedup: memoryDedup(),
      handle: async () => {
        begun += 1;
        await new Promise((resolve) => setTimeout(resolve, 30_000));
        ended += 1;
      },
    });
    const startedMs = Date.now();
    const first = receive(await signedRequest('{}'));
    await until(() => begun === 1);
    await pass(5_000);
    expect(shown(await first)).toMatchObject({ http: 503, error: 'handler_timeout', retryAfter: '5' });
    expect(Date.now() - startedMs).toBe(5_000);

    expect(shown(await receive(await signedRequest('{}')))).toMatchObject({
      http: 503,
      error: 'in_progress',
      retryAfter: '5',
    });
    await pass(25_000);
    await idle();
    expect({ begun, ended }).toEqual({ begun: 1, ended: 1 });
    expect(shown(await receive(await signedRequest('{}')))).toMatchObject({ http: 200, status: 'duplicate' });
    expect(begun).toBe(1);
    expect(facts.map(({ kind }) => kind)).toEqual([
      'received',
      'accepted',
      'rejected',
      'received',
      'rejected',
      'processed',
      'received',
      'duplicate',
    ]);
    expect(facts.find(({ kind }) => kind === 'processed')).toMatchObject({ durationMs: 30_000 });
  });

  it('holds in real time', async () => {
    const job = Promise.withResolvers<void>();
    const { receive, idle } = receiver({
      deadlineMs: 200,
      dedup: memoryDedup(),
      handle: () => job.promise,
    });
    const startedMs = performance.now();
    expect(shown(await receive(await signedRequest('{}')))).toMatchObject({ error: 'handler_timeout' });
    expect(performance.now() - startedMs).toBeLessThan(2_000);
    job.resolve();
    await idle();
    expect(shown(await receive(await signedRequest('{}')))).toMatchObject({ status: 'duplicate' });
  });

  it('is shorter where the sender or the host waits less', async () => {
    fakeTime();
    for (const [extra, patienceMs, wanted] of [
      [{}, 3_000, 2_500],
      [{ remainingMs: 1_200 }, 3_000, 700],
      [{ remainingMs: 60_000 }, 60_000, 5_000],
    ] as const) {
      let begun = false;
      const { receive } = receiver({
        source: { ...source, patienceMs },
        handle: () => {
          begun = true;
          return new Promise(() => undefined);
        },
      });
      const startedMs = Date.now();
      const answer = receive(await signedRequest('{}', extra));
      await until(() => begun);
      await pass(wanted);
      expect(shown(await answer)).toMatchObject({ error: 'handler_timeout' });
      expect(Date.now() - startedMs).toBe(wanted);
    }
  });

  it('tells the host about work that outlives the answer', async () => {
    const job = Promise.withResolvers<void>();
    const kept: Promise<unknown>[] = [];
    const { receive } = receiver({ deadlineMs: 20, handle: () => job.promise });
    await receive(await signedRequest('{}', { waitUntil: (work) => kept.push(work) }));
    expect(kept).toHaveLength(1);
    job.resolve();
    await kept[0];
  });

  it('does not begin what the store let wait too long, and lets the retry begin', async () => {
    fakeTime();
    const store = memoryDedup();
    const slow = Promise.withResolvers<void>();
    let claims = 0;
    let handled = 0;
    const { receive, idle } = receiver({
      dedup: {
        ...store,
        claim: async (...args) => {
          if (claims++ === 0) await slow.promise;
          return store.claim(...args);
        },
      },
      handle: () => void (handled += 1),
    });
    const first = receive(await signedRequest('{}'));
    await until(() => claims === 1);
    await pass(5_000);
    expect(shown(await first)).toMatchObject({ http: 503, error: 'store_unavailable', retryAfter: '5' });
    slow.resolve();
    await idle();
    expect(handled).toBe(0);
    expect(shown(await receive(await signedRequest('{}')))).toMatchObject({ status: 'processed' });
    expect(handled).toBe(1);
  });

  it('answers 200 once the work is done, though the store is slow to hear it', async () => {
    fakeTime();
    let recording = false;
    const { receive } = receiver({
      dedup: {
        ...memoryDedup(),
        done: () => {
          recording = true;
          return new Promise(() => undefined);
        },
      },
    });
    const answer = receive(await signedRequest('{}'));
    await until(() => recording);
    await pass(5_000);
    expect(shown(await answer)).toMatchObject({ http: 200, status: 'processed' });
  });

  it('ends a body that does not come with 408', async () => {
    fakeTime();
    let signal: AbortSignal | undefined;
    const { receive } = receiver({ readTimeoutMs: 1_000 });
    const request = await signedRequest('{}', {
      read: (limits) => {
        ({ signal } = limits);
        return new Promise(() => undefined);
      },
    });
    const answer = receive(request);
    await until(() => signal !== undefined);
    await pass(1_000);
    expect(shown(await answer)).toMatchObject({ http: 408, error: 'body_timeout' });
    expect(signal?.aborted).toBe(true);
  });
});
