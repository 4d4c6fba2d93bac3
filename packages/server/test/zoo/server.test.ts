// The whole server among hostile receivers: others are served, causes are told, and nothing goes in circles.
import { afterAll, beforeAll, expect, it } from 'vitest';
import { exhibits, openZoo, type Zoo } from '../../../../tools/zoo/zoo.ts';
import {
  createApplication,
  createEndpoint,
  eventually,
  startReceiver,
  startTestServer,
  type Json,
  type Receiver,
  type TestServer,
} from '../journey/harness.ts';

/** One of each way to hurt, all reached by their address. */
const HABITS = [
  'silence',
  'body-drip',
  'endless-failure',
  'garbage',
  'gzip-bomb',
  'header-drip',
  'hints-endless',
  'no-handshake',
  'poison-bytes',
  'poison-log',
  'redirect-302',
  'reset-on-accept',
  'retry-after-long',
  'status-099',
  'syn-blackhole',
  'tarpit',
  'tls-expired',
  'zero-window',
];
const MESSAGES = 25;

let zoo: Zoo;
let server: TestServer;
let healthy: Receiver;
beforeAll(async () => {
  zoo = await openZoo(
    exhibits.filter(({ name }) => HABITS.includes(name)),
    1_500,
  );
  healthy = await startReceiver();
  // Few sockets: whoever holds them all would stop everybody.
  server = await startTestServer({
    POSTHORN_ATTEMPT_TIMEOUT: '2',
    POSTHORN_RETRY_SCHEDULE: '',
    POSTHORN_ENDPOINT_CONCURRENCY: '4',
    POSTHORN_MAX_IN_FLIGHT: '128',
  });
});
afterAll(async () => {
  await server?.stop();
  await Promise.all([zoo?.close(), healthy?.close()]);
});

it('serves the others, and tells the cause of each', async () => {
  const hostile = await createApplication(server, 'hostile');
  for (const name of HABITS)
    await createEndpoint(server, hostile, { uid: name, url: zoo.opened.get(name)!.url });
  const good = await createApplication(server, 'good');
  await createEndpoint(server, good, { url: healthy.url });
  const message = { eventType: 'a.b', payload: { text: 'x'.repeat(1_000) } };
  for (let count = 0; count < MESSAGES; count++)
    for (const app of [hostile, good])
      expect((await server.call('POST', `${app}/msg`, message)).status).toBe(202);
  await healthy.until((all) => all.length >= MESSAGES);

  const causes = async (name: string): Promise<Json[]> =>
    (await server.call('GET', `${hostile}/attempt/endpoint/${name}?limit=250`)).body['data'];
  for (const name of HABITS) {
    const attempts = await eventually(
      () => causes(name),
      (all) => all.length > 0,
    );
    // A cause for each, as text that people read; a response as it can be shown.
    for (const { status, cause } of attempts)
      expect([name, typeof cause]).toEqual([name, status === 0 ? 'undefined' : 'string']);
  }
  expect(zoo.opened.get('redirect-302')!.trapped()).toBe(0);
  expect((await fetch(`${server.url}/readyz`)).status).toBe(200);
  // Each at its own application's expense: the next good one is not later for it.
  await server.call('POST', `${good}/msg`, message);
  await healthy.until((all) => all.length > MESSAGES);
}, 60_000);

it('does not deliver to itself', async () => {
  const app = await createApplication(server, 'loop');
  await createEndpoint(server, app, {
    uid: 'own',
    url: `${server.url}${app}/msg`,
    headers: { authorization: `Bearer ${server.token}` },
  });
  // What comes back would be a message of its own, and the next, and the next.
  const inner = { eventType: 'a.b', payload: {} };
  const { body } = await server.call('POST', `${app}/msg`, { eventType: 'a.b', payload: inner });
  const attemptsOf = async (id: string): Promise<Json[]> =>
    (await server.call('GET', `${app}/attempt/msg/${id}`)).body['data'];
  const [attempt] = await eventually(
    () => attemptsOf(body.id),
    (all) => all.length > 0,
  );
  expect(attempt).toMatchObject({ cause: 'http_508', response: expect.stringContaining('loop_detected') });
  expect((await server.call('GET', `${app}/msg`)).body['data']).toHaveLength(1);
  // By any other way of the API as well.
  await server.call('PATCH', `${app}/endpoint/own`, {
    url: `${server.url}${app}/msg/${body.id}/endpoint/own/resend`,
  });
  const again = await server.call('POST', `${app}/msg`, inner);
  const [resent] = await eventually(
    () => attemptsOf(again.body.id),
    (all) => all.length > 0,
  );
  expect(resent).toMatchObject({ cause: 'http_508' });
});

it('takes no header of an endpoint for its own mark', async () => {
  const app = await createApplication(server, 'marks');
  const refused = await server.call('POST', `${app}/endpoint`, {
    url: healthy.url,
    headers: { 'Posthorn-Via': 'x' },
  });
  expect(refused.status).toBe(422);
  // Somebody else's mark is nobody's business.
  const other = await server.call('GET', '/api/v1/app', undefined, {
    'posthorn-via': 'another installation',
  });
  expect(other.status).toBe(200);
});
