import { createHmac } from 'node:crypto';
import { describe, expect, it, vi } from 'vitest';
import { recorder, SECRET, shown, signedRequest } from '../../test/handlers/requests.ts';
import type { DedupStore } from '../contract.ts';
import { memoryDedup } from '../dedup/memory.ts';
import { slack } from '../presets/index.ts';
import { standardWebhooks } from '../standard-webhooks.ts';
import type { ReceiverOptions } from './options.ts';
import { createReceiver } from './receiver.ts';

const source = standardWebhooks(SECRET);
const quiet = { source, log: () => undefined, onError: () => undefined };
const receiver = (options: Partial<ReceiverOptions> = {}) =>
  createReceiver({ ...quiet, handle: () => undefined, ...options } as ReceiverOptions);

describe('deduplication', () => {
  it('handles one of two hundred at once', async () => {
    let handled = 0;
    const { receive } = receiver({ dedup: memoryDedup(), handle: () => void (handled += 1) });
    const request = await signedRequest('{}');
    const answers = await Promise.all(Array.from({ length: 200 }, () => receive(request)));
    expect(handled).toBe(1);
    const counted = (kind: string): number =>
      answers.map(shown).filter(({ status, error }) => status === kind || error === kind).length;
    expect(counted('processed')).toBe(1);
    expect(counted('duplicate') + counted('in_progress')).toBe(199);
  });

  it('forgets what failed, so that the retry is the first again', async () => {
    let tries = 0;
    const errors: unknown[] = [];
    const { receive } = receiver({
      dedup: memoryDedup(),
      onError: (error) => errors.push(error),
      handle: () => {
        tries += 1;
        if (tries === 1) throw new RangeError('no');
      },
    });
    expect(shown(await receive(await signedRequest('{}')))).toMatchObject({
      http: 500,
      error: 'handler_failed',
    });
    expect(errors).toEqual([new RangeError('no')]);
    expect(shown(await receive(await signedRequest('{}')))).toMatchObject({ status: 'processed' });
    expect(shown(await receive(await signedRequest('{}')))).toMatchObject({ status: 'duplicate' });
  });

  it('keys by source, by function, and lets a resend pass', async () => {
    const keys: (string | null)[] = [];
    const options = {
      handle: (_event: unknown, { key }: { key: string | null }) => void keys.push(key),
    } as const;
    const store = memoryDedup();
    await receiver({ ...options, dedup: store }).receive(await signedRequest('{}'));
    const byFunction = receiver({
      ...options,
      dedup: {
        store,
        key: ({ json }) => String((json() as { n: number }).n),
        pass: ({ headers }) => headers['x-resend'] === 'yes',
      },
    });
    await byFunction.receive(await signedRequest('{"n":7}'));
    expect(shown(await byFunction.receive(await signedRequest('{"n":7}', { id: 'other' })))).toMatchObject({
      status: 'duplicate',
    });
    await byFunction.receive(await signedRequest('{"n":7}', { headers: { 'x-resend': 'yes' } }));
    expect(keys).toEqual(['standard-webhooks:msg_1', 'standard-webhooks:7', null]);
  });

  it('remembers 48 hours and warns once when the sender retries longer', async () => {
    const claims: unknown[] = [];
    const lines: string[] = [];
    const store: DedupStore = {
      ...memoryDedup(),
      claim: async (_key, options) => {
        claims.push(options);
        return { kind: 'done' };
      },
    };
    const { receive } = receiver({ dedup: store, log: (text) => lines.push(text) });
    await receive(await signedRequest('{}'));
    await receive(await signedRequest('{}'));
    expect(claims[0]).toMatchObject({ ttlMs: 172_800_000, leaseMs: 60_000 });
    expect(lines).toEqual([expect.stringContaining('Set dedup.ttlMs to 270000000')]);
    lines.length = 0;
    receiver({ dedup: { store, ttlMs: 270_000_000 }, log: (text) => lines.push(text) });
    expect(lines).toEqual([]);
  });

  it('answers 503 while the store is away, and tells why', async () => {
    const errors: unknown[] = [];
    const away = new Error('away');
    const { receive } = receiver({
      dedup: { ...memoryDedup(), claim: () => Promise.reject(away) },
      onError: (error) => errors.push(error),
    });
    expect(shown(await receive(await signedRequest('{}')))).toMatchObject({
      http: 503,
      error: 'store_unavailable',
      retryAfter: '5',
    });
    expect(errors).toEqual([away]);
  });

  it('aborts the handler when its lease ends and tells that another overtook it', async () => {
    const { facts, seen } = recorder();
    const store = memoryDedup();
    const { receive, idle } = receiver({
      seen,
      deadlineMs: 20,
      dedup: { store, leaseMs: 40 },
      handle: (_event, { key, signal }) =>
        new Promise((resolve) => {
          signal.addEventListener('abort', () => {
            const again = { ttlMs: 1_000, leaseMs: 1_000, nowMs: Date.now() + 1 };
            void store.claim(key ?? '', again).then(() => resolve());
          });
        }),
    });
    await receive(await signedRequest('{}'));
    await idle();
    expect(facts.map(({ kind }) => kind)).toEqual([
      'received',
      'accepted',
      'rejected',
      'processed',
      'overtaken',
    ]);
  });
});

describe('what else a request can meet', () => {
  it('names the place in a body that the schema refuses', async () => {
    const { receive } = receiver({
      schema: {
        '~standard': {
          version: 1,
          vendor: 'test',
          validate: () => ({ issues: [{ message: 'Too small', path: ['items', { key: 0 }, 'id'] }] }),
        },
      },
    });
    expect(shown(await receive(await signedRequest('{}')))).toMatchObject({
      http: 422,
      error: 'schema_mismatch',
      message: 'Too small',
      field: 'items.0.id',
    });
  });

  it('answers a challenge without the handler', async () => {
    const handle = vi.fn();
    const { receive } = receiver({
      handle,
      source: { ...source, challenge: () => ({ contentType: 'text/plain', body: 'abc' }) },
    });
    expect(await receive(await signedRequest('{}'))).toEqual({
      status: 200,
      headers: { 'content-type': 'text/plain' },
      body: 'abc',
    });
    expect(handle).not.toHaveBeenCalled();
  });

  it('answers Slack’s url_verification, if Slack signed it', async () => {
    const handle = vi.fn();
    const { receive } = receiver({ handle, source: slack('8f742231b10e8888abcd99yyyzzz85a5') });
    const body = '{"token":"t","challenge":"3eZbrw1a","type":"url_verification"}';
    const at = String(Math.floor(Date.now() / 1_000));
    const hmac = createHmac('sha256', '8f742231b10e8888abcd99yyyzzz85a5').update(`v0:${at}:${body}`);
    const request = await signedRequest(body);
    const headers = {
      'x-slack-request-timestamp': at,
      'x-slack-signature': `v0=${hmac.digest('hex')}`,
    };
    expect(await receive({ ...request, headers })).toMatchObject({ status: 200, body: '3eZbrw1a' });
    const forged = { ...headers, 'x-slack-signature': `v0=${'0'.repeat(64)}` };
    expect((await receive({ ...request, headers: forged })).status).toBe(401);
    expect(handle).not.toHaveBeenCalled();
  });

  it('asks the allow-list before it reads', async () => {
    const read = vi.fn();
    const { receive } = receiver({
      allow: { check: async () => ({ ok: false, code: 'address_not_allowed', message: 'Not you.' }) },
    });
    expect(shown(await receive(await signedRequest('{}', { read })))).toMatchObject({
      http: 403,
      error: 'address_not_allowed',
    });
    expect(read).not.toHaveBeenCalled();
  });

  it('answers what the handler replies, and takes an error of it for a failure', async () => {
    const { receive } = receiver({
      dedup: memoryDedup(),
      handle: ({ id }) =>
        id === 'gone'
          ? { status: 410 }
          : { status: 201, headers: { 'content-type': 'text/xml' }, body: '<Response/>' },
    });
    expect(await receive(await signedRequest('{}'))).toEqual({
      status: 201,
      headers: { 'content-type': 'text/xml' },
      body: '<Response/>',
    });
    expect((await receive(await signedRequest('{}', { id: 'gone' }))).status).toBe(410);
    expect((await receive(await signedRequest('{}', { id: 'gone' }))).status).toBe(410);
  });

  it.each([
    ['stored', { kind: 'stored' }, { http: 202, status: 'stored' }],
    ['duplicate', { kind: 'duplicate' }, { http: 200, status: 'duplicate' }],
    ['full', { kind: 'full', retryAfterMs: 61_000 }, { http: 503, error: 'full', retryAfter: '61' }],
  ] as const)('answers as the sink says: %s', async (_name, put, wanted) => {
    const { receive } = createReceiver({ ...quiet, sink: { put: async () => put } });
    expect(shown(await receive(await signedRequest('{}')))).toMatchObject(wanted);
  });

  it('answers 503 when the sink fails or is slow', async () => {
    const failing = createReceiver({ ...quiet, sink: { put: () => Promise.reject(new Error('away')) } });
    expect(shown(await failing.receive(await signedRequest('{}')))).toMatchObject({
      http: 503,
      error: 'store_unavailable',
    });
    const slow = createReceiver({
      ...quiet,
      deadlineMs: 20,
      sink: { put: () => new Promise(() => undefined) },
    });
    expect(shown(await slow.receive(await signedRequest('{}')))).toMatchObject({
      http: 503,
      error: 'store_unavailable',
    });
  });

  it('never takes a source of the name that unnamed ones have, nor one of Object', async () => {
    const { receive } = receiver({ source: { unknown: source, main: source }, pickSource: () => null });
    expect(shown(await receive(await signedRequest('{}')))).toMatchObject({ error: 'unknown_source' });
    const named = receiver({ source: { main: source } });
    const url = 'https://example.com/webhooks/constructor';
    expect(shown(await named.receive(await signedRequest('{}', { url })))).toMatchObject({ http: 404 });
  });

  it('wants either a handler or a sink', () => {
    expect(() => createReceiver({ source } as unknown as ReceiverOptions)).toThrow('handle');
  });
});
