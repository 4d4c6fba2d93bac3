// Crowds of bad clients at the real server: what they can hold is bounded, and others are served meanwhile.
import { gzipSync } from 'node:zlib';
import { fork, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createApplication, startTestServer, type TestServer } from '../journey/harness.ts';
import type { Crowd, CrowdTold } from './crowd.ts';
import { rawClient } from './raw-client.ts';

const MB = 1024 * 1024;
/** On a machine five times slower than most. */
const SERVED_MS = 5_000;

let server: TestServer;
let app: string;
const crowds = new Set<ChildProcess>();
beforeAll(async () => {
  server = await startTestServer();
  app = await createApplication(server, 'crowds');
});
afterAll(async () => {
  for (const crowd of crowds) crowd.kill('SIGKILL');
  await server.stop();
});

/** A process with many connections; resolves once they are there. */
const gather = async (crowd: Crowd): Promise<{ told: () => CrowdTold; disperse: () => Promise<void> }> => {
  const child = fork(fileURLToPath(new URL('crowd.ts', import.meta.url)), {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  crowds.add(child);
  let told: CrowdTold = { open: 0, closed: 0, answers: {}, error: null };
  const isThere = new Promise<void>((resolve, reject) => {
    child.on('message', (news: CrowdTold) => {
      told = news;
      if (news.error !== null) reject(new Error(news.error));
      else if (news.open + news.closed >= crowd.count) resolve();
    });
    child.once('exit', () => reject(new Error('the crowd is gone')));
  });
  child.send(crowd);
  await isThere;
  return {
    told: () => told,
    disperse: () =>
      new Promise((resolve) => {
        child.once('exit', () => resolve());
        child.kill('SIGKILL');
        crowds.delete(child);
      }),
  };
};

const { hostname, port } = { hostname: '127.0.0.1', port: () => Number(new URL(server.url).port) };

/** A message is accepted and the API answers, in time. */
const expectServed = async (): Promise<void> => {
  const startMs = performance.now();
  expect((await server.call('POST', `${app}/msg`, { eventType: 'a.b', payload: {} })).status).toBe(202);
  expect((await server.call('GET', '/api/v1/app')).status).toBe(200);
  expect(performance.now() - startMs).toBeLessThan(SERVED_MS);
};
const heldBytes = (): number => {
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
};

describe('others are served beside', () => {
  it('ten thousand connections that say nothing, which are cut one and all', async () => {
    const before = heldBytes();
    const crowd = await gather({ hostname, port: port(), count: 10_000, send: '', everyMs: null });
    await expectServed();
    expect(heldBytes() - before).toBeLessThan(300 * MB);
    await expect.poll(() => crowd.told().open, { timeout: 40_000, interval: 200 }).toBe(0);
    await crowd.disperse();
    await expectServed();
  }, 90_000);

  it('five hundred that drip their headers', async () => {
    const head = 'POST /api/v1/app HTTP/1.1\r\nhost: x\r\nx: ';
    const crowd = await gather({ hostname, port: port(), count: 500, send: head, everyMs: 200 });
    await expectServed();
    await crowd.disperse();
  });

  it('a flood of headers, refused on each connection', async () => {
    const flood = `GET /api/v1/app HTTP/1.1\r\nhost: x\r\n${'x-more: and more\r\n'.repeat(3_000)}`;
    const before = heldBytes();
    const crowd = await gather({ hostname, port: port(), count: 300, send: flood, everyMs: null });
    await expectServed();
    await expect.poll(() => crowd.told().open, { timeout: 20_000, interval: 100 }).toBe(0);
    // A reset may outrun the answer; never is it anything but 431.
    expect(Object.keys(crowd.told().answers).filter((status) => status !== '431')).toEqual([]);
    expect(heldBytes() - before).toBeLessThan(100 * MB);
    await crowd.disperse();
  });

  it('thousands of requests on one connection that nobody reads', async () => {
    const before = heldBytes();
    const requests = 'GET /livez HTTP/1.1\r\nhost: x\r\n\r\n'.repeat(20_000);
    const crowd = await gather({
      hostname,
      port: port(),
      count: 20,
      send: requests,
      everyMs: null,
      deaf: true,
    });
    await expectServed();
    expect(heldBytes() - before).toBeLessThan(150 * MB);
    await crowd.disperse();
  });

  it('bodies that are too large, announced or not, and asked for permission or not', async () => {
    const start = `POST ${app}/msg HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${server.token}\r\n`;
    const before = heldBytes();
    const client = await rawClient(server.url);
    client.send(`${start}content-length: 9999999999\r\nexpect: 100-continue\r\n\r\n`);
    const asked = await client.until(/\r\n\r\n.*\}/s);
    expect(asked).toMatch(/413 .*payload_too_large/s);
    client.close();

    const part = `10000\r\n${'x'.repeat(65_536)}\r\n`;
    const crowd = await gather({
      hostname,
      port: port(),
      count: 50,
      send: `${start}transfer-encoding: chunked\r\n\r\n${part.repeat(48)}`,
      everyMs: null,
    });
    await expectServed();
    await expect
      .poll(() => Object.values(crowd.told().answers).reduce((sum, count) => sum + count, 0), {
        timeout: 20_000,
      })
      .toBe(50);
    expect(Object.keys(crowd.told().answers).filter((status) => !['413', '503'].includes(status))).toEqual(
      [],
    );
    expect(heldBytes() - before).toBeLessThan(250 * MB);
    await crowd.disperse();
  });
});

describe('a compressed body', () => {
  const bomb = gzipSync(Buffer.alloc(64 * MB));
  it.each(['gzip', 'br', 'deflate, gzip', 'zstd'])('is refused unread: %s', async (encoding) => {
    const before = heldBytes();
    for (const path of [`${app}/msg`, `${app}/msg/batch`, '/api/v1/app']) {
      const client = await rawClient(server.url);
      client.send(
        `POST ${path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${server.token}\r\ncontent-type: application/json\r\ncontent-encoding: ${encoding}\r\ncontent-length: ${bomb.length}\r\n\r\n`,
      );
      expect(await client.until(/\r\n\r\n.*\}/s)).toMatch(/^HTTP\/1\.1 415 .*unsupported_encoding/s);
      client.close();
    }
    expect(heldBytes() - before).toBeLessThan(16 * MB);
  });

  it('is not meant by identity', async () => {
    const message = { eventType: 'a.b', payload: {} };
    const { status } = await server.call('POST', `${app}/msg`, message, { 'content-encoding': 'identity' });
    expect(status).toBe(202);
  });
});
