import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestServer, type TestServer } from '../journey/harness.ts';
import { rawClient } from './raw-client.ts';

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer();
});
afterAll(() => server.stop());

/** Sends bytes on a connection of their own; the answer's status and its body as JSON. */
const exchange = async (bytes: string): Promise<{ status: number; body: unknown }> => {
  const client = await rawClient(server.url);
  client.send(bytes);
  const text = await client.until(/\r\n\r\n.*\}/s);
  client.close();
  return {
    status: Number(/^HTTP\/1\.1 (\d{3})/.exec(text)![1]),
    body: JSON.parse(/\{.*\}/s.exec(text)![0]),
  };
};

const refusals: [name: string, bytes: string, status: number, code: string][] = [
  ['no host', 'GET /livez HTTP/1.1\r\n\r\n', 400, 'bad_request'],
  ['a host that is none', 'GET /api/v1/app HTTP/1.1\r\nhost: a b\r\n\r\n', 400, 'bad_request'],
  [
    'two lengths',
    'POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n',
    400,
    'bad_request',
  ],
  [
    'a length and chunks',
    'POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n',
    400,
    'bad_request',
  ],
  ['the server itself', 'OPTIONS * HTTP/1.1\r\nhost: x\r\n\r\n', 400, 'bad_request'],
  ['a star', 'GET * HTTP/1.1\r\nhost: x\r\n\r\n', 400, 'bad_request'],
  [
    'an unknown expectation',
    'GET /livez HTTP/1.1\r\nhost: x\r\nexpect: more\r\n\r\n',
    417,
    'expectation_failed',
  ],
  ['a tunnel', 'CONNECT 127.0.0.1:22 HTTP/1.1\r\nhost: x\r\n\r\n', 405, 'method_not_allowed'],
  [
    'long headers',
    `GET /livez HTTP/1.1\r\nhost: x\r\na: ${'a'.repeat(20_000)}\r\n\r\n`,
    431,
    'headers_too_large',
  ],
  ['no HTTP at all', '\u0016\u0003\u0001\u0000\u0005\r\n\r\n', 400, 'bad_request'],
];

describe('what is hardly HTTP', () => {
  it.each(refusals)('is refused in JSON: %s', async (_, bytes, status, code) => {
    const answer = await exchange(bytes);
    expect(answer).toEqual({ status, body: { code, detail: expect.any(String) } });
  });

  it('is served where the standard says so: an absolute URL, and HTTP/1.0 without a host', async () => {
    for (const line of ['GET http://elsewhere/livez HTTP/1.1\r\nhost: x', 'GET /livez HTTP/1.0']) {
      expect(await exchange(`${line}\r\n\r\n`)).toEqual({ status: 200, body: { status: 'alive' } });
    }
  });
});
