import { Svix } from 'svix';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  createApplication,
  createEndpoint,
  eventually,
  standingOf,
  startReceiver,
  startTestServer,
  type Receiver,
  type TestServer,
} from './harness.ts';
import { makeWait, MILLION } from './million.ts';

let server: TestServer;
let receiver: Receiver;

beforeAll(async () => {
  server = await startTestServer({});
  receiver = await startReceiver();
});
afterAll(async () => {
  await receiver.close();
  await server.stop();
});

const post = (app: string, more: Record<string, unknown>) =>
  server.call('POST', `${app}/msg`, { eventType: 'a.b', payload: {}, ...more });

/** An application whose endpoint is paused: its deliveries stay where they can be looked at. */
const pausedApplication = async (uid: string): Promise<string> => {
  const app = await createApplication(server, uid);
  const { id } = await createEndpoint(server, app, { url: receiver.url });
  await server.call('POST', `${app}/endpoint/${id}/pause`);
  return app;
};
const classOf = async (messageId: string): Promise<number[]> =>
  (await server.sql('select priority from live where msg_id = $1', [messageId])).map(
    ({ priority }) => priority,
  );

describe('the priority of a message', () => {
  it.each([
    ['critical', 0],
    ['bulk', 2],
  ])('%s is kept for its deliveries and shown', async (priority, number) => {
    const app = await pausedApplication(`shown-${priority}`);
    const { status, body } = await post(app, { priority });
    expect([status, body['priority']]).toEqual([202, priority]);
    expect(await classOf(body.id)).toEqual([number]);
    const stored = await server.call('GET', `${app}/msg/${body.id}`);
    expect(stored.body['priority']).toBe(priority);
  });

  it('is normal where nothing is said, and not mentioned then', async () => {
    const app = await pausedApplication('normal');
    for (const more of [{}, { priority: null }, { priority: 'normal' }]) {
      const { body } = await post(app, more);
      expect(body['priority']).toBeUndefined();
      expect(await classOf(body.id)).toEqual([1]);
    }
  });

  it('can be given through the SDK, and in a batch for each message', async () => {
    const app = await pausedApplication('ways');
    const svix = new Svix(server.token, { serverUrl: server.url });
    const sent = await svix.message.create('ways', {
      eventType: 'a.b',
      payload: {},
      transformationsParams: { posthorn: { priority: 'critical' } },
    });
    expect(await classOf(sent.id)).toEqual([0]);
    const { body } = await server.call('POST', `${app}/msg/batch`, {
      messages: [
        { eventType: 'a.b', payload: {}, priority: 'bulk' },
        { eventType: 'a.b', payload: {}, priority: 'urgent' },
        { eventType: 'a.b', payload: {} },
      ],
    });
    const answers = body['data'] as { status: number; message?: { id: string } }[];
    expect(answers.map(({ status }) => status)).toEqual([202, 422, 202]);
    expect(await classOf(answers[0]!.message!.id)).toEqual([2]);
    expect(await classOf(answers[2]!.message!.id)).toEqual([1]);
  });

  it.each(['urgent', 'Critical', '', 0, 1, true, ['critical']])(
    '%j is refused, and the answer says what is allowed',
    async (priority) => {
      const app = await createApplication(server, 'refused').catch(() => '/api/v1/app/refused');
      const { status, body } = await post(app, { priority });
      expect(status).toBe(422);
      expect(body['detail'][0]).toMatchObject({
        loc: ['body', 'priority'],
        msg: 'must be one of critical, normal, bulk',
      });
    },
  );

  it('is told again to whoever repeats the request', async () => {
    const app = await pausedApplication('repeated');
    const headers = { 'idempotency-key': 'once' };
    const body = { eventType: 'a.b', payload: {}, priority: 'critical' };
    const first = await server.call('POST', `${app}/msg`, body, headers);
    const again = await server.call('POST', `${app}/msg`, body, headers);
    expect(again.body).toEqual(first.body);
    expect(again.body['priority']).toBe('critical');
  });
});

describe('the priority of an event type', () => {
  const setType = (name: string, priority: string | null) =>
    server.call('PUT', `/api/v1/event-type/${name}`, { description: 'x', priority });

  it('is that of its messages, from the answer to the change on, without a change in the producer', async () => {
    const app = await pausedApplication('by-type');
    const send = async (more: Record<string, unknown> = {}) =>
      classOf((await post(app, { eventType: 'payment.failed', ...more })).body.id);
    expect(await send()).toEqual([1]);
    const made = await setType('payment.failed', 'critical');
    expect([made.status, made.body['priority']]).toEqual([201, 'critical']);
    expect(await send()).toEqual([0]);
    expect(await send({ priority: 'bulk' })).toEqual([2]);
    expect(await send({ priority: 'normal' })).toEqual([1]);
    const patched = await server.call('PATCH', '/api/v1/event-type/payment.failed', { priority: null });
    expect(patched.body['priority']).toBeUndefined();
    expect(await send()).toEqual([1]);
  });

  it('goes out and in with environments and OpenAPI documents', async () => {
    await setType('moved.type', 'bulk');
    const exported = await server.call('POST', '/api/v1/environment/export');
    const own = exported.body['eventTypes'].find(({ name }: { name: string }) => name === 'moved.type');
    expect(own.priority).toBe('bulk');
    await setType('moved.type', null);
    const { createdAt: _c, updatedAt: _u, featureFlag: _f, ...eventType } = own;
    await server.call('POST', '/api/v1/environment/import', { eventTypes: [eventType] });
    const read = () => server.call('GET', '/api/v1/event-type/moved.type');
    expect((await read()).body['priority']).toBe('bulk');

    const begun = await server.call('POST', '/api/v1/event-type/export/openapi');
    const task = await eventually(
      () => server.call('GET', `/api/v1/background-task/${begun.body.id}`),
      ({ body }) => body['status'] === 'finished',
    );
    const { spec } = task.body['data'];
    expect(spec.webhooks['moved.type'].post['x-posthorn-priority']).toBe('bulk');
    await setType('moved.type', null);
    await server.call('POST', '/api/v1/event-type/import/openapi', { spec });
    expect((await read()).body['priority']).toBe('bulk');
  });

  it.each([
    ['PUT', '/api/v1/event-type/bad', { description: 'x', priority: 'urgent' }],
    ['POST', '/api/v1/event-type', { name: 'bad', description: 'x', priority: 3 }],
    [
      'POST',
      '/api/v1/environment/import',
      { eventTypes: [{ name: 'bad', description: 'x', priority: 'x' }] },
    ],
  ])('that is none is refused, and the answer says what is allowed: %s %s', async (method, path, body) => {
    const answer = await server.call(method, path, body);
    expect(answer.status).toBe(422);
    expect(JSON.stringify(answer.body)).toMatch(/critical.*normal.*bulk/);
  });
});

describe('a replay', () => {
  it('of one dead letter has the class of its message, one of many is bulk', async () => {
    const failing = await startReceiver((_, response) => void response.writeHead(500).end());
    const app = await createApplication(server, 'replays');
    const { id } = await createEndpoint(server, app, { url: failing.url, retryPolicy: [] });
    const send = async (): Promise<string> => (await post(app, { priority: 'critical' })).body.id;
    const [one, many] = [await send(), await send()];
    for (const message of [one, many])
      await standingOf(server, app, message, id, (found) => found?.status === 2);
    await server.call('POST', `${app}/endpoint/${id}/pause`);
    await server.call('POST', `${app}/dead-letter/${one}/endpoint/${id}/replay`);
    expect(await classOf(one)).toEqual([0]);
    await server.call('POST', `${app}/endpoint/${id}/recover`, {
      since: new Date(Date.now() - 60_000).toISOString(),
    });
    expect(
      await eventually(
        () => classOf(many),
        (classes) => classes.length > 0,
      ),
    ).toEqual([2]);
    await failing.close();
  });
});

const PER_SECOND = 20;

it(
  `a critical message behind ${MILLION} waiting bulk ones of its endpoint is among the next that are sent`,
  { timeout: 600_000 },
  async () => {
    const target = await startReceiver();
    const app = await createApplication(server, 'million');
    const { id: appId } = (await server.call('GET', app)).body;
    const { id } = await createEndpoint(server, app, { url: target.url, throttleRate: PER_SECOND });
    await makeWait(server, appId, [id], MILLION, 2);
    await target.until((all) => all.length > PER_SECOND);
    for (let round = 0; round < 3; round++) {
      const { body } = await post(app, { priority: 'critical' });
      const before = target.arrivals.length;
      const isIt = ({ headers }: { headers: Record<string, unknown> }): boolean =>
        headers['webhook-id'] === body.id;
      const arrivals = await target.until((all) => all.some(isIt));
      // At this rate a second's worth, whatever the machine does meanwhile.
      expect(arrivals.findIndex(isIt) - before).toBeLessThanOrEqual(PER_SECOND);
    }
    const [row] = await server.sql('select count(*)::int as n from live where endpoint_id = $1', [id]);
    expect(row.n).toBeGreaterThan(MILLION * 0.99);
    await target.close();
  },
);
