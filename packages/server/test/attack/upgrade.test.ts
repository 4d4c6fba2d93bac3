// Clients that ask for other protocols: what is not a WebSocket of ours is answered as HTTP.
import { afterAll, beforeAll, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import {
  createApplication,
  createEndpoint,
  startTestServer,
  tokenFor,
  type TestServer,
} from '../journey/harness.ts';
import { rawClient } from './raw-client.ts';

let server: TestServer;
let path: string;
beforeAll(async () => {
  server = await startTestServer();
  const app = await createApplication(server, 'up');
  const endpoint = await createEndpoint(server, app, { url: 'http://127.0.0.1:9999/', disabled: true });
  path = `${app}/endpoint/${endpoint.id}/listen`;
});
afterAll(() => server.stop());

const head = (lines: readonly string[]): string => `${lines.join('\r\n')}\r\n\r\n`;

it('answers a request that would rather speak HTTP/2, and the next one on the connection', async () => {
  const client = await rawClient(server.url);
  const body = '{"name":"h2c","uid":"h2c"}';
  client.send(
    head([
      'POST /api/v1/app HTTP/1.1',
      'Host: x',
      'Connection: Upgrade, HTTP2-Settings',
      'Upgrade: h2c',
      'HTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA',
      `Authorization: Bearer ${server.token}`,
      `Content-Length: ${body.length}`,
    ]) + body.slice(0, 5),
  );
  client.send(body.slice(5));
  expect(await client.until(/"uid":"h2c"/)).toMatch(/^HTTP\/1\.1 201 /);
  client.send(head(['GET /livez HTTP/1.1', 'Host: x']));
  await client.until(/alive/);
  client.close();
});

it('answers a WebSocket on another path as the request that it is', async () => {
  const client = await rawClient(server.url);
  client.send(
    head([
      'GET /api/v1/nothing HTTP/1.1',
      'Host: x',
      'Connection: Upgrade',
      'Upgrade: websocket',
      'Sec-WebSocket-Version: 13',
      'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
    ]),
  );
  expect(await client.until(/route_not_found/)).toMatch(/^HTTP\/1\.1 404 /);
  client.close();
});

const refusal = (url: string, token: string | null): Promise<number | undefined> =>
  new Promise((resolve, reject) => {
    const socket = new WebSocket(
      url,
      token === null ? {} : { headers: { authorization: `Bearer ${token}` } },
    );
    socket.on('unexpected-response', (_request, response) => {
      resolve(response.statusCode);
      socket.terminate();
    });
    socket.on('error', () => {});
    socket.on('open', () => reject(new Error('it opened')));
  });

it('lets nobody listen who may not', async () => {
  const ws = server.url.replace('http', 'ws');
  const other = await tokenFor('org_other');
  const consumer = await tokenFor(undefined, 'app_3MTQPTanHgUm1b1rDZNSoWnKf7g');
  const { token } = server;
  const wrong = `${ws}${path.replace('/listen', 'x/listen')}`;
  const asked: readonly (readonly [string, string | null])[] = [
    [ws + path, null],
    [ws + path, 'nonsense'],
    [ws + path, other],
    [ws + path, consumer],
    [wrong, token],
    [`${ws}${path}?event_types=`, token],
    [`${ws}${path}?event_types=a%00b`, token],
  ];
  expect(await Promise.all(asked.map(([url, bearer]) => refusal(url, bearer)))).toEqual([
    401, 401, 404, 404, 404, 422, 422,
  ]);
});

const open = async (): Promise<{ socket: WebSocket; closed: Promise<number> }> => {
  const socket = new WebSocket(server.url.replace('http', 'ws') + path, {
    headers: { authorization: `Bearer ${server.token}` },
  });
  const closed = new Promise<number>((resolve) => socket.on('close', resolve));
  await new Promise((resolve) => socket.on('open', resolve));
  return { socket, closed };
};

it.each([
  ['binary', Buffer.from('{"kind":"go","from":"now"}')],
  ['no JSON', 'x'],
  ['go before resume', '{"kind":"go","from":"now"}'],
  ['another kind', '{"kind":"drop table"}'],
])('ends a session that speaks otherwise: %s', async (_, frame) => {
  const { socket, closed } = await open();
  socket.send(frame, { binary: frame instanceof Buffer });
  expect(await closed).toBe(1008);
});

it('takes no frame that is too large', async () => {
  const { socket, closed } = await open();
  socket.send('x'.repeat(200 * 1024));
  expect(await closed).toBe(1009);
});

it('serves so many of one tenant and no more', async () => {
  const sockets = await Promise.all(Array.from({ length: 32 }, open));
  expect(await refusal(server.url.replace('http', 'ws') + path, server.token)).toBe(503);
  sockets[0]!.socket.close();
  await sockets[0]!.closed;
  const another = await open();
  for (const { socket } of [...sockets, another]) socket.close();
  await Promise.all([...sockets, another].map(({ closed }) => closed));
});
