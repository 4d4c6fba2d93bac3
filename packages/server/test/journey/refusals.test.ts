import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  attemptsOf,
  createApplication,
  createEndpoint,
  postMessage,
  startReceiver,
  startTestServer,
  type Receiver,
  type Shown,
  type TestServer,
} from './harness.ts';
import { contentsOf, expectRefusal } from './refusing.ts';

let server: TestServer;
let receiver: Receiver;
let app: string;

beforeAll(async () => {
  server = await startTestServer({ POSTHORN_RETRY_SCHEDULE: '' });
  receiver = await startReceiver();
  app = await createApplication(server, 'mine');
  await createEndpoint(server, app, { url: receiver.url, uid: 'mine' });
});
afterAll(async () => {
  await receiver.close();
  await server.stop();
});

/** {@link expectRefusal} by this file's server. */
const expectRefused = (
  status: number,
  method: string,
  path: string,
  body?: string | Uint8Array,
  headers: Record<string, string> = {},
): Promise<Shown> => expectRefusal(server, status, method, path, body, headers);
const contents = (): Promise<string> => contentsOf(server);

/** Posts a message and waits until nothing of it is under way any more. */
const postAndSettle = async (): Promise<string> => {
  const id = await postMessage(server, app, 'good');
  await attemptsOf(server, app, id, (all) => all.length === 1);
  return id;
};

const deep = (levels: number): string => '['.repeat(levels) + ']'.repeat(levels);
const message = (payload: string): string => `{"eventType":"a","payload":${payload}}`;

/** Bodies that are no JSON, whatever they are posted to. */
const notJson: [name: string, body: string | Uint8Array][] = [
  ['nothing', ''],
  ['blanks', ' \n\t '],
  ['half a text', '{"eventType":"a","payl'],
  ['a comma too many', '{"eventType":"a","payload":{},}'],
  ['single quotes', "{'eventType':'a','payload':{}}"],
  ['NaN', message('{"a":NaN}')],
  ['a leading zero', message('{"a":01}')],
  ['a byte order mark', `\ufeff${message('{}')}`],
  ['something after the end', `${message('{}')}x`],
  ['a NUL after the end', `${message('{}')}\0`],
  ['a raw NUL in a string', '{"eventType":"a\0b","name":"a\0b","payload":{}}'],
  ['a raw line feed in a string', '{"eventType":"a\nb","name":"a\nb","payload":{}}'],
  ['an array', '[1]'],
  ['a string', '"text"'],
  ['null', 'null'],
  ['a number', '1'],
  [
    'bytes that are no UTF-8',
    Buffer.concat([
      Buffer.from('{"eventType":"a","name":"'),
      Buffer.from([0xff, 0xc0, 0x80]),
      Buffer.from('","payload":{}}'),
    ]),
  ],
  ['UTF-16', Buffer.from(message('{}'), 'utf16le')],
  ['200,000 levels', `{"eventType":"a","name":"a","payload":${deep(200_000)}}`],
  ['200,000 open brackets', '['.repeat(200_000)],
  ['a lone surrogate in a name', '{"eventType":"\\ud800","name":"\\ud800","payload":{}}'],
  ['an escaped NUL in a name', '{"eventType":"a\\u0000b","name":"a\\u0000b","payload":{}}'],
];

describe('what is no JSON is refused', () => {
  it.each(notJson)('as a message: %s', async (_, body) => {
    await expectRefused(422, 'POST', `${app}/msg`, body);
  });
  it.each(notJson.filter(([name]) => name !== 'an array'))('as a batch: %s', async (_, body) => {
    await expectRefused(422, 'POST', `${app}/msg/batch`, body);
  });
  it.each(notJson)('as an application: %s', async (_, body) => {
    await expectRefused(422, 'POST', '/api/v1/app', body);
  });
  it.each(notJson)('as a change of an endpoint: %s', async (_, body) => {
    await expectRefused(422, 'PUT', `${app}/endpoint/mine`, body);
  });
});

describe('a message is refused', () => {
  it.each([
    ['no event type', '{"payload":{}}'],
    ['no payload', '{"eventType":"a"}'],
    ['an event type that is none', '{"eventType":"a b","payload":{}}'],
    ['an event type of 257 characters', `{"eventType":"${'a'.repeat(257)}","payload":{}}`],
    ['an event type that is a number', '{"eventType":1,"payload":{}}'],
    ['an event type that is null', '{"eventType":null,"payload":{}}'],
    ['a payload that is a list', message('[]')],
    ['a payload that is a text', message('"a"')],
    ['a payload that is null', message('null')],
    ['a payload twice', '{"eventType":"a","payload":{"a":1},"payload":{"a":2}}'],
    ['an event id like a message’s id', '{"eventType":"a","eventId":"msg_1","payload":{}}'],
    ['an event id with a slash', '{"eventType":"a","eventId":"../x","payload":{}}'],
    ['an empty event id', '{"eventType":"a","eventId":"","payload":{}}'],
    ['no channel in its list', '{"eventType":"a","channels":[],"payload":{}}'],
    [
      'eleven channels',
      `{"eventType":"a","channels":${JSON.stringify(Array.from({ length: 11 }, (_, i) => `c${i}`))},"payload":{}}`,
    ],
    ['channels that are a text', '{"eventType":"a","channels":"a","payload":{}}'],
    ['a retention of 91 days', '{"eventType":"a","payloadRetentionPeriod":91,"payload":{}}'],
    ['a retention of no days', '{"eventType":"a","payloadRetentionPeriod":0,"payload":{}}'],
    ['a retention of half a day', '{"eventType":"a","payloadRetentionPeriod":1.5,"payload":{}}'],
    ['a moment that is none', '{"eventType":"a","occurredAt":"yesterday","payload":{}}'],
    ['a moment in the year 0', '{"eventType":"a","occurredAt":"0000-01-01T00:00:00Z","payload":{}}'],
    [
      'base64 that is none',
      '{"eventType":"a","payload":{},"transformationsParams":{"posthorn":{"rawPayloadBase64":"!!"}}}',
    ],
    [
      'a content type with a line feed',
      '{"eventType":"a","payload":{},"transformationsParams":{"rawPayload":"a","headers":{"content-type":"a/b\\r\\nX: 1"}}}',
    ],
    ['an application that is a number', '{"eventType":"a","payload":{},"application":7}'],
  ])('with %s', async (name, body) => {
    await expectRefused(
      422,
      'POST',
      name.includes('an application') ? '/api/v1/app/not-there/msg' : `${app}/msg`,
      body,
    );
  });

  it('for an application that does not exist, or cannot', async () => {
    await expectRefused(404, 'POST', '/api/v1/app/nobody/msg', message('{}'));
    await expectRefused(
      404,
      'POST',
      '/api/v1/app/nobody/msg/batch',
      `{"messages":[${message('{}')},${message('{}')}]}`,
    );
    await expectRefused(422, 'POST', '/api/v1/app/no%20body/msg', message('{}'));
    await expectRefused(422, 'POST', `/api/v1/app/${'a'.repeat(257)}/msg`, message('{}'));
    await expectRefused(422, 'POST', '/api/v1/app/%00/msg', message('{}'));
    await expectRefused(422, 'POST', "/api/v1/app/'%20or%201=1--/msg", message('{}'));
  });

  it('over 2 MiB, told beforehand or found out', async () => {
    const big = message(`{"a":"${'a'.repeat(2 * 1024 * 1024)}"}`);
    const { code } = await expectRefused(413, 'POST', `${app}/msg`, big);
    expect(code).toBe('payload_too_large');
    await expectRefused(413, 'POST', '/api/v1/app', big);
    // Without a length, in pieces: never cut, always refused.
    for (const path of [`${app}/msg`, '/api/v1/app']) {
      const pieces = async function* () {
        for (let i = 0; i < 40; i++)
          yield Buffer.from(i === 0 ? '{"eventType":"a","payload":{"a":"' : 'a'.repeat(65_536));
      };
      const before = await contents();
      const answer = await fetch(server.url + path, {
        method: 'POST',
        headers: { authorization: `Bearer ${server.token}` },
        body: pieces(),
        duplex: 'half',
      });
      expect([path, answer.status]).toEqual([path, 413]);
      expect(await answer.json()).toMatchObject({ code: 'payload_too_large' });
      expect(await contents()).toBe(before);
    }
    // The server is as well as before.
    await postAndSettle();
  });

  it('that breaks off in the middle, without a trace', async () => {
    const before = await contents();
    const socket = connect(Number(new URL(server.url).port), '127.0.0.1');
    socket.write(
      `POST ${app}/msg HTTP/1.1\r\nhost: a\r\nauthorization: Bearer ${server.token}\r\ncontent-length: 1000\r\n\r\n{"eventType":"a","payl`,
    );
    await new Promise((resolve) => socket.end(() => resolve(null)));
    await new Promise((resolve) => socket.resume().once('close', resolve));
    expect(await contents()).toBe(before);
    await postAndSettle();
  });
});

describe('an endpoint is refused', () => {
  it.each([
    '',
    'nothing',
    'ftp://example.com',
    'javascript:alert(1)',
    'file:///etc/passwd',
    'http://',
    'http://user:pass@127.0.0.1/',
    'http://10.0.0.1/',
    'http://169.254.169.254/latest',
    'http://[::1]/',
    'http://0x7f.1:22/',
    `http://127.0.0.1/${'a'.repeat(70_000)}`,
    7,
    null,
    ['http://127.0.0.1/'],
  ])('with the URL %j', async (url) => {
    await expectRefused(422, 'POST', `${app}/endpoint`, JSON.stringify({ url }));
  });

  it.each([
    { uid: 'ep_looks-like-an-id' },
    { uid: 'with blank' },
    { uid: '' },
    { uid: '\u0000' },
    { description: 'nul\u0000' },
    { channels: [] },
    { eventTypes: [] },
    { eventTypes: ['unknown.type'] },
    { throttleRate: 0 },
    { throttleRate: 1e9 },
    { throttleRate: 1.5 },
    { disabled: 'yes' },
    { metadata: { a: 1 } },
    { metadata: { a: 'x'.repeat(5000) } },
    { ownerEmail: 'nobody' },
    { headers: { a: 1 } },
  ])('with %j', async (fields) => {
    await expectRefused(422, 'POST', `${app}/endpoint`, JSON.stringify({ url: receiver.url, ...fields }));
  });

  it('with a uid that is taken', async () => {
    await expectRefused(409, 'POST', `${app}/endpoint`, JSON.stringify({ url: receiver.url, uid: 'mine' }));
  });
});

describe('a path is refused', () => {
  it('that does not exist, or not with this method', async () => {
    await expectRefused(404, 'GET', '/api/v1/nothing');
    await expectRefused(404, 'POST', '/api/v1/app/mine/nothing', '{}');
    await expectRefused(404, 'GET', '/nothing');
    await expectRefused(404, 'GET', `${app}/msg/msg_000000000000000000000000000`);
    await expectRefused(404, 'GET', `${app}/endpoint/%2e%2e%2f`);
    await expectRefused(404, 'GET', `${app}/endpoint/%00`);
    await expectRefused(404, 'GET', `${app}/endpoint/%ff`);
    await expectRefused(404, 'GET', `/api/v1/app/${'a'.repeat(4000)}`);
    await expectRefused(405, 'PATCH', '/api/v1/app', '{}');
    await expectRefused(405, 'DELETE', `${app}/msg`);
  });

  it.each([
    'limit=abc',
    'limit=-1',
    'limit=251',
    'limit=1e9',
    'iterator=%00',
    'before=x',
    'after=9999-99-99T00:00:00Z',
    'event_types=a%20b',
    'channel=%00',
    'a%ff=1',
    'with_content=2',
  ])('with the query %s, or it changes nothing', async (query) => {
    const response = await fetch(`${server.url}${app}/msg?${query}`, {
      headers: { authorization: `Bearer ${server.token}` },
    });
    expect([query, response.status]).toEqual([
      query,
      query.startsWith('a%ff')
        ? expect.any(Number)
        : expect.toSatisfy((status: number) => status === 400 || status === 422),
    ]);
    expect(response.status).toBeLessThan(500);
    await response.json();
  });
});
