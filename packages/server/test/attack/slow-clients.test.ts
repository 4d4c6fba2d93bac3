// Clients that hold connections by doing little: each is cut in time, whatever it does not do.
import { connect, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { clientLimits, type ClientLimits } from '../../src/api/clients.ts';
import { listen, type Listening, type Route } from '../../src/api/listen.ts';
import { rawClient } from './raw-client.ts';

const MB = 1024 * 1024;
const quick: ClientLimits = {
  ...clientLimits,
  headersMs: 400,
  requestMs: 800,
  keepAliveMs: 400,
  stallMs: 500,
  checkMs: 50,
};

let server: Listening;
afterEach(() => server.destroy());

const serve = async (route: Route, limits: Partial<ClientLimits> = {}): Promise<string> => {
  const result = await listen({
    listen: '127.0.0.1:0',
    tls: null,
    routes: [route],
    fetch: () => Promise.resolve(new Response('')),
    clients: { ...quick, ...limits },
  });
  if (result.kind === 'failed') throw new Error(result.message);
  server = result.server;
  return `http://127.0.0.1:${server.port}`;
};

/** Answers with so many bytes at once. */
const answering =
  (bytes: number, seen: Socket[] = []): Route =>
  (request, response) => {
    seen.push(request.socket);
    request.resume();
    response.writeHead(200, { 'content-length': bytes }).end(Buffer.alloc(bytes, 'x'));
    return true;
  };
/** Waits for the body before it answers. */
const reading: Route = (request, response) => {
  request.resume().on('end', () => response.end('{}'));
  return true;
};

/** Sends a byte now and then until the connection is closed; what was answered. */
const drip = async (url: string, head: string): Promise<string> => {
  const client = await rawClient(url);
  client.send(head);
  const timer = setInterval(() => client.send('x'), 40);
  const answer = await client.until(/\r\n\r\n.*\}/s).finally(() => clearInterval(timer));
  client.close();
  return answer;
};

const closed = (socket: Socket): Promise<void> =>
  socket.destroyed ? Promise.resolve() : new Promise((resolve) => void socket.once('close', () => resolve()));

describe('a client', () => {
  it('that never ends its headers is told so and cut', async () => {
    const url = await serve(reading);
    expect(await drip(url, 'GET / HTTP/1.1\r\nhost: x\r\nx: ')).toMatch(/^HTTP\/1\.1 408 .*request_timeout/s);
  });

  it('that never ends its body is told so and cut', async () => {
    const url = await serve(reading);
    const head = 'POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 100000\r\n\r\n';
    expect(await drip(url, head)).toMatch(/^HTTP\/1\.1 408 .*request_timeout/s);
    const chunked = 'POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nffff\r\n';
    expect(await drip(url, chunked)).toMatch(/^HTTP\/1\.1 408 .*request_timeout/s);
  });

  it('that says nothing at all is cut', async () => {
    const url = await serve(reading);
    const client = await rawClient(url);
    await expect(client.until(/no such thing/)).rejects.toThrow('closed after');
  });

  it('that never reads its answer is cut, and the answer freed', async () => {
    const seen: Socket[] = [];
    const url = await serve(answering(32 * MB, seen));
    const client = connect(Number(new URL(url).port), '127.0.0.1');
    client.on('error', () => {}).pause();
    client.write('GET / HTTP/1.1\r\nhost: x\r\n\r\n');
    await expect.poll(() => seen.length).toBe(1);
    await closed(seen[0]!);
    expect(seen[0]!.writableLength).toBe(0);
    client.destroy();
  });

  it('that reads slowly, but reads, gets all of it', async () => {
    const bytes = 8 * MB;
    const url = await serve(answering(bytes), { stallMs: 400, requestMs: 60_000 });
    const client = connect(Number(new URL(url).port), '127.0.0.1');
    client.write('GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n');
    let received = 0;
    for await (const chunk of client as AsyncIterable<Buffer>) {
      received += chunk.length;
      // Two seconds in all: five times what a standstill may take.
      await new Promise((resolve) => setTimeout(resolve, 15));
    }
    expect(received).toBeGreaterThan(bytes);
  });

  it('is not alone: of answers that nobody reads the largest are cut beyond a sum', async () => {
    const seen: Socket[] = [];
    const url = await serve(answering(16 * MB, seen), { stallMs: 60_000, mostUnreadBytes: 40 * MB });
    const clients = Array.from({ length: 8 }, () => {
      const client = connect(Number(new URL(url).port), '127.0.0.1');
      client.on('error', () => {}).pause();
      client.write('GET / HTTP/1.1\r\nhost: x\r\n\r\n');
      return client;
    });
    await expect.poll(() => seen.length).toBe(8);
    const held = (): number => seen.reduce((sum, { writableLength }) => sum + writableLength, 0);
    await expect.poll(held).toBeLessThanOrEqual(40 * MB);
    expect(seen.filter(({ destroyed }) => destroyed).length).toBeGreaterThanOrEqual(4);
    expect(seen.some(({ destroyed }) => !destroyed)).toBe(true);
    for (const client of clients) client.destroy();
  });

  it('that asks and asks before it is answered is cut, and others are not', async () => {
    const seen: Socket[] = [];
    const url = await serve(answering(2, seen), { mostPipelined: 10, keepAliveMs: 60_000, stallMs: 60_000 });
    const one = 'GET / HTTP/1.1\r\nhost: x\r\n\r\n';
    const polite = await rawClient(url);
    const answers = (): number => polite.received().split('\r\n\r\nxx').length - 1;
    for (const count of [11, 22]) {
      polite.send(one.repeat(11));
      await expect.poll(answers).toBe(count);
    }
    const greedy = await rawClient(url);
    greedy.send(one.repeat(5_000));
    await expect(greedy.until(/no such thing/)).rejects.toThrow('closed after');
    expect(seen.length).toBeLessThan(22 + 20);
    polite.send(one);
    await expect.poll(answers).toBe(23);
    polite.close();
  });

  it('that waits between two requests gives way when there are too many', async () => {
    const seen: Socket[] = [];
    const url = await serve(answering(2, seen), { keepAliveMs: 60_000, stallMs: 60_000, mostConnections: 5 });
    const clients = await Promise.all(Array.from({ length: 8 }, () => rawClient(url)));
    for (const client of clients) {
      client.send('GET / HTTP/1.1\r\nhost: x\r\n\r\n');
      await client.until(/xx$/);
    }
    await expect.poll(() => seen.every(({ destroyed }) => destroyed)).toBe(true);
    for (const client of clients) client.close();
  });
});
