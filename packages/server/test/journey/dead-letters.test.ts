import type { ServerResponse } from 'node:http';
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
let isUp = false;
const answer = (_: unknown, response: ServerResponse): void =>
  void response.writeHead(isUp ? 200 : 500).end();

beforeAll(async () => {
  server = await startTestServer({ POSTHORN_RETRY_SCHEDULE: '0.01' });
  receiver = await startReceiver(answer);
});
afterAll(async () => {
  await receiver.close();
  await server.stop();
});

const lettersOf = async (app: string, query = ''): Promise<Json[]> => {
  const { status, body } = await server.call('GET', `${app}/dead-letter${query}`);
  if (status !== 200) throw new Error(JSON.stringify(body));
  return body.data;
};

const dead = (app: string, count: number): Promise<Json[]> =>
  eventually(
    () => lettersOf(app, '?state=open'),
    (letters) => letters.length === count,
  );

const finishedTask = (id: string): Promise<Shown> =>
  eventually(
    async () => (await server.call('GET', `/api/v1/background-task/${id}`)).body,
    (task) => task.status !== 'running',
  );

const setUp = async (uid: string, endpoints = 1) => {
  isUp = false;
  const app = await createApplication(server, uid);
  const made: Shown[] = [];
  for (let i = 0; i < endpoints; i++) made.push(await createEndpoint(server, app, { url: receiver.url }));
  return { app, endpoint: made[0]!, endpoints: made };
};

describe('dead letters', () => {
  it('are listed by endpoint, event type, time, state and reason, with pages both ways', async () => {
    const { app, endpoints } = await setUp('listed', 2);
    const first = await postMessage(server, app, 'one');
    await dead(app, 2);
    const [latest] = await lettersOf(app);
    const between = new Date(Date.parse(latest.diedAt) + 1).toISOString();
    const second = await postMessage(server, app, 'two');
    const all = await dead(app, 4);
    const idsOf = (letters: readonly Shown[]) => letters.map(({ msgId }) => msgId);

    expect(idsOf(all)).toEqual([second, second, first, first]);
    expect(idsOf(await lettersOf(app, `?endpoint_id=${endpoints[0]!.id}`))).toEqual([second, first]);
    expect(idsOf(await lettersOf(app, '?event_types=one'))).toEqual([first, first]);
    expect(idsOf(await lettersOf(app, `?since=${between}`))).toEqual([second, second]);
    expect(idsOf(await lettersOf(app, `?until=${between}`))).toEqual([first, first]);
    expect(await lettersOf(app, '?state=replayed')).toEqual([]);
    expect(await lettersOf(app, '?reason=endpoint_deleted')).toEqual([]);
    expect(await lettersOf(app, '?reason=exhausted')).toHaveLength(4);

    const page = (await server.call('GET', `${app}/dead-letter?limit=3`)).body;
    const rest = (await server.call('GET', `${app}/dead-letter?limit=3&iterator=${page.iterator}`)).body;
    expect([...page.data, ...rest.data]).toEqual(all);
    expect([page.done, rest.done]).toEqual([false, true]);
    const back = (await server.call('GET', `${app}/dead-letter?limit=3&iterator=${rest.prevIterator}`)).body;
    expect(back.data).toEqual(page.data);
    expect((await server.call('GET', `${app}/dead-letter?endpoint_id=nobody`)).status).toBe(404);
  });

  it('are replayed one by one: a new run with the full schedule, the letter marked', async () => {
    const { app, endpoint } = await setUp('replayed');
    const id = await postMessage(server, app, 'again');
    await dead(app, 1);
    const replay = `${app}/dead-letter/${id}/endpoint/${endpoint.id}/replay`;
    expect(await server.call('POST', replay)).toMatchObject({
      status: 202,
      body: { msgId: id, state: 'replayed' },
    });
    // Still down: two more attempts, a letter of its own.
    await attemptsOf(server, app, id, (all) => all.length === 4);
    const again = await dead(app, 1);
    expect(again).toMatchObject([{ msgId: id, run: 1, state: 'open' }]);
    expect((await lettersOf(app)).map(({ run, state }) => [run, state])).toEqual([
      [1, 'open'],
      [0, 'replayed'],
    ]);
    isUp = true;
    expect((await server.call('POST', replay)).status).toBe(202);
    await standingOf(server, app, id, endpoint.id, (standing) => standing.status === 0);
    const refused = await server.call('POST', replay);
    expect(refused).toMatchObject({ status: 409, body: { code: 'dead_letter_not_open' } });
    expect(refused.headers.get('content-type')).toBe('application/problem+json');
    expect(receiver.arrivals.filter((one) => one.headers['webhook-id'] === id)).toHaveLength(5);
    expect(await lettersOf(app, '?state=open')).toEqual([]);
  });

  it('are put away, and then no replay touches them', async () => {
    const { app, endpoint } = await setUp('discarded');
    const id = await postMessage(server, app, 'away');
    await dead(app, 1);
    const at = `${app}/dead-letter/${id}/endpoint/${endpoint.id}`;
    expect(await server.call('POST', `${at}/discard`)).toMatchObject({
      status: 200,
      body: { state: 'discarded' },
    });
    expect((await server.call('POST', `${at}/discard`)).status).toBe(409);
    expect((await server.call('POST', `${at}/replay`)).status).toBe(409);
    const since = new Date(Date.now() - 3_600_000).toISOString();
    const { body } = await server.call('POST', `${app}/dead-letter/replay`, { since });
    expect(await finishedTask(body.id)).toMatchObject({ status: 'finished', data: { started: 0 } });
    expect(await lettersOf(app)).toMatchObject([{ state: 'discarded' }]);
  });

  it('are replayed in bulk by endpoint, event type and time, and by nothing else', async () => {
    const { app, endpoints } = await setUp('bulk', 2);
    const [target, other] = [endpoints[0]!, endpoints[1]!];
    for (const type of ['wanted', 'wanted', 'unwanted']) await postMessage(server, app, type);
    await dead(app, 6);
    const before = receiver.arrivals.length;
    isUp = true;
    const since = new Date(Date.now() - 3_600_000).toISOString();
    const none = await server.call('POST', `${app}/dead-letter/replay`, {
      since,
      until: since,
      endpointId: target.id,
    });
    expect(await finishedTask(none.body.id)).toMatchObject({ status: 'finished', data: { started: 0 } });
    const { status, body } = await server.call('POST', `${app}/dead-letter/replay`, {
      since,
      endpointId: target.id,
      eventTypes: ['wanted'],
    });
    expect(status).toBe(202);
    expect(await finishedTask(body.id)).toMatchObject({
      status: 'finished',
      task: 'application.replay',
      data: { appId: expect.stringMatching(/^app_/), started: 2 },
    });
    await receiver.until((all) => all.length >= before + 2);
    const open = await dead(app, 4);
    expect(open.filter(({ endpointId }) => endpointId === other.id)).toHaveLength(3);
    expect(open.filter(({ endpointId }) => endpointId === target.id)).toMatchObject([
      { eventType: 'unwanted' },
    ]);
    const stats = await eventually(
      async () => (await server.call('GET', `${app}/endpoint/${target.id}/stats`)).body,
      ({ success }) => success === 2,
    );
    expect(stats).toEqual({ success: 2, pending: 0, sending: 0, fail: 1, canceled: 0 });
  });

  it('are recovered from a moment on, for one endpoint', async () => {
    const { app, endpoints } = await setUp('recovered', 2);
    await postMessage(server, app, 'old');
    const old = await dead(app, 2);
    const since = new Date(Date.parse(old[0].diedAt) + 1).toISOString();
    const fresh = await postMessage(server, app, 'fresh');
    await dead(app, 4);
    isUp = true;
    const { status, body } = await server.call('POST', `${app}/endpoint/${endpoints[0]!.id}/recover`, {
      since,
    });
    expect(status).toBe(202);
    expect(body).toMatchObject({ id: expect.stringMatching(/^qtask_/), task: 'endpoint.recover' });
    await standingOf(server, app, fresh, endpoints[0]!.id, (standing) => standing.status === 0);
    expect(await finishedTask(body.id)).toMatchObject({ status: 'finished', data: { started: 1 } });
    expect(await dead(app, 3)).toHaveLength(3);
    const tooOld = await server.call('POST', `${app}/endpoint/${endpoints[0]!.id}/recover`, {
      since: '2020-01-01T00:00:00Z',
    });
    expect(tooOld).toMatchObject({ status: 422, body: { detail: [{ loc: ['body', 'since'] }] } });
  });

  it('of a disabled endpoint are not replayed, and stay open', async () => {
    const { app, endpoint } = await setUp('disabled');
    const id = await postMessage(server, app, 'off');
    await dead(app, 1);
    await server.call('PATCH', `${app}/endpoint/${endpoint.id}`, { disabled: true });
    const replayed = await server.call('POST', `${app}/dead-letter/${id}/endpoint/${endpoint.id}/replay`);
    expect(replayed).toMatchObject({ status: 409, body: { code: 'endpoint_disabled' } });
    expect(await lettersOf(app, '?state=open')).toHaveLength(1);
  });

  it('of one application are nobody else’s', async () => {
    const { app, endpoint } = await setUp('mine');
    const id = await postMessage(server, app, 'mine');
    await dead(app, 1);
    const theirs = await createApplication(server, 'theirs');
    expect(await lettersOf(theirs)).toEqual([]);
    expect(
      (await server.call('POST', `${theirs}/dead-letter/${id}/endpoint/${endpoint.id}/replay`)).status,
    ).toBe(404);
    expect(
      (await server.call('POST', `${theirs}/dead-letter/${id}/endpoint/${endpoint.id}/discard`)).status,
    ).toBe(404);
  });
});

describe('replaying what was missed', () => {
  it('sends what the endpoint subscribes to and was never meant for it', async () => {
    isUp = true;
    const app = await createApplication(server, 'missed');
    const since = new Date(Date.now() - 3_600_000).toISOString();
    const early = await postMessage(server, app, 'early');
    const endpoint = await createEndpoint(server, app, { url: receiver.url });
    const seen = await postMessage(server, app, 'seen');
    await standingOf(server, app, seen, endpoint.id, (standing) => standing?.status === 0);
    const { body } = await server.call('POST', `${app}/endpoint/${endpoint.id}/replay-missing`, { since });
    await standingOf(server, app, early, endpoint.id, (standing) => standing?.status === 0);
    expect(await finishedTask(body.id)).toMatchObject({ status: 'finished', data: { started: 1 } });
    expect(receiver.arrivals.filter((one) => one.headers['webhook-id'] === seen)).toHaveLength(1);
  });
});
