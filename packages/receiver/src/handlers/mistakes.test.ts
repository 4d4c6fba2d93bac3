// Mistakes on this side: told to the sender by a code, and to this side's log with the reason.
import { describe, expect, it } from 'vitest';
import { SECRET, shown, signedRequest } from '../../test/handlers/requests.ts';
import { allowList, publishedList } from '../allow-list/index.ts';
import type { DedupStore, Sink } from '../contract.ts';
import { memoryDedup } from '../dedup/memory.ts';
import { createInbox } from '../inbox/index.ts';
import { jwt } from '../sources/index.ts';
import { standardWebhooks } from '../standard-webhooks.ts';
import type { ReceiverOptions } from './options.ts';
import { createReceiver } from './receiver.ts';

const world = (options: Partial<ReceiverOptions>) => {
  const lines: string[] = [];
  const { receive } = createReceiver({
    source: standardWebhooks(SECRET),
    log: (text) => lines.push(text),
    ...('sink' in options ? {} : { handle: () => undefined }),
    ...options,
  } as ReceiverOptions);
  // What is said of the options is tested elsewhere.
  lines.length = 0;
  return {
    lines,
    answer: async (headers = {}) =>
      shown(await receive(await signedRequest('{}', { peerAddress: '192.0.2.1', headers }))),
  };
};

/** A pool that nothing may reach. */
const pool = {
  query: () => Promise.reject(new Error('asked')),
  connect: () => Promise.reject(new Error('asked')),
};

describe('a function that is to tell a key', () => {
  it.each([
    ['throws', () => JSON.parse('no json') as string],
    ['gives something that is no key', () => ({ customer: 7 }) as unknown as string],
  ])('as orderKey %s: key_failed, and the log names it', async (_, orderKey) => {
    const { lines, answer } = world({ sink: createInbox({ pool, orderKey }) });
    expect(await answer()).toMatchObject({ http: 500, error: 'key_failed' });
    expect(lines).toEqual([expect.stringContaining('orderKey')]);
    expect(lines[0]).not.toContain('no json');
  });

  it('is behind a deduplication too, which forgets the event', async () => {
    const store = memoryDedup();
    let isIll = true;
    const put: Sink['put'] = createInbox({
      pool,
      orderKey: () => {
        throw new RangeError('ill');
      },
    }).put;
    const sink: Sink = {
      put: async (event, key) => (isIll ? put(event, key) : { kind: 'stored' as const }),
    };
    const { answer } = world({ sink, dedup: store });
    expect(await answer()).toMatchObject({ error: 'key_failed' });
    isIll = false;
    expect(await answer()).toMatchObject({ http: 202, status: 'stored' });
  });

  it.each(['key', 'pass'] as const)('as dedup.%s throws: key_failed', async (name) => {
    const { lines, answer } = world({
      dedup: {
        store: memoryDedup(),
        [name]: () => {
          throw new RangeError('of a payload');
        },
      },
    });
    expect(await answer()).toMatchObject({ http: 500, error: 'key_failed' });
    expect(lines).toEqual([expect.stringMatching(/dedup\.key or dedup\.pass threw: RangeError/)]);
    expect(lines[0]).not.toContain('of a payload');
  });
});

describe('the log', () => {
  it.each([
    [Object.assign(new Error('payload'), { code: '57P01' }), 'Error 57P01'],
    [new TypeError('fetch failed', { cause: { code: 'ECONNREFUSED' } }), 'TypeError ECONNREFUSED'],
    [
      new AggregateError([Object.assign(new Error('x'), { code: 'ECONNRESET' })]),
      'AggregateError ECONNRESET',
    ],
    [Object.assign(new Error('payload'), { code: 'a payload' }), 'Error '],
    [Object.assign(new Error('payload'), { code: 4111_1111_1111_1111 }), 'Error '],
  ])('has the code of a store’s error: %o', async (error, said) => {
    const claim: DedupStore['claim'] = () => Promise.reject(error);
    const { lines, answer } = world({ dedup: { ...memoryDedup(), claim } });
    expect(await answer()).toMatchObject({ http: 503, error: 'store_unavailable' });
    expect(lines[0]).toContain(`the store of the deduplication failed: ${said}`);
    expect(lines[0]?.split('Pass onError')[0]).not.toMatch(/payload|4111/);
  });

  it('says why the allow-list cannot be had, once a minute and not to the sender', async () => {
    const url = 'https://addresses.example.com/list';
    for (const [fetch, why] of [
      [async () => new Response('', { status: 502 }), 'answered 502'],
      [
        () => Promise.reject(new TypeError('fetch failed', { cause: { code: 'ENOTFOUND' } })),
        'failed: ENOTFOUND',
      ],
      [async () => new Response('{"ips":[]}'), 'failed: expected addresses in ips'],
    ] as const) {
      const { lines, answer } = world({ allow: allowList([publishedList(url, 'ips', { fetch })]) });
      const first = await answer();
      expect(first).toMatchObject({ http: 503, error: 'addresses_unavailable' });
      expect(JSON.stringify(first)).not.toContain('addresses.example.com');
      await answer();
      expect(lines).toEqual([
        expect.stringContaining(`addresses_unavailable: the allow-list cannot be fetched: ${url} ${why}`),
      ]);
    }
  });

  it('says why the keys of tokens cannot be had', async () => {
    const jwksUrl = 'https://keys.example.com/jwks';
    const fetch = async () => new Response('', { status: 404 });
    const { lines, answer } = world({ source: jwt({ keys: { jwksUrl, fetch } }) });
    const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
    const token = `${part({ alg: 'RS256', kid: 'a' })}.${part({ exp: 1 })}.AAAA`;
    expect(await answer({ authorization: `Bearer ${token}` })).toMatchObject({
      http: 503,
      error: 'keys_unavailable',
    });
    expect(lines).toEqual([expect.stringContaining(`${jwksUrl} answered 404`)]);
  });
});
