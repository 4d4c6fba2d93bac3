import { createServer, request as httpRequest } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import { once } from 'node:events';
import { describe, expect, it, onTestFinished } from 'vitest';
import { memoryDedup } from '../dedup/memory.ts';
import { sign, standardWebhooks } from '../index.ts';
import { webhooks } from './node.ts';
import type { ReceiverOptions, Reply } from './options.ts';
import { createReceiver } from './receiver.ts';

const secret = `whsec_${Buffer.alloc(32, 1).toString('base64')}`;
const source = standardWebhooks(secret);
const handle = (): void => {};
const quiet = { log: (): void => {} };

describe('options that would fail open', () => {
  it.each<[string, Record<string, unknown>, string]>([
    ['a misspelt guard', { admit: () => {} }, 'There is no option admit.'],
    ['a guard that is none', { allow: () => {} }, 'Expected an allow-list'],
    ['a limit that is no number', { maxBytes: '1mb' }, 'above 0 for maxBytes'],
    ['a limit that is NaN', { maxBytes: Number('x') }, 'above 0 for maxBytes'],
    ['no time at all', { deadlineMs: 0 }, 'above 0 for deadlineMs'],
    ['a memory of no length', { dedup: { store: memoryDedup(), ttlMs: Number.NaN } }, 'for dedup.ttlMs'],
    ['a misspelt memory', { dedup: { store: memoryDedup(), ttl: 5 } }, 'There is no option dedup.ttl.'],
    ['a name with the colon of keys', { source: { 'a:b': source } }, 'without a colon'],
  ])('%s starts nothing', (_name, more, said) => {
    expect(() => createReceiver({ source, handle, ...more })).toThrow(said);
  });

  it('what is undefined leaves the default in its place', async () => {
    let handled = 0;
    const options = {
      source,
      handle: () => void handled++,
      maxBytes: undefined,
      dedup: { store: memoryDedup(), ttlMs: undefined, leaseMs: undefined },
      log: undefined,
    };
    const post = await listening(webhooks(options as unknown as ReceiverOptions));
    const once = await sign('{}', secret, { id: 'msg_1' });
    for (let n = 0; n < 3; n++) expect((await post('{}', once)).status).toBe(200);
    expect(handled).toBe(1);
    const large = 'x'.repeat(2_000_000);
    expect((await post(large, await sign(large, secret, { id: 'msg_2' }))).status).toBe(413);
  });
});

describe('what callbacks do', () => {
  it.each<[string, unknown]>([
    ['a status that is none', { status: 99 }],
    ['a status of text', { status: 'ok' }],
    ['a status that promises another answer', { status: 101 }],
    ['a header of two lines', { headers: { 'x-a': 'a\nb' } }],
    ['a header without a name', { headers: { 'bad name': 'v' } }],
    ['a body that is no text', { body: { a: 1 } }],
  ])('a reply with %s fails the handler, not the process', async (_name, reply) => {
    const post = await listening(webhooks({ ...quiet, source, handle: () => reply as Reply }));
    expect(await post('{}', await sign('{}', secret, { id: 'msg_2' }))).toMatchObject({
      status: 500,
      error: 'handler_failed',
    });
  });

  it('a throwing log costs nothing', async () => {
    const options = {
      source,
      handle: () => {
        throw new Error('no');
      },
      log: () => {
        throw new Error('full');
      },
    };
    const post = await listening(webhooks(options));
    expect(await post('{}', await sign('{}', secret, { id: 'msg_2' }))).toMatchObject({
      status: 500,
      error: 'handler_failed',
    });
  });

  it('a throwing trace costs nothing, and nothing is done twice', async () => {
    let handled = 0;
    const fails = (): never => {
      throw new Error('no tracer');
    };
    for (const trace of [
      fails,
      async <T>(_: unknown, run: (note: () => void) => Promise<T>) => (await run(() => {}), fails()),
    ]) {
      const post = await listening(webhooks({ source, handle: () => void handled++, trace }));
      expect((await post('{}', await sign('{}', secret, { id: 'msg_2' }))).status).toBe(200);
    }
    expect(handled).toBe(2);
  });

  it('a throwing pickSource finds no source, whatever the sender wrote as its host', async () => {
    const pickSource = ({ url }: { url: string }): string | null => new URL(url).searchParams.get('from');
    const server = await serve(webhooks({ ...quiet, source: { a: source }, pickSource, handle }));
    const socket = connect(server, '127.0.0.1');
    socket.write('POST /w?from=a HTTP/1.1\r\nhost: [\r\ncontent-length: 0\r\n\r\n');
    const [answer] = (await once(socket, 'data')) as [Buffer];
    expect(answer.toString()).toContain('404');
    socket.destroy();
  });

  it('an answer that something else gave first stays the answer', async () => {
    let release = (): void => {};
    const held = new Promise<void>((resolve) => void (release = resolve));
    const listener = webhooks({ source, handle: () => held });
    const post = await listening((request, response) => {
      listener(request, response);
      response.writeHead(504).end('{}');
    });
    expect((await post('{}', await sign('{}', secret, { id: 'msg_2' }))).status).toBe(504);
    release();
    expect((await post('{}', await sign('{}', secret, { id: 'msg_2' }))).status).toBe(504);
  });
});

const serve = async (listener: Parameters<typeof createServer>[1]): Promise<number> => {
  const server = createServer(listener).listen(0, '127.0.0.1');
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
};

const listening = async (listener: Parameters<typeof createServer>[1]) => {
  const port = await serve(listener);
  return (body: string, headers: Readonly<Record<string, string>>) =>
    new Promise<{ status: number; error?: string }>((resolve, reject) => {
      const asked = httpRequest({ port, method: 'POST', headers }, (response) => {
        let text = '';
        response.on('data', (part: Buffer) => (text += part.toString()));
        response.on('end', () =>
          resolve({ ...(JSON.parse(text) as { error?: string }), status: response.statusCode ?? 0 }),
        );
      });
      asked.on('error', reject).end(body);
    });
};
