// Dead letters edited, and resent after they were put away.
import type { ServerResponse } from 'node:http';
import { afterAll, beforeAll, expect, it } from 'vitest';
import {
  createApplication,
  createEndpoint,
  eventually,
  standingOf,
  startReceiver,
  startTestServer,
  type Receiver,
  type Shown,
  type TestServer,
} from './harness.ts';

let server: TestServer;
let receiver: Receiver;
let isUp = false;
const answer = (_: unknown, response: ServerResponse): void =>
  void response.writeHead(isUp ? 200 : 500).end();

beforeAll(async () => {
  server = await startTestServer({ POSTHORN_RETRY_SCHEDULE: '' });
  receiver = await startReceiver(answer);
});
afterAll(async () => {
  await receiver.close();
  await server.stop();
});

/** A message that died at one endpoint of two. */
const deadLetter = async (uid: string, message: Record<string, unknown> = {}) => {
  isUp = false;
  const app = await createApplication(server, uid);
  const endpoint = await createEndpoint(server, app, { url: receiver.url });
  const posted = await server.call('POST', `${app}/msg`, { eventType: 'a', payload: { n: 1 }, ...message });
  await createEndpoint(server, app, { url: `${receiver.url}/other` });
  const letters = async (): Promise<Shown[]> => (await server.call('GET', `${app}/dead-letter`)).body['data'];
  await eventually(letters, (all) => all.length === 1);
  isUp = true;
  const at = `${app}/dead-letter/${posted.body.id}/endpoint/${endpoint.id}`;
  return { app, endpoint, id: posted.body.id, at, letters };
};

it('makes a new message for that endpoint that names the old one, and the old letter names it', async () => {
  const { app, endpoint, id, at, letters } = await deadLetter('edited', {
    eventId: 'once',
    channels: ['c'],
    tags: ['t'],
    payloadRetentionHours: 5,
    occurredAt: '2026-01-31T12:00:00Z',
  });
  const payload = '{ "n": 2.0, "n":\t"again" }';
  const edited = await server.call(
    'POST',
    `${at}/edit-and-replay`,
    `{"reviewer":"ada","payload":${payload},"note":"n was wrong"}`,
  );
  expect(edited).toMatchObject({
    status: 202,
    body: { msgId: id, state: 'replayed', review: { by: 'ada', note: 'n was wrong' } },
  });
  const successor = String(edited.body['replacedBy']);
  await standingOf(server, app, successor, endpoint.id, (standing) => standing['status'] === 0);
  const arrivals = receiver.arrivals.filter((one) => one.headers['webhook-id'] === successor);
  expect(arrivals.map((one) => [one.path, one.body.toString()])).toEqual([['/hook', payload]]);
  expect((await server.call('GET', `${app}/msg/${successor}`)).body).toMatchObject({
    replaces: id,
    eventType: 'a',
    eventId: null,
    channels: ['c'],
    tags: ['t'],
    occurredAt: '2026-01-31T12:00:00.000Z',
  });
  expect((await server.call('GET', `${app}/msg/${id}`)).body).not.toHaveProperty('replaces');
  const listed = (await server.call('GET', `${app}/msg?limit=1`)).body['data'];
  expect(listed).toMatchObject([{ id: successor, replaces: id }]);
  const kept = await server.sql(
    'select extract(epoch from payload_until - created_at)::int as seconds from message where id = $1',
    [successor],
  );
  expect(kept).toEqual([{ seconds: 5 * 3600 }]);
  expect(await letters()).toMatchObject([{ msgId: id, state: 'replayed', replacedBy: successor }]);
  expect(await server.call('POST', `${at}/edit-and-replay`, { payload: {} })).toMatchObject({ status: 409 });
});

it('is one message, however often it breaks off half-way', async () => {
  const { endpoint, at } = await deadLetter('half-way');
  const edit = (payload: object) => server.call('POST', `${at}/edit-and-replay`, { payload });
  const first = await edit({ n: 2 });
  // As if the process had died before the letter was marked.
  await server.sql(`update closed set letter = 'open', successor = null where endpoint_id = $1`, [
    endpoint.id,
  ]);
  expect(await edit({ n: 3 })).toMatchObject({ status: 409, body: { code: 'dead_letter_not_open' } });
  const again = await edit({ n: 2 });
  expect([again.status, again.body['replacedBy']]).toEqual([202, first.body['replacedBy']]);
});

it('takes text of another type, after the payload was expunged, too; and one payload only', async () => {
  const { app, endpoint, id, at } = await deadLetter('raw');
  await server.call('DELETE', `${app}/msg/${id}/content`);
  for (const body of ['{}', '{"payload":{},"rawPayload":"x"}', '{"payload":{"a":1},"payload":{"a":2}}']) {
    const refused = await server.call('POST', `${at}/edit-and-replay`, body);
    expect([refused.status, refused.body['errors'][0].loc]).toEqual([422, ['body', 'payload']]);
  }
  const bad = await server.call('POST', `${at}/edit-and-replay`, { rawPayload: 'x', contentType: 'xml' });
  expect([bad.status, bad.body['errors'][0].loc]).toEqual([422, ['body', 'contentType']]);
  await server.call('PATCH', `${app}/endpoint/${endpoint.id}`, { disabled: true });
  const edit = () =>
    server.call('POST', `${at}/edit-and-replay`, { rawPayload: '<n>2</n>', contentType: 'application/xml' });
  expect(await edit()).toMatchObject({ status: 409, body: { code: 'endpoint_disabled' } });
  await server.call('PATCH', `${app}/endpoint/${endpoint.id}`, { disabled: false });
  const successor = (await edit()).body['replacedBy'];
  const arrivals = await receiver.until((all) => all.some((one) => one.headers['webhook-id'] === successor));
  const arrival = arrivals.find((one) => one.headers['webhook-id'] === successor);
  expect([arrival?.headers['content-type'], arrival?.body.toString()]).toEqual([
    'application/xml',
    '<n>2</n>',
  ]);
});

it('is delivered after all when a resend succeeds, though it had been put away', async () => {
  const { app, endpoint, id, at, letters } = await deadLetter('put-away');
  expect(await server.call('POST', `${at}/discard`)).toMatchObject({ body: { state: 'discarded' } });
  isUp = false;
  const resend = () => server.call('POST', `${app}/msg/${id}/endpoint/${endpoint.id}/resend`);
  const attempts = async () => (await server.call('GET', `${app}/attempt/msg/${id}`)).body['data'];
  await resend();
  await eventually(attempts, (all) => all.length === 2);
  expect(await letters()).toMatchObject([{ state: 'discarded' }]);
  isUp = true;
  await resend();
  await standingOf(server, app, id, endpoint.id, (standing) => standing['status'] === 0);
  expect(await letters()).toMatchObject([{ state: 'replayed' }]);
});
