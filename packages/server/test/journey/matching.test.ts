import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  createApplication,
  createEndpoint,
  eventually,
  isSignedBy,
  postMessage,
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
  server = await startTestServer();
  receiver = await startReceiver();
});
afterAll(async () => {
  await receiver.close();
  await server.stop();
});

const destinationsOf = async (app: string, id: string): Promise<Json[]> =>
  (await server.call('GET', `${app}/msg/${id}/endpoint?limit=250`)).body.data;

describe('a message', () => {
  it('of 1.9 MiB arrives as it was posted', async () => {
    const app = await createApplication(server, 'big');
    const endpoint = await createEndpoint(server, app, { url: receiver.url });
    const text = `{"text":"${'é0'.repeat(660_000)}"}`;
    const bytes = Buffer.from(text);
    expect(bytes.length).toBeGreaterThan(1.88 * 1024 * 1024);
    const { status, body } = await server.call(
      'POST',
      `${app}/msg?with_content=false`,
      `{"eventType":"big","payload":${text}}`,
    );
    expect(status).toBe(202);
    expect(body.payload).toEqual({});
    const arrival = (
      await receiver.until((all) => all.some((one) => one.headers['webhook-id'] === body.id))
    ).at(-1)!;
    expect(arrival.body.equals(bytes)).toBe(true);
    expect(
      isSignedBy((await server.call('GET', `${app}/endpoint/${endpoint.id}/secret`)).body.key, arrival),
    ).toBe(true);
    const [stored] = await server.sql(
      `select encode(sha256(payload), 'hex') as hash from message where id = $1`,
      [body.id],
    );
    expect(stored.hash).toBe(createHash('sha256').update(bytes).digest('hex'));
  });

  it('to an application without endpoints is kept, and delivered to nobody', async () => {
    const app = await createApplication(server, 'nobody');
    const id = await postMessage(server, app, 'alone', { n: 1 });
    expect((await server.call('GET', `${app}/msg/${id}`)).body).toMatchObject({ id, payload: { n: 1 } });
    expect(await destinationsOf(app, id)).toEqual([]);
    expect(await server.sql('select * from live where msg_id = $1', [id])).toEqual([]);
  });

  it('goes to each of 200 endpoints once', async () => {
    const app = await createApplication(server, 'wide');
    const created: string[] = [];
    for (let from = 0; from < 200; from += 20) {
      const some = await Promise.all(
        Array.from({ length: 20 }, (_, i) =>
          createEndpoint(server, app, { url: `${receiver.url}/${from + i}` }),
        ),
      );
      created.push(...some.map(({ id }) => id));
    }
    const id = await postMessage(server, app, 'wide');
    const arrivals = (
      await receiver.until((all) => all.filter((one) => one.headers['webhook-id'] === id).length >= 200)
    ).filter((one) => one.headers['webhook-id'] === id);
    expect(new Set(arrivals.map(({ path }) => path)).size).toBe(200);
    const destinations = await eventually(
      () => destinationsOf(app, id),
      (all) => all.length === 200 && all.every(({ status }) => status === 0),
    );
    expect(destinations.map((one) => String(one.id)).toSorted()).toEqual(created.toSorted());
    expect(receiver.arrivals.filter((one) => one.headers['webhook-id'] === id)).toHaveLength(200);
  });

  it('goes by event types and channels', async () => {
    const app = await createApplication(server, 'filters');
    for (const name of ['order.paid', 'order.sent'])
      await server.call('POST', '/api/v1/event-type', { name, description: name });
    const make = async (name: string, filter: object): Promise<[string, string]> => [
      (await createEndpoint(server, app, { url: receiver.url, ...filter })).id,
      name,
    ];
    const names = new Map([
      await make('all', {}),
      await make('paid', { eventTypes: ['order.paid'] }),
      await make('both', { filterTypes: ['order.paid', 'order.sent'] }),
      await make('channel', { channels: ['one', 'two'] }),
      await make('paid on channel', { eventTypes: ['order.paid'], channels: ['one'] }),
      await make('off', { disabled: true }),
    ]);
    const receivers = async (eventType: string, channels?: string[]): Promise<(string | undefined)[]> => {
      const { status, body } = await server.call('POST', `${app}/msg`, {
        eventType,
        payload: {},
        ...(channels === undefined ? {} : { channels }),
      });
      expect(status).toBe(202);
      return (await destinationsOf(app, body.id)).map((one) => String(names.get(one.id))).toSorted();
    };
    expect(await receivers('order.paid')).toEqual(['all', 'both', 'paid']);
    expect(await receivers('order.sent')).toEqual(['all', 'both']);
    expect(await receivers('order.other')).toEqual(['all']);
    expect(await receivers('order.other', ['two'])).toEqual(['all', 'channel']);
    expect(await receivers('order.paid', ['one', 'nine'])).toEqual([
      'all',
      'both',
      'channel',
      'paid',
      'paid on channel',
    ]);
    expect(await receivers('order.paid', ['nine'])).toEqual(['all', 'both', 'paid']);
    expect(
      (await server.call('POST', `${app}/endpoint`, { url: receiver.url, eventTypes: ['no.such.type'] }))
        .status,
    ).toBe(422);
  });

  it('brings its application along, once, and only under the path’s own name', async () => {
    const body = {
      eventType: 'first',
      payload: {},
      application: { name: 'Brought', uid: 'brought', metadata: { a: 'b' } },
    };
    const answers = await Promise.all(
      Array.from({ length: 10 }, () => server.call('POST', '/api/v1/app/brought/msg', body)),
    );
    expect(answers.map(({ status }) => status)).toEqual(Array.from({ length: 10 }, () => 202));
    expect((await server.call('GET', '/api/v1/app/brought')).body).toMatchObject({
      name: 'Brought',
      uid: 'brought',
      metadata: { a: 'b' },
    });
    expect((await server.call('GET', '/api/v1/app/brought/msg')).body.data).toHaveLength(10);
    const mismatch = await server.call('POST', '/api/v1/app/another/msg', body);
    expect(mismatch).toMatchObject({ status: 422, body: { detail: [{ type: 'application_uid_mismatch' }] } });
    const { uid: _uid, ...nameless } = body.application;
    const missing = await server.call('POST', '/api/v1/app/another/msg', { ...body, application: nameless });
    expect(missing).toMatchObject({ status: 422, body: { detail: [{ type: 'application_uid_missing' }] } });
    expect(
      (
        await server.call('POST', '/api/v1/app/another/msg', {
          ...body,
          application: { uid: 'another', name: 7 },
        })
      ).status,
    ).toBe(422);
    expect((await server.call('GET', '/api/v1/app/another')).status).toBe(404);
    expect(
      await server.sql(`select count(*)::int as n from application where uid in ('brought', 'another')`),
    ).toEqual([{ n: 1 }]);
    // In a batch, too.
    const batch = await server.call('POST', '/api/v1/app/brought-2/msg/batch', {
      messages: [
        { ...body, application: { name: 'Two', uid: 'brought-2' } },
        { ...body, application: { name: 'Two', uid: 'brought-2' } },
      ],
    });
    expect(batch.body.data.map((item: Shown) => item.status)).toEqual([202, 202]);
  });

  it('keeps when it happened, its tags and its event id, and shows them again', async () => {
    const app = await createApplication(server, 'fields');
    const message = {
      eventType: 'fields',
      eventId: 'event.1',
      channels: ['a'],
      tags: ['x', 'y'],
      occurredAt: '2024-02-29T23:59:59.123+02:00',
      payload: { a: 1 },
    };
    const { body } = await server.call('POST', `${app}/msg`, message);
    const read = (await server.call('GET', `${app}/msg/event.1`)).body;
    expect(read).toEqual(body);
    expect(read).toMatchObject({
      eventType: 'fields',
      eventId: 'event.1',
      channels: ['a'],
      tags: ['x', 'y'],
      payload: { a: 1 },
    });
    expect(Date.parse(read.occurredAt)).toBe(Date.parse(message.occurredAt));
    const byParams = await server.call('POST', `${app}/msg`, {
      eventType: 'fields',
      payload: {},
      transformationsParams: { posthorn: { occurredAt: '2024-01-01T00:00:00Z' } },
    });
    expect(Date.parse(byParams.body.occurredAt)).toBe(Date.parse('2024-01-01T00:00:00Z'));
    expect((await server.call('GET', `${app}/msg?tag=x`)).body.data.map((one: Shown) => one.id)).toEqual([
      body.id,
    ]);
  });
});
