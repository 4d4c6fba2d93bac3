import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createApplication, eventually, startTestServer, type TestServer } from '../journey/harness.ts';
import { rawClient, type RawClient } from './raw-client.ts';

const MAX_PENDING = 1024 * 1024;
const HALF = Buffer.alloc(512 * 1024, 'a');

let server: TestServer;
let app: string;
const clients: RawClient[] = [];

beforeAll(async () => {
  server = await startTestServer({ POSTHORN_MAX_PENDING: String(MAX_PENDING) });
  app = await createApplication(server, 'slow');
});
afterAll(async () => {
  for (const client of clients) client.close();
  await server.stop();
});

/** Announces a body of 2 MB and sends none of it yet. */
const begin = async (path: string, token: string): Promise<RawClient> => {
  const client = await rawClient(server.url);
  clients.push(client);
  client.send(
    `POST ${path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${token}\r\ncontent-type: application/json\r\ncontent-length: 2000000\r\n\r\n`,
  );
  return client;
};

const readingBytes = async (): Promise<number> =>
  Number(
    (await (await fetch(`${server.url}/metrics`)).text()).match(
      /^posthorn_ingest_pending_bytes (\d+)$/m,
    )![1]!,
  );

describe('a producer that sends slowly', () => {
  it('is told that its token is bad before its body is read', async () => {
    for (const path of [`${app}/msg`, `${app}/msg/batch`, '/api/v1/app']) {
      const client = await begin(path, 'nonsense');
      const answer = await client.until(/\r\n\r\n\{.*\}/);
      expect([path, answer]).toEqual([
        path,
        expect.stringMatching(/^HTTP\/1\.1 401 .*authentication_failed/s),
      ]);
    }
  });

  it('fills no more memory than the limit, and gives it back when it goes', async () => {
    const slow = await Promise.all(Array.from({ length: 2 }, () => begin(`${app}/msg`, server.token)));
    for (const client of slow) client.send(HALF.subarray(1));
    await eventually(readingBytes, (bytes) => bytes === 2 * (HALF.length - 1));

    const late = await begin(`${app}/msg`, server.token);
    late.send(HALF);
    const answer = await late.until(/\r\n\r\n\{.*\}/);
    expect(answer).toMatch(/^HTTP\/1\.1 503 .*"code":"overloaded"/s);
    expect(answer.toLowerCase()).toContain('retry-after: 1\r\n');
    // What is small enough to come at once is still taken.
    const small = { eventType: 'small', payload: {} };
    expect((await server.call('POST', `${app}/msg`, small)).status).toBe(202);

    for (const client of [...slow, late]) client.close();
    await eventually(readingBytes, (bytes) => bytes === 0);
    const large = { eventType: 'large', payload: { text: HALF.toString() } };
    expect((await server.call('POST', `${app}/msg`, large)).status).toBe(202);
    expect(await readingBytes()).toBe(0);
  });
});
