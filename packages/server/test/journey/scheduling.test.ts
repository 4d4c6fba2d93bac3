import { Svix } from 'svix';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  createApplication,
  createEndpoint,
  eventually,
  postMessage,
  standingOf,
  startReceiver,
  startTestServer,
  type Receiver,
  type TestServer,
} from './harness.ts';

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

const ahead = (ms: number): string => new Date(Date.now() + ms).toISOString();
const post = (app: string, more: Record<string, unknown>) =>
  server.call('POST', `${app}/msg`, { eventType: 'a.b', payload: {}, ...more });

describe('a message', () => {
  it('with deliverAt comes then and not before, and says so; one without does not wait for it', async () => {
    const app = await createApplication(server, 'later');
    const { id: endpoint } = await createEndpoint(server, app, { url: receiver.url });
    const deliverAt = ahead(2_500);
    const { status, body } = await post(app, { deliverAt });
    expect(status).toBe(202);
    expect(body['deliverAt']).toBe(deliverAt);
    const stored = await server.call('GET', `${app}/msg/${body.id}`);
    expect(stored.body['deliverAt']).toBe(deliverAt);
    const waiting = await standingOf(server, app, body.id, endpoint, (one) => one?.status === 1);
    expect(Date.parse(waiting.nextAttempt)).toBe(Date.parse(deliverAt));
    const now = await postMessage(server, app, 'a.b');
    const arrivals = await receiver.until((all) => all.length === 2);
    expect(Date.now()).toBeGreaterThanOrEqual(Date.parse(deliverAt));
    expect(arrivals.map(({ headers }) => headers['webhook-id'])).toEqual([now, body.id]);
    await standingOf(server, app, body.id, endpoint, (one) => one?.status === 0);
  });

  it('that nobody could take before expiresAt is canceled, not sent', async () => {
    const app = await createApplication(server, 'expires');
    const target = await startReceiver();
    const { id: endpoint } = await createEndpoint(server, app, { url: target.url });
    const pause = await server.call('POST', `${app}/endpoint/${endpoint}/pause`);
    expect(pause.status).toBe(200);
    const expiresAt = ahead(1_500);
    const { body } = await post(app, { expiresAt });
    expect(body['expiresAt']).toBe(expiresAt);
    const canceled = await standingOf(server, app, body.id, endpoint, (one) => one?.status === 4);
    expect(canceled).toMatchObject({ status: 4, statusText: 'canceled' });
    expect(Date.now()).toBeGreaterThanOrEqual(Date.parse(expiresAt));
    await server.call('POST', `${app}/endpoint/${endpoint}/resume`);
    await postMessage(server, app, 'a.b');
    await target.until((all) => all.length === 1);
    expect(target.arrivals[0]!.headers['webhook-id']).not.toBe(body.id);
    // What has arrived is settled a moment later.
    const stats = await eventually(
      () => server.call('GET', `${app}/endpoint/${endpoint}/stats`),
      ({ body: counted }) => counted['success'] === 1,
    );
    expect(stats.body).toMatchObject({ canceled: 1, success: 1 });
    // Nothing has failed: there is no dead letter to replay.
    expect((await server.call('GET', `${app}/dead-letter`)).body['data']).toEqual([]);
    await target.close();
  });

  it('can be scheduled through the SDK and in a batch, each for itself', async () => {
    const app = await createApplication(server, 'ways');
    const target = await startReceiver();
    await createEndpoint(server, app, { url: target.url });
    const deliverAt = ahead(1_500);
    const svix = new Svix(server.token, { serverUrl: server.url });
    const sent = await svix.message.create('ways', {
      eventType: 'a.b',
      payload: { by: 'sdk' },
      transformationsParams: { posthorn: { deliverAt } },
    });
    const { body } = await server.call('POST', `${app}/msg/batch`, {
      messages: [
        { eventType: 'a.b', payload: { by: 'batch' }, deliverAt },
        { eventType: 'a.b', payload: {}, deliverAt: '2001-01-01T00:00:00Z' },
        { eventType: 'a.b', payload: { by: 'batch, at once' } },
      ],
    });
    expect(body['data'].map(({ status }: { status: number }) => status)).toEqual([202, 422, 202]);
    const arrivals = await target.until((all) => all.length === 3);
    const times = new Map(arrivals.map(({ headers, atMs }) => [headers['webhook-id'], atMs]));
    const [first, , last] = body['data'];
    expect(times.get(sent.id)!).toBeGreaterThan(times.get(last.message.id)!);
    expect(times.get(first.message.id)!).toBeGreaterThan(times.get(last.message.id)!);
    await target.close();
  });

  it.each([
    [{ deliverAt: '2001-01-01T00:00:00Z' }, 'deliverAt'],
    [{ deliverAt: '9999-12-31T23:59:59Z' }, 'deliverAt'],
    [{ deliverAt: 0 }, 'deliverAt'],
    [{ deliverAt: ahead(91 * 86_400_000) }, 'deliverAt'],
    [{ expiresAt: '2001-01-01T00:00:00Z' }, 'expiresAt'],
    [{ expiresAt: '9999-12-31T23:59:59Z' }, 'expiresAt'],
    [{ deliverAt: ahead(50_000), expiresAt: ahead(40_000) }, 'expiresAt'],
  ])('%j is refused, and the answer says what is allowed', async (more, field) => {
    await createApplication(server, 'later').catch(() => {});
    const { status, body } = await post('/api/v1/app/later', more);
    expect(status).toBe(422);
    expect(body['detail'][0].loc).toEqual(['body', field]);
    expect(body['detail'][0].msg).toMatch(/between \d{4}-.* and \d{4}-|RFC 3339/);
  });
});
