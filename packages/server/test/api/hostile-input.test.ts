// What else strangers send, at a running server: refused with the documented status, quickly, and nothing written.
import { gzipSync } from 'node:zlib';
import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sample } from '../../src/api/sample.ts';
import { contentsOf, startPopulated } from './populated.ts';
import type { Populated } from './populated.ts';

const APP = '/api/v1/app';
const ENDPOINT = `${APP}/${sample.appUid}/endpoint`;
const HEADERS = `${ENDPOINT}/${sample.endpointUid}/headers`;
const SECRET = `${ENDPOINT}/${sample.endpointUid}/secret/rotate`;
const TYPE = '/api/v1/event-type';

let world: Populated;
beforeAll(async () => {
  world = await startPopulated();
});
afterAll(() => world?.stop());

type Sent = {
  readonly method: string;
  readonly path: string;
  readonly body?: unknown;
  readonly raw?: string | Uint8Array<ArrayBuffer>;
  readonly headers?: Record<string, string>;
};

const send = async ({
  method,
  path,
  body,
  raw,
  headers,
}: Sent): Promise<{ status: number; text: string }> => {
  const sent = raw ?? (body === undefined ? undefined : JSON.stringify(body));
  const response = await fetch(world.server.url + path, {
    method,
    headers: { authorization: `Bearer ${world.tokens.org}`, ...headers },
    ...(sent === undefined ? {} : { body: sent }),
    signal: AbortSignal.timeout(10_000),
  });
  return { status: response.status, text: await response.text() };
};

const expectRefused = async (wanted: number | readonly number[], sent: Sent): Promise<void> => {
  const before = await contentsOf(world.server);
  const { status, text } = await send(sent);
  expect([wanted].flat()).toContain(status);
  expect(JSON.parse(text)).toHaveProperty('detail');
  expect(text).not.toMatch(/\.ts:\d|node:internal|relation "|syntax error at/);
  expect(await contentsOf(world.server)).toBe(before);
};

const endpoint = (fields: Record<string, unknown>): Sent => ({
  method: 'POST',
  path: ENDPOINT,
  body: { url: 'https://a.example/', ...fields },
});
const type = (schema: unknown): Sent => ({
  method: 'POST',
  path: TYPE,
  body: { name: 'hostile', description: 'x', schemas: { 1: schema } },
});
const many = (count: number, make: (index: number) => [string, unknown]): Record<string, unknown> =>
  Object.fromEntries(Array.from({ length: count }, (_, index) => make(index)));

describe('refused', () => {
  it.each<[string, number | readonly number[], Sent]>([
    ...[
      'javascript:alert(1)',
      'file:///etc/passwd',
      'gopher://127.0.0.1:6379/_FLUSHALL',
      'data:text/plain,x',
      'unix:/var/run/docker.sock',
      'ftp://a.example/',
      'https://user:password@a.example/',
      'http://169.254.169.254/latest/meta-data/',
      'http://[::ffff:10.0.0.1]/',
      'http://2852039166/',
      'http://0x0a.0x1/',
      `https://a.example/${'x'.repeat(100_000)}`,
      'https://a.example:6379/',
      'https://a.example:0/',
      '',
    ].map((url): [string, number, Sent] => [`the URL ${url.slice(0, 60)}`, 422, endpoint({ url })]),
    ...[
      'whsec_',
      'whsec_!!!!',
      'whsec_AAAA',
      `whsec_${'A'.repeat(500)}`,
      ' whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD',
      '',
    ].map((key): [string, number, Sent] => [
      `the secret "${key.slice(0, 20)}"`,
      422,
      { method: 'POST', path: SECRET, body: { key } },
    ]),
    ...[
      ['a\r\nb', 'x'],
      ['a b', 'x'],
      ['a:b', 'x'],
      ['', 'x'],
      ['host', 'x'],
      ['Content-Length', '1'],
      ['transfer-encoding', 'chunked'],
      ['webhook-id', 'x'],
      ['x', 'a\r\nevil: 1'],
      ['x', 'a\u0000'],
      ['x', '中'],
      ['x', 'y'.repeat(5_000)],
    ].map(([name = '', value = '']): [string, number, Sent] => [
      `the header ${JSON.stringify(name)}: ${JSON.stringify(value.slice(0, 20))}`,
      422,
      { method: 'PUT', path: HEADERS, body: { headers: { [name]: value } } },
    ]),
    [
      'a thousand headers',
      422,
      { method: 'PUT', path: HEADERS, body: { headers: many(1_000, (n) => [`x-${n}`, 'y']) } },
    ],
    ...[0, -1, 1.5, 1e9, 1e308, '5', true].map((throttleRate): [string, number, Sent] => [
      `the rate ${JSON.stringify(throttleRate)}`,
      422,
      endpoint({ throttleRate }),
    ]),
    [
      'a schedule of a million waits',
      422,
      endpoint({ retryPolicy: Array.from({ length: 100_000 }, () => 1) }),
    ],
    ['a schedule that goes back', 422, endpoint({ retryPolicy: [-1] })],
    ['a schedule of centuries', 422, endpoint({ retryPolicy: [1e12] })],
    ['a schema of nothing', 422, type({ type: 'nothing' })],
    ['a schema without an end', 422, type({ allOf: [{ $ref: '#' }] })],
    ['a schema that refers to nothing', 422, type({ $ref: '#/definitions/%' })],
    ['a schema with a pattern that is none', 422, type({ pattern: '(' })],
    [
      'a schema that is very deep',
      422,
      {
        method: 'POST',
        path: TYPE,
        raw: `{"name":"deep","description":"","schemas":{"1":${'{"not":'.repeat(5_000)}{}${'}'.repeat(5_000)}}}`,
      },
    ],
    [
      'an event type with a path',
      422,
      { method: 'POST', path: TYPE, body: { name: '../x', description: '' } },
    ],
    [
      'an event type with a wildcard',
      422,
      { method: 'POST', path: TYPE, body: { name: '*', description: '' } },
    ],
    [
      'an event type of 10 kB',
      422,
      { method: 'POST', path: TYPE, body: { name: 'x'.repeat(10_000), description: '' } },
    ],
    ['two million items', [413, 422], { method: 'POST', path: APP, raw: `[${'1,'.repeat(1_000_000)}1]` }],
    [
      'metadata of a hundred thousand keys',
      422,
      { method: 'POST', path: APP, body: { name: 'x', metadata: many(100_000, (n) => [`k${n}`, '']) } },
    ],
    [
      'a body that is packed otherwise than it says',
      [400, 415, 422],
      { method: 'POST', path: APP, raw: '{"name":"x"}', headers: { 'content-encoding': 'gzip' } },
    ],
    [
      'a packing that nobody knows',
      [400, 415, 422],
      { method: 'POST', path: APP, raw: '{"name":"x"}', headers: { 'content-encoding': 'compress' } },
    ],
    [
      'a bomb',
      [413, 415, 422],
      {
        method: 'POST',
        path: APP,
        raw: new Uint8Array(gzipSync(Buffer.alloc(50_000_000, 32))),
        headers: { 'content-encoding': 'gzip' },
      },
    ],
    ...['', 'x'.repeat(300), 'a\tb', 'é'].map((key): [string, readonly number[], Sent] => [
      `the idempotency key ${JSON.stringify(key.slice(0, 10))}`,
      [400, 422],
      {
        method: 'POST',
        path: `${APP}/${sample.appUid}/msg`,
        body: { eventType: 'a', payload: {} },
        headers: { 'idempotency-key': key },
      },
    ]),
    [
      'another method by a header',
      405,
      {
        method: 'POST',
        path: `${APP}/${sample.appUid}`,
        body: { name: 'x' },
        headers: { 'x-http-method-override': 'PUT' },
      },
    ],
    [
      'a token in the query',
      401,
      { method: 'GET', path: `${APP}?token=x&authorization=Bearer`, headers: { authorization: '' } },
    ],
    ['two tokens', 401, { method: 'GET', path: APP, headers: { authorization: 'Bearer a, Bearer b' } }],
  ])('%s', async (_what, wanted, sent) => {
    await expectRefused(wanted, sent);
  });
});

describe('taken for what it is', () => {
  it('text that means something to SQL, HTML or a log', async () => {
    const name = `'; drop table message;-- %_\\ <script>alert(1)</script> \${jndi:ldap://x} \n\u001b[31m`;
    const made = await send({ method: 'POST', path: APP, body: { name, metadata: { constructor: name } } });
    expect(made.status).toBe(201);
    expect(JSON.parse(made.text)).toMatchObject({ name, metadata: { constructor: name } });
  });

  // Schemas are kept for people and never run: nothing is fetched, no pattern is tried.
  it.each<[string, unknown]>([
    ['elsewhere', { $ref: 'http://169.254.169.254/' }],
    ['in a circle that goes deeper each time', { properties: { next: { $ref: '#' } } }],
    [
      'with a pattern that takes for ever',
      { type: 'string', pattern: '(a+)+$', examples: [`${'a'.repeat(40)}b`] },
    ],
    [
      'that doubles at every step',
      {
        definitions: Object.fromEntries(
          Array.from({ length: 64 }, (_, n) => {
            const next = { $ref: `#/definitions/${n === 63 ? 0 : n + 1}` };
            return [n, n === 63 ? {} : { allOf: [next, next] }];
          }),
        ),
        $ref: '#/definitions/0',
      },
    ],
  ])('a schema %s', async (what, schema) => {
    const sent = type(schema);
    const body = { ...(sent.body as object), name: `hostile.${what.length}` };
    expect((await send({ ...sent, body })).status).toBe(201);
  });

  it('a field that is not for clients', async () => {
    const made = await send({
      method: 'POST',
      path: APP,
      body: { name: 'x', id: 'app_evil', orgId: 'org_evil', createdAt: '1970-01-01T00:00:00Z' },
    });
    const shown = JSON.parse(made.text) as { id: string; createdAt: string };
    expect([made.status, shown.id === 'app_evil', shown.createdAt.startsWith('1970')]).toEqual([
      201,
      false,
      false,
    ]);
  });

  it.each(['TRACE / HTTP/1.1', 'CONNECT a.example:443 HTTP/1.1', 'PATCHY / HTTP/1.1'])('%s', async (line) => {
    const { port } = new URL(world.server.url);
    const answer = await new Promise<string>((resolve, reject) => {
      const socket = connect(Number(port), '127.0.0.1', () =>
        socket.write(`${line}\r\nhost: x\r\nconnection: close\r\n\r\n`),
      );
      let text = '';
      socket.on('data', (bytes: Buffer) => (text += bytes.toString()));
      socket.on('error', reject);
      socket.on('close', () => resolve(text));
    });
    expect(answer).toMatch(/^HTTP\/1\.1 (400|404|405) /);
    expect(answer).not.toContain('host: x');
  });
});

it('and the server is well', async () => {
  expect((await send({ method: 'GET', path: '/api/v1/health' })).status).toBe(200);
});
