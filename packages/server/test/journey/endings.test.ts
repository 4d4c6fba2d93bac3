import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  attemptsOf,
  createApplication,
  createEndpoint,
  eventually,
  postMessage,
  standingOf,
  startReceiver,
  startTestServer,
  type Receiver,
  type TestServer,
  type Json,
  type Shown,
} from './harness.ts';

let server: TestServer;
let receiver: Receiver;
let status = 200;

beforeAll(async () => {
  server = await startTestServer({ POSTHORN_RETRY_SCHEDULE: '' });
  receiver = await startReceiver((_, response) => void response.writeHead(status).end());
});
afterAll(async () => {
  await receiver.close();
  await server.stop();
});

const lettersOf = async (app: string): Promise<Json[]> =>
  (await server.call('GET', `${app}/dead-letter`)).body.data;
const arrivalsOf = (id: string): number =>
  receiver.arrivals.filter((one) => one.headers['webhook-id'] === id).length;
const finishedTask = (id: string): Promise<Shown> =>
  eventually(
    async () => (await server.call('GET', `/api/v1/background-task/${id}`)).body,
    (task) => task.status !== 'running',
  );

describe('a payload that is deleted', () => {
  it('before it could be sent ends its delivery as a dead letter that cannot be replayed', async () => {
    status = 500;
    const app = await createApplication(server, 'expunged');
    const endpoint = await createEndpoint(server, app, { url: receiver.url, retryPolicy: [1] });
    const id = await postMessage(server, app, 'personal', { name: 'Anna' });
    await attemptsOf(server, app, id, (all) => all.length === 1);
    expect((await server.call('DELETE', `${app}/msg/${id}/content`)).status).toBe(204);
    const [letter] = await eventually(
      () => lettersOf(app),
      (letters) => letters.length === 1,
    );
    expect(letter).toMatchObject({ msgId: id, reason: 'payload_gone', state: 'open' });
    const replay = await server.call('POST', `${app}/dead-letter/${id}/endpoint/${endpoint.id}/replay`);
    expect(replay).toMatchObject({ status: 409, body: { code: 'missing_payload' } });
    expect(arrivalsOf(id)).toBe(1);
    expect((await server.call('GET', `${app}/msg/${id}`)).body.payload).toEqual({ expired: true });
    expect(JSON.stringify(await server.sql('select * from message where id = $1', [id]))).not.toContain(
      Buffer.from('Anna').toString('hex'),
    );
  });
});

describe('an application that is deleted', () => {
  it('is not there any more, with all that is below it; nothing goes out, and its uid is free', async () => {
    status = 500;
    const app = await createApplication(server, 'deleted');
    const endpoint = await createEndpoint(server, app, { url: receiver.url, retryPolicy: [1] });
    const id = await postMessage(server, app, 'open');
    await attemptsOf(server, app, id, (all) => all.length === 1);
    expect((await server.call('DELETE', app)).status).toBe(204);
    for (const path of [
      '',
      '/endpoint',
      `/msg/${id}`,
      `/endpoint/${endpoint.id}`,
      `/attempt/msg/${id}`,
      '/dead-letter',
    ])
      expect([path, (await server.call('GET', `${app}${path}`)).status]).toEqual([path, 404]);
    expect((await server.call('POST', `${app}/msg`, { eventType: 'a', payload: {} })).status).toBe(404);
    await eventually(
      () => server.sql('select 1 from live where endpoint_id = $1', [endpoint.id]),
      (open) => open.length === 0,
    );
    expect(arrivalsOf(id)).toBe(1);
    // The name is free for another one, which has nothing of the first.
    status = 200;
    const again = await createApplication(server, 'deleted');
    expect((await server.call('GET', `${again}/msg`)).body.data).toEqual([]);
    await createEndpoint(server, again, { url: receiver.url });
    const fresh = await postMessage(server, again, 'fresh');
    await receiver.until(() => arrivalsOf(fresh) === 1);
  });
});

describe('a message', () => {
  it('with an example is sent to its endpoint alone, whatever that subscribes to', async () => {
    status = 200;
    const app = await createApplication(server, 'example');
    const one = await createEndpoint(server, app, { url: `${receiver.url}/one`, channels: ['never'] });
    await createEndpoint(server, app, { url: `${receiver.url}/other` });
    await server.call('POST', '/api/v1/event-type', {
      name: 'with.example',
      description: 'Has one',
      schemas: { 1: { type: 'object', examples: [{ order: 7 }], example: { order: 7 } } },
    });
    const { status: code, body } = await server.call('POST', `${app}/endpoint/${one.id}/send-example`, {
      eventType: 'with.example',
    });
    expect([200, 202]).toContain(code);
    await standingOf(server, app, body.id, one.id, (standing) => standing?.status === 0);
    const arrivals = receiver.arrivals.filter((arrival) => arrival.headers['webhook-id'] === body.id);
    expect(arrivals.map(({ path, body: bytes }) => [path, bytes.toString()])).toEqual([
      ['/hook/one', '{"order":7}'],
    ]);
    const none = await server.call('POST', `${app}/endpoint/${one.id}/send-example`, {
      eventType: 'unknown.type',
    });
    expect(none.status).toBeGreaterThanOrEqual(400);
    expect(none.status).toBeLessThan(500);
  });
});

describe('a bulk replay of one endpoint', () => {
  it('sends again what was sent before, by status, event type and tag, as a run of its own', async () => {
    status = 200;
    const app = await createApplication(server, 'bulk-replay');
    const endpoint = await createEndpoint(server, app, { url: receiver.url });
    const post = async (eventType: string, tags: string[]): Promise<string> =>
      (await server.call('POST', `${app}/msg`, { eventType, tags, payload: {} })).body.id;
    const good = await post('good', ['a']);
    await standingOf(server, app, good, endpoint.id, (standing) => standing?.status === 0);
    status = 500;
    const bad = await post('bad', ['b']);
    await standingOf(server, app, bad, endpoint.id, (standing) => standing?.status === 2);
    status = 200;
    const since = new Date(Date.now() - 3_600_000).toISOString();
    const replay = async (filter: object): Promise<Shown> => {
      const { status: code, body } = await server.call('POST', `${app}/endpoint/${endpoint.id}/bulk-replay`, {
        since,
        ...filter,
      });
      expect(code).toBe(202);
      return (await finishedTask(body.id)).data.started;
    };
    expect(await replay({ status: 2, eventTypes: ['good'] })).toBe(0);
    expect(await replay({ tag: 'nobody' })).toBe(0);
    expect(await replay({ status: 2 })).toBe(1);
    await standingOf(server, app, bad, endpoint.id, (standing) => standing.status === 0);
    expect((await lettersOf(app))[0]).toMatchObject({ msgId: bad, state: 'replayed' });
    expect(await replay({ eventTypes: ['good'] })).toBe(1);
    await receiver.until(() => arrivalsOf(good) === 2);
    await standingOf(server, app, good, endpoint.id, (standing) => standing.status === 0);
    // Both are well: nothing of status 2 is left.
    expect(await replay({ status: 2 })).toBe(0);
    const runs = await server.sql(`select run from attempt where msg_id = $1 order by id`, [good]);
    expect(runs).toEqual([{ run: 0 }, { run: 1 }]);
  });
});
