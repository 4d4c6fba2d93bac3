// A message tried once, by hand, at one endpoint.
import { afterAll, beforeAll, expect, it } from 'vitest';
import {
  createApplication,
  createEndpoint,
  isSignedBy,
  startReceiver,
  startTestServer,
  tokenFor,
  type Receiver,
  type TestServer,
} from './harness.ts';

let server: TestServer;
let receiver: Receiver;
let status = 200;

beforeAll(async () => {
  server = await startTestServer({ POSTHORN_RETRY_SCHEDULE: '0.01' });
  receiver = await startReceiver((_, response) => void response.writeHead(status).end('the answer'));
});
afterAll(async () => {
  await receiver.close();
  await server.stop();
});

it('answers with the attempt, and delivers to nobody else', async () => {
  const app = await createApplication(server, 'tested');
  const endpoint = await createEndpoint(server, app, { url: receiver.url, channels: ['other'], uid: 'hook' });
  await createEndpoint(server, app, { url: `${receiver.url}/all` });
  const payload = '{ "n": 1.0,\t"n": 2 }';
  const test = (body: string) => server.call('POST', `${app}/endpoint/hook/msg/test-attempt`, body);
  const made = await test(`{"eventType":"a","eventId":"once","payload":${payload}}`);
  expect([made.status, made.body]).toMatchObject([
    201,
    {
      id: expect.stringMatching(/^atmpt_/),
      endpointId: endpoint.id,
      msgId: expect.stringMatching(/^msg_/),
      status: 0,
      statusText: 'success',
      triggerType: 1,
      response: 'the answer',
      responseStatusCode: 200,
      url: receiver.url,
    },
  ]);
  expect(receiver.arrivals.map((one) => [one.path, one.body.toString()])).toEqual([['/hook', payload]]);
  const { body: secret } = await server.call('GET', `${app}/endpoint/hook/secret`);
  expect(isSignedBy(secret.key, receiver.arrivals[0]!)).toBe(true);
  expect((await server.call('GET', `${app}/msg/once/endpoint`)).body['data']).toMatchObject([
    { id: endpoint.id, status: 0 },
  ]);

  // A failure is told, too, and not tried again.
  status = 503;
  const failed = await test('{"eventType":"a","payload":{}}');
  expect([failed.status, failed.body]).toMatchObject([201, { status: 2, responseStatusCode: 503 }]);
  expect((await server.call('GET', `${app}/msg/${failed.body.msgId}/endpoint`)).body['data']).toMatchObject([
    { id: endpoint.id, status: 2, nextAttempt: null },
  ]);
  expect(await server.sql('select count(*)::int as open from live')).toEqual([{ open: 0 }]);

  expect(await test('{"eventType":"a","eventId":"once","payload":{}}')).toMatchObject({ status: 409 });
  for (const [body, loc] of [
    ['{"eventType":"a b","payload":{}}', ['body', 'eventType', '__all__']],
    ['{"eventType":"a"}', ['body', 'payload']],
  ] as const) {
    const bad = await test(body);
    expect([bad.status, bad.body['detail'][0].loc]).toEqual([422, loc]);
  }
  const at = `${app}/endpoint/hook/msg/test-attempt`;
  const message = { eventType: 'a', payload: {} };
  const asked = async (token: string) =>
    (await server.call('POST', at, message, { authorization: `Bearer ${token}` })).status;
  expect(await asked(await tokenFor('org_00000000000000000000000000'))).toBe(404);
  const { body: shown } = await server.call('GET', app);
  expect(await asked(await tokenFor(undefined, shown.id))).toBe(403);
  expect((await server.call('POST', `${app}/endpoint/none/msg/test-attempt`, message)).status).toBe(404);
  expect(receiver.arrivals).toHaveLength(2);
});
