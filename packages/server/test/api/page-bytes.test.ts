// What is large makes pages shorter: no list answers with hundreds of payloads of two megabytes.
import { beforeAll, describe, expect, it } from 'vitest';
import { PAGE_BYTES } from '../../src/domain/message.ts';
import { addApplication, addAttempt, addEndpoint, addMessage } from './fixtures.ts';
import { useApi } from './harness.ts';
import type { Body, Reply } from './harness.ts';

const harness = useApi();
const { call } = harness;
const LARGE = 1_500_000;
const COUNT = 7;
/** Two fit on a page, and what is a little larger than itself. */
const MOST = PAGE_BYTES + 20_000;

const large = (n: number): string => JSON.stringify({ n, text: 'x'.repeat(LARGE) });

type Page = { readonly reply: Reply; readonly keys: readonly string[] };

/** Every page of a list, by its iterator, or the other way by its `prevIterator`. */
const walk = async (
  path: string,
  keyOf: (row: Body) => string,
  { body, by = 'iterator' }: { body?: Record<string, unknown>; by?: 'iterator' | 'prevIterator' } = {},
): Promise<Page[]> => {
  const pages: Page[] = [];
  let iterator: string | null = null;
  for (;;) {
    const reply: Reply =
      body === undefined
        ? await call('GET', iterator === null ? path : `${path}&iterator=${iterator}`)
        : await call('POST', path, { body: iterator === null ? body : { ...body, iterator } });
    expect([path, reply.status]).toEqual([path, 200]);
    pages.push({ reply, keys: reply.body.data.map(keyOf) });
    if (reply.body['done'] === true) return pages;
    if (pages.length > 50) throw new Error(`${path} does not end`);
    iterator = reply.body[by];
  }
};

const idOf = (row: Body): string => row.id;

describe('a page of what is large', () => {
  let app: string;
  let endpoint: string;
  let messages: string[];
  beforeAll(async () => {
    app = await addApplication(harness);
    endpoint = await addEndpoint(harness, app);
    messages = [];
    for (let n = 0; n < COUNT; n++) {
      const message = await addMessage(harness, app, { payload: large(n), tags: ['t'] });
      await addAttempt(harness, app, endpoint, message, { final: 'succeeded' });
      messages.push(message);
    }
  });

  it.each([
    ['messages', 'iterator', () => `/app/${app}/msg?limit=5`],
    ['messages by a filter', 'iterator', () => `/app/${app}/msg?limit=5&tag=t`],
    ['messages since', 'prevIterator', () => `/app/${app}/msg?limit=5&after=2020-01-01T00:00:00Z`],
    ['messages of an endpoint', 'iterator', () => `/app/${app}/endpoint/${endpoint}/msg?limit=5`],
  ] as const)('of %s is short, and the walk leaves nothing out', async (_what, by, path) => {
    const pages = await walk(path(), idOf, { by });
    expect(pages.flatMap(({ keys }) => keys).toSorted()).toEqual(messages);
    for (const { reply, keys } of pages) {
      expect(reply.text.length).toBeLessThan(MOST);
      expect(keys.length).toBeLessThanOrEqual(2);
    }
  });

  it('goes back the way it came', async () => {
    const pages = await walk(`/app/${app}/msg?limit=5`, idOf);
    const last = pages.at(-1)!;
    const back = await call('GET', `/app/${app}/msg?limit=5&iterator=${last.reply.body.prevIterator}`);
    expect(back.body.data.map(idOf)).toEqual(pages.at(-2)!.keys);
    expect(back.body['done']).toBe(false);
  });

  it('is short in a search, too', async () => {
    const pages = await walk(`/app/${app}/msg/search`, idOf, { body: { limit: 5, with_content: true } });
    expect(pages.flatMap(({ keys }) => keys).toSorted()).toEqual(messages);
    expect(Math.max(...pages.map(({ reply }) => reply.text.length))).toBeLessThan(MOST);
  });

  it('is as long as asked for without content', async () => {
    const reply = await call('GET', `/app/${app}/msg?limit=5&with_content=false`);
    expect([reply.body.data.length, reply.body['done']]).toEqual([5, false]);
  });

  it('has one that is larger than a page alone', async () => {
    const of = await addApplication(harness);
    const small = await addMessage(harness, of);
    const huge = await addMessage(harness, of, { payload: JSON.stringify('x'.repeat(PAGE_BYTES)) });
    const after = await addMessage(harness, of);
    const pages = await walk(`/app/${of}/msg?limit=5`, idOf);
    expect(pages.map(({ keys }) => keys)).toEqual([[after], [huge], [small]]);
  });

  it('of a poll is short, and the next goes on', async () => {
    const poll = (iterator: string) =>
      call('GET', `/app/${app}/poller/${endpoint}?limit=5&after=2020-01-01T00:00:00Z${iterator}`);
    const seen: string[] = [];
    let iterator = '';
    for (let page = 0; page < 20; page++) {
      const { text, body } = await poll(iterator);
      expect(text.length).toBeLessThan(MOST);
      seen.push(...body.data.map(idOf));
      if (body['done'] === true) break;
      iterator = `&iterator=${body.iterator}`;
    }
    expect(seen).toEqual(messages);
  });

  it('of endpoints is short', async () => {
    const of = await addApplication(harness);
    const ids: string[] = [];
    for (let n = 0; n < COUNT; n++) {
      const body = { url: 'https://a.test/', description: 'x'.repeat(LARGE) };
      ids.push((await call('POST', `/app/${of}/endpoint`, { body })).body.id);
    }
    const pages = await walk(`/app/${of}/endpoint?order=ascending`, idOf);
    expect(pages.flatMap(({ keys }) => keys)).toEqual(ids);
    expect(Math.max(...pages.map(({ reply }) => reply.text.length))).toBeLessThan(MOST);
  });
});
