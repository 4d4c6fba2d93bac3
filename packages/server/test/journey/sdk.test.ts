import { Webhook } from 'standardwebhooks';
import { Svix as SvixV2, Webhook as SvixWebhook } from 'svix';
import { Svix as SvixV1 } from 'svix-v1';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  eventually,
  startReceiver,
  startTestServer,
  type Receiver,
  type TestServer,
  type Json,
  type Shown,
} from './harness.ts';

let server: TestServer;
let receiver: Receiver;

beforeAll(async () => {
  server = await startTestServer({ POSTHORN_HEADERS: 'both' });
  receiver = await startReceiver();
});
afterAll(async () => {
  await receiver.close();
  await server.stop();
});

// The two generations differ in a few names only; the wire is the same.
const generations = [
  ['2.5', () => new SvixV2(server.token, { serverUrl: server.url })],
  ['1.99', () => new SvixV1(server.token, { serverUrl: server.url })],
] as const;

describe.each(generations)('the official JavaScript SDK %s, unchanged', (version, connect) => {
  const uid = `customer-${version}`;

  it('goes from nothing to a verified webhook', async () => {
    const svix: Json = connect();
    const application = await svix.application.create({ name: 'Customer', uid });
    expect(application.id).toMatch(/^app_[0-9A-Za-z]{27}$/);
    expect(application.createdAt).toBeInstanceOf(Date);
    await svix.eventType.create({ name: `invoice.paid.${version}`, description: 'An invoice was paid' });
    const endpoint = await svix.endpoint.create(uid, {
      url: receiver.url,
      uid: 'main',
      ...(version === '2.5'
        ? { eventTypes: [`invoice.paid.${version}`] }
        : { filterTypes: [`invoice.paid.${version}`] }),
    });
    const { key } = await svix.endpoint.getSecret(uid, 'main');
    expect(key).toMatch(/^whsec_/);

    const message = await svix.message.create(uid, {
      eventType: `invoice.paid.${version}`,
      eventId: `event-${version}`,
      payload: { invoice: 42 },
    });
    const [arrival] = (
      await receiver.until((all) => all.some((one) => one.headers['webhook-id'] === message.id))
    ).filter((one) => one.headers['webhook-id'] === message.id);
    const text = arrival!.body.toString();
    expect(text).toBe('{"invoice":42}');
    expect(new Webhook(key).verify(text, arrival!.headers as Record<string, string>)).toEqual({
      invoice: 42,
    });
    new SvixWebhook(key).verify(text, arrival!.headers as Record<string, string>);

    const attempts = await eventually(
      () => svix.messageAttempt.listByMsg(uid, message.id),
      (list: Shown) => list.data.length === 1,
    );
    expect(attempts.data[0]).toMatchObject({
      status: 0,
      statusText: 'success',
      responseStatusCode: 200,
      endpointId: endpoint.id,
      msgId: message.id,
    });
    const byEndpoint = await svix.messageAttempt.listByEndpoint(uid, 'main');
    expect(byEndpoint.data[0].id).toBe(attempts.data[0].id);
    const destinations = await svix.messageAttempt.listAttemptedDestinations(uid, message.id);
    expect(destinations.data).toMatchObject([{ id: endpoint.id, status: 0 }]);
    const messages = await svix.messageAttempt.listAttemptedMessages(uid, 'main');
    expect(messages.data).toMatchObject([{ id: message.id, status: 0 }]);
    expect(await svix.message.get(uid, message.id, { withContent: true })).toMatchObject({
      id: message.id,
      payload: { invoice: 42 },
      eventId: `event-${version}`,
    });
  });

  it('answers as the API it speaks: 404, 409, 422, get-or-create, update, patch, delete', async () => {
    const svix: Json = connect();
    await expect(svix.application.get('nobody')).rejects.toMatchObject({
      code: 404,
      body: { code: 'not_found' },
    });
    await expect(svix.application.create({ name: 'Twice', uid })).rejects.toMatchObject({ code: 409 });
    expect((await svix.application.getOrCreate({ name: 'Twice', uid })).name).toBe('Customer');
    await expect(svix.message.create(uid, { eventType: 'a b', payload: {} })).rejects.toMatchObject({
      code: 422,
    });
    await expect(
      svix.message.create(uid, {
        eventType: `invoice.paid.${version}`,
        eventId: `event-${version}`,
        payload: {},
      }),
    ).rejects.toMatchObject({ code: 409 });
    await expect(svix.endpoint.create(uid, { url: 'ftp://example.com' })).rejects.toMatchObject({
      code: 422,
    });
    await svix.endpoint.patch(uid, 'main', { description: 'patched' });
    expect((await svix.endpoint.get(uid, 'main')).description).toBe('patched');
    const headersApi = version === '2.5' ? svix.endpoint.setHeaders : svix.endpoint.updateHeaders;
    await headersApi.call(svix.endpoint, uid, 'main', {
      headers: { 'x-custom': 'a', authorization: 'secret' },
    });
    expect(await svix.endpoint.getHeaders(uid, 'main')).toMatchObject({
      headers: { 'x-custom': 'a' },
      sensitive: ['authorization'],
    });
    await svix.endpoint.delete(uid, 'main');
    await expect(svix.endpoint.get(uid, 'main')).rejects.toMatchObject({ code: 404 });
  });

  it('pages both ways over everything', async () => {
    const svix: Json = connect();
    const pages = `pages-${version}`;
    await svix.application.create({ name: 'Pages', uid: pages });
    const ids: string[] = [];
    for (let i = 0; i < 25; i++)
      ids.push((await svix.message.create(pages, { eventType: 'page', payload: { i } })).id);
    const seen: string[] = [];
    let iterator: string | null | undefined;
    let page: Json;
    do {
      page = await svix.message.list(pages, { limit: 10, iterator });
      seen.push(...page.data.map((item: Shown) => item.id));
      iterator = page.iterator;
    } while (!page.done);
    expect(seen).toEqual([...ids].reverse());
    const before = await svix.message.list(pages, { limit: 10, iterator: page.prevIterator });
    expect(before.data.map((item: Shown) => item.id)).toEqual([...ids].reverse().slice(10, 20));
  });
});
