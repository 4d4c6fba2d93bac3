// Senders over a real socket that are slow, endless or cut off.
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { connect } from 'node:net';
import { setImmediate } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { webhooks } from '../../src/handlers/node.ts';
import { apiKey } from '../../src/sources/index.ts';
import { app, MOST_BYTES } from './app.ts';
import { close, listen } from './hosts/http.ts';
import { recorder } from './requests.ts';

let server: Server;
const port = (options: object): Promise<number> => {
  server = createServer(webhooks({ ...app(), ...options }));
  return listen(server);
};
afterEach(() => close(server));

/** All that comes back until the connection ends. */
const raw = async (to: number, head: string, body: AsyncIterable<string> | Iterable<string>) => {
  const socket = connect(to, '127.0.0.1');
  let got = '';
  socket.on('data', (chunk) => (got += chunk.toString()));
  // A reset after the answer is the end, too.
  socket.on('error', () => undefined);
  socket.write(`POST /webhooks/main HTTP/1.1\r\nhost: x\r\n${head}\r\n\r\n`);
  for await (const text of body) {
    if (socket.destroyed) break;
    socket.write(text);
  }
  if (!socket.destroyed) await once(socket, 'close');
  return got;
};

async function* endless(): AsyncGenerator<string> {
  for (;;) {
    yield `4000\r\n${'a'.repeat(0x4000)}\r\n`;
    await setImmediate();
  }
}

describe('over a socket', () => {
  it('ends a body that trickles', async () => {
    const got = await raw(await port({ readTimeoutMs: 100 }), 'content-length: 100', ['{']);
    expect(got).toMatch(/^HTTP\/1\.1 408 /);
    expect(got).toContain('"error":"body_timeout"');
    expect(got.toLowerCase()).toContain('connection: close');
  });

  it('refuses at once what says that it is too large', async () => {
    const head = `content-length: ${MOST_BYTES * 100}`;
    const got = await raw(await port({}), head, []);
    expect(got).toMatch(/^HTTP\/1\.1 413 /);
  });

  it('keeps no more than the limit of a body without an end', async () => {
    const got = await raw(await port({}), 'transfer-encoding: chunked', endless());
    expect(got).toMatch(/^HTTP\/1\.1 413 /);
  });

  it('sees a header that came twice, of which Node would keep the first', async () => {
    const to = await port({ source: { main: apiKey('right') } });
    const head =
      'authorization: Bearer right\r\nauthorization: Bearer wrong\r\nconnection: close\r\ncontent-length: 2';
    const got = await raw(to, head, ['{}']);
    expect(got).toMatch(/^HTTP\/1\.1 400 /);
    expect(got).toContain('"error":"duplicate_header"');
  });

  it('does not take a body that was cut off', async () => {
    const { facts, seen } = recorder();
    const to = await port({ seen });
    const socket = connect(to, '127.0.0.1');
    socket.write('POST /webhooks/main HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{', () =>
      socket.destroy(),
    );
    while (facts.length === 0) await setImmediate();
    expect(facts).toEqual([{ source: 'main', kind: 'rejected', code: 'body_unreadable', status: 400 }]);
  });
});
