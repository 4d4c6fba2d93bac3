import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  attemptsOf,
  createApplication,
  createEndpoint,
  eventually,
  isSignedBy,
  postMessage,
  startReceiver,
  startTestServer,
  type Arrival,
  type Receiver,
  type TestServer,
  type Shown,
} from './harness.ts';

/** What the server's clock may be set by, towards the database's, while a delivery waits. */
const CLOCK_MS = 100;

const gapsOf = (arrivals: readonly Arrival[]): number[] =>
  arrivals.slice(1).map((arrival, index) => arrival.atMs - arrivals[index]!.atMs);

const isDead = (attempts: readonly Shown[], count: number): boolean =>
  attempts.length === count && attempts[0] !== undefined;

describe('a delivery that fails', () => {
  let server: TestServer;
  let receiver: Receiver;
  let app: string;
  const of = (id: string): Arrival[] => receiver.arrivals.filter((one) => one.headers['webhook-id'] === id);

  beforeAll(async () => {
    server = await startTestServer({ POSTHORN_RETRY_SCHEDULE: '0.2, 0.4' });
    receiver = await startReceiver((_, response) => void response.writeHead(500).end('no'));
    app = await createApplication(server, 'retries');
    await server.call('POST', '/api/v1/event-type', {
      name: 'quick',
      description: 'Three waits of its own',
      retryPolicy: [0.01, 0.01, 0.01],
    });
    await createEndpoint(server, app, { url: receiver.url, uid: 'plain' });
  });
  afterAll(async () => {
    await receiver.close();
    await server.stop();
  });

  it('is tried again by the deployment’s schedule, with the same id and a fresh signature, then is a dead letter', async () => {
    const { key } = (await server.call('GET', `${app}/endpoint/plain/secret`)).body;
    const id = await postMessage(server, app, 'slow', { n: 1 });
    const attempts = await attemptsOf(server, app, id, (all) => isDead(all, 3));
    const arrivals = of(id);
    expect(arrivals).toHaveLength(3);
    const [first, second] = gapsOf(arrivals);
    expect(first).toBeGreaterThanOrEqual(200 - CLOCK_MS);
    expect(second).toBeGreaterThanOrEqual(400 - CLOCK_MS);
    for (const arrival of arrivals) expect(isSignedBy(key, arrival)).toBe(true);

    expect(
      attempts.map(({ status, triggerType, responseStatusCode }) => [
        status,
        triggerType,
        responseStatusCode,
      ]),
    ).toEqual([
      [2, 0, 500],
      [2, 0, 500],
      [2, 0, 500],
    ]);
    expect(new Set(attempts.map((attempt) => attempt.id)).size).toBe(3);
    for (const [index, waitMs] of [200, 400].entries()) {
      const { nextAttempt, timestamp } = attempts[index];
      expect(Date.parse(nextAttempt) - Date.parse(timestamp)).toBeGreaterThanOrEqual(waitMs - CLOCK_MS);
      // No attempt before the moment that was announced.
      expect(Date.parse(attempts[index + 1].timestamp)).toBeGreaterThanOrEqual(
        Date.parse(nextAttempt) - CLOCK_MS,
      );
    }
    expect(attempts[2].nextAttempt).toBeUndefined();
    const letters = (await server.call('GET', `${app}/dead-letter`)).body.data.filter(
      (letter: Shown) => letter.msgId === id,
    );
    expect(letters).toMatchObject([{ reason: 'exhausted', state: 'open', eventType: 'slow', run: 0 }]);
    expect(Date.parse(letters[0].diedAt)).toBeGreaterThanOrEqual(
      Date.parse(attempts[2].timestamp) - CLOCK_MS,
    );
  });

  it('signs every attempt with the time of that attempt', async () => {
    await createEndpoint(server, app, {
      url: receiver.url,
      uid: 'second-apart',
      channels: ['second-apart'],
      retryPolicy: [1],
    });
    const { status, body } = await server.call('POST', `${app}/msg`, {
      eventType: 'slow',
      channels: ['second-apart'],
      payload: {},
    });
    expect(status).toBe(202);
    await attemptsOf(
      server,
      app,
      body.id,
      (all) => all.filter(({ nextAttempt }) => nextAttempt === undefined).length === 2,
    );
    const { key } = (await server.call('GET', `${app}/endpoint/second-apart/secret`)).body;
    const mine = of(body.id).filter((arrival) => isSignedBy(key, arrival));
    expect(mine).toHaveLength(2);
    const [before, after] = mine.map(({ headers }) => Number(headers['webhook-timestamp']));
    expect(after).toBeGreaterThan(before!);
    expect(mine[0]!.headers['webhook-signature']).not.toBe(mine[1]!.headers['webhook-signature']);
  });

  it('is tried by its event type’s policy, where that has one', async () => {
    const id = await postMessage(server, app, 'quick');
    await attemptsOf(server, app, id, (all) => isDead(all, 4));
    expect(of(id)).toHaveLength(4);
  });

  it('is tried by its endpoint’s policy before any other', async () => {
    const own = await createApplication(server, 'own-policy');
    const endpoint = await createEndpoint(server, own, { url: receiver.url, retryPolicy: [0] });
    expect(endpoint.retryPolicy).toEqual({ kind: 'list', waitsSeconds: [0] });
    const id = await postMessage(server, own, 'quick');
    await attemptsOf(server, own, id, (all) => isDead(all, 2));
    // An empty list is a policy, too: one attempt.
    await server.call('PATCH', `${own}/endpoint/${endpoint.id}`, { retryPolicy: [] });
    const once = await postMessage(server, own, 'quick');
    await eventually(
      async () =>
        (await server.call('GET', `${own}/dead-letter`)).body.data.map((letter: Shown) => letter.msgId),
      (dead) => dead.includes(once),
    );
    expect(of(once)).toHaveLength(1);
    // And null gives it back to the event type.
    await server.call('PATCH', `${own}/endpoint/${endpoint.id}`, { retryPolicy: null });
    const byType = await postMessage(server, own, 'quick');
    await attemptsOf(server, own, byType, (all) => isDead(all, 4));
  });

  it('takes a changed policy of its event type with the next message', async () => {
    const changed = await server.call('PATCH', '/api/v1/event-type/quick', {
      retryPolicy: { kind: 'exponential', baseSeconds: 0.01, factor: 2, ceilingSeconds: 0.02, retries: 1 },
    });
    expect(changed.status).toBe(200);
    const id = await postMessage(server, app, 'quick');
    await eventually(
      async () =>
        (await server.call('GET', `${app}/dead-letter`)).body.data.map((letter: Shown) => letter.msgId),
      (dead) => dead.includes(id),
    );
    expect(of(id)).toHaveLength(2);
  });

  it.each([
    [[-1]],
    [['1']],
    [Array.from({ length: 101 }, () => 1)],
    [[604_801]],
    [{ kind: 'exponential' }],
    ['svix'],
    [true],
  ])('cannot have a policy like %j', async (retryPolicy) => {
    const { status, body } = await server.call('POST', `${app}/endpoint`, { url: receiver.url, retryPolicy });
    expect(status).toBe(422);
    expect(body.detail[0].loc).toEqual(['body', 'retryPolicy']);
  });
});

describe('a deployment without retries', () => {
  it('makes one attempt for each delivery', async () => {
    const server = await startTestServer({ POSTHORN_RETRY_SCHEDULE: '' });
    const receiver = await startReceiver((_, response) => void response.writeHead(503).end());
    try {
      const app = await createApplication(server, 'once');
      await createEndpoint(server, app, { url: receiver.url });
      const id = await postMessage(server, app, 'once');
      const letters = await eventually(
        async () => (await server.call('GET', `${app}/dead-letter`)).body.data,
        (all) => all.length > 0,
      );
      expect(letters).toMatchObject([{ msgId: id, reason: 'exhausted', state: 'open' }]);
      expect(receiver.arrivals).toHaveLength(1);
      expect(await server.sql('select * from live')).toEqual([]);
    } finally {
      await receiver.close();
      await server.stop();
    }
  });
});
