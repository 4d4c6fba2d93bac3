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
/** Statuses for the next requests; 200 when there are none left. */
let script: number[] = [];

beforeAll(async () => {
  // The first retry is an hour away: what happens here happens by hand.
  server = await startTestServer({ POSTHORN_RETRY_SCHEDULE: '3600' });
  receiver = await startReceiver((_, response) => void response.writeHead(script.shift() ?? 200).end());
});
afterAll(async () => {
  await receiver.close();
  await server.stop();
});

const setUp = async (uid: string, statuses: number[], policy?: number[]) => {
  script = statuses;
  const app = await createApplication(server, uid);
  const endpoint = await createEndpoint(server, app, {
    url: receiver.url,
    ...(policy === undefined ? {} : { retryPolicy: policy }),
  });
  const id = await postMessage(server, app, 'by-hand');
  const resend = async (): Promise<void> => {
    const answer = await server.call('POST', `${app}/msg/${id}/endpoint/${endpoint.id}/resend`);
    expect(answer).toMatchObject({ status: 202, body: {} });
  };
  return { app, endpoint, id, resend };
};

const openRows = (id: string): Promise<Json[]> =>
  server.sql('select state, run from live where msg_id = $1', [id]);

describe('a resend by hand', () => {
  it('of a delivery that waits ends it, when it succeeds', async () => {
    const { app, endpoint, id, resend } = await setUp('waiting', [500]);
    await attemptsOf(server, app, id, (all) => all.length === 1);
    const waiting = await standingOf(server, app, id, endpoint.id, (standing) => standing.status === 1);
    expect(Date.parse(waiting.nextAttempt)).toBeGreaterThan(Date.now() + 3_000_000);
    await resend();
    const attempts = await attemptsOf(server, app, id, (all) => all.length === 2);
    expect(attempts.map(({ status, triggerType }) => [status, triggerType])).toEqual([
      [2, 0],
      [0, 1],
    ]);
    expect(await standingOf(server, app, id, endpoint.id, () => true)).toMatchObject({
      status: 0,
      nextAttempt: null,
    });
    expect(await openRows(id)).toEqual([]);
  });

  it('of a delivery that waits changes nothing, when it fails', async () => {
    const { app, endpoint, id, resend } = await setUp('still-waiting', [500, 500]);
    await attemptsOf(server, app, id, (all) => all.length === 1);
    const before = await standingOf(server, app, id, endpoint.id, (standing) => standing.status === 1);
    await resend();
    const attempts = await attemptsOf(server, app, id, (all) => all.length === 2);
    expect(attempts[1]).toMatchObject({ status: 2, triggerType: 1 });
    expect(attempts[1].nextAttempt).toBeUndefined();
    expect(await standingOf(server, app, id, endpoint.id, () => true)).toMatchObject({
      status: 1,
      nextAttempt: before.nextAttempt,
    });
    expect(await server.sql('select state, attempts from live where msg_id = $1', [id])).toEqual([
      { state: 'waiting', attempts: 1 },
    ]);
  });

  it('of a dead letter replays it, when it succeeds', async () => {
    const { app, endpoint, id, resend } = await setUp('dead', [500, 500], []);
    const letter = async (): Promise<Shown> => (await server.call('GET', `${app}/dead-letter`)).body.data[0];
    await eventually(letter, (one) => one?.state === 'open');
    await resend();
    await attemptsOf(server, app, id, (all) => all.length === 2);
    // It failed: the letter stays as it was.
    expect(await letter()).toMatchObject({ state: 'open', run: 0 });
    expect(await standingOf(server, app, id, endpoint.id, () => true)).toMatchObject({ status: 2 });
    await resend();
    await attemptsOf(server, app, id, (all) => all.length === 3);
    expect(await letter()).toMatchObject({ state: 'replayed' });
    expect(await standingOf(server, app, id, endpoint.id, () => true)).toMatchObject({ status: 0 });
  });

  it('of what succeeded sends it once more, and a failure does not take the success back', async () => {
    const { app, endpoint, id, resend } = await setUp('succeeded', [200, 200, 500]);
    await attemptsOf(server, app, id, (all) => all.length === 1);
    await resend();
    await attemptsOf(server, app, id, (all) => all.length === 2);
    await resend();
    const attempts = await attemptsOf(server, app, id, (all) => all.length === 3);
    expect(attempts.map(({ status, triggerType }) => [status, triggerType])).toEqual([
      [0, 0],
      [0, 1],
      [2, 1],
    ]);
    expect(await standingOf(server, app, id, endpoint.id, () => true)).toMatchObject({
      status: 0,
      nextAttempt: null,
    });
    expect((await server.call('GET', `${app}/endpoint/${endpoint.id}/stats`)).body).toMatchObject({
      success: 1,
      fail: 0,
    });
  });

  it('has the message’s id and a signature of its own', async () => {
    const { app, id, resend } = await setUp('signed', [200]);
    await attemptsOf(server, app, id, (all) => all.length === 1);
    await resend();
    await attemptsOf(server, app, id, (all) => all.length === 2);
    expect(receiver.arrivals.filter((one) => one.headers['webhook-id'] === id)).toHaveLength(2);
  });

  it('of a delivery in flight ends it, and the attempt in flight is still on record', async () => {
    let finish = (): void => {};
    const slow = await startReceiver((_, response, count) => {
      if (count === 1) finish = () => void response.writeHead(500).end();
      else response.writeHead(200).end();
    });
    try {
      const app = await createApplication(server, 'in-flight');
      const endpoint = await createEndpoint(server, app, { url: slow.url });
      const id = await postMessage(server, app, 'in-flight');
      await slow.until((all) => all.length === 1);
      await server.call('POST', `${app}/msg/${id}/endpoint/${endpoint.id}/resend`);
      await attemptsOf(server, app, id, (all) =>
        all.some(({ triggerType, status }) => triggerType === 1 && status === 0),
      );
      finish();
      const attempts = await attemptsOf(server, app, id, (all) => all.length === 2);
      expect(attempts.find(({ triggerType }) => triggerType === 0)).toMatchObject({
        status: 2,
        responseStatusCode: 500,
      });
      expect(await openRows(id)).toEqual([]);
      expect(await standingOf(server, app, id, endpoint.id, () => true)).toMatchObject({
        status: 0,
        nextAttempt: null,
      });
    } finally {
      await slow.close();
    }
  });

  it('that outlives its delivery’s schedule replays the letter, when it succeeds', async () => {
    let finish = (): void => {};
    // The second request is the resend; the first and the third are the schedule's.
    const slow = await startReceiver((_, response, count) => {
      if (count === 2) finish = () => void response.writeHead(200).end();
      else response.writeHead(500).end();
    });
    try {
      const app = await createApplication(server, 'outlived');
      const endpoint = await createEndpoint(server, app, { url: slow.url, retryPolicy: [1.5] });
      const id = await postMessage(server, app, 'outlived');
      await slow.until((all) => all.length === 1);
      await server.call('POST', `${app}/msg/${id}/endpoint/${endpoint.id}/resend`);
      await slow.until((all) => all.length === 3);
      await standingOf(server, app, id, endpoint.id, (standing) => standing.status === 2);
      finish();
      await attemptsOf(server, app, id, (all) => all.length === 3);
      expect((await server.call('GET', `${app}/dead-letter`)).body.data).toMatchObject([
        { msgId: id, state: 'replayed' },
      ]);
      expect(await standingOf(server, app, id, endpoint.id, () => true)).toMatchObject({
        status: 0,
        nextAttempt: null,
      });
      expect((await server.call('GET', `${app}/endpoint/${endpoint.id}/msg`)).body.data).toMatchObject([
        { id, status: 0 },
      ]);
      expect((await server.call('GET', `${app}/endpoint/${endpoint.id}/stats`)).body).toMatchObject({
        success: 1,
        fail: 0,
      });
    } finally {
      await slow.close();
    }
  });

  it('is made or refused: a crowd of them is told when to come again', async () => {
    const held: (() => void)[] = [];
    const slow = await startReceiver((_, response, count) => {
      if (count === 1) response.writeHead(200).end();
      else held.push(() => void response.writeHead(200).end());
    });
    try {
      const app = await createApplication(server, 'crowd');
      const endpoint = await createEndpoint(server, app, { url: slow.url });
      const id = await postMessage(server, app, 'crowd');
      await attemptsOf(server, app, id, (all) => all.length === 1);
      const path = `${app}/msg/${id}/endpoint/${endpoint.id}/resend`;
      const answers = await Promise.all(Array.from({ length: 100 }, () => server.call('POST', path)));
      const made = answers.filter(({ status }) => status === 202).length;
      for (const refused of answers.filter(({ status }) => status !== 202)) {
        expect(refused).toMatchObject({ status: 503, body: { code: 'overloaded' } });
        expect(refused.headers.get('retry-after')).toBe('1');
      }
      await slow.until((all) => all.length >= made + 1);
      for (const finish of held) finish();
      await eventually(
        () => server.sql('select count(*)::int as n from attempt where msg_id = $1', [id]),
        ([row]) => row.n === made + 1,
      );
      expect(slow.arrivals).toHaveLength(made + 1);
    } finally {
      await slow.close();
    }
  });

  it('is refused without a payload, and does nothing at a disabled endpoint', async () => {
    const { app, endpoint, id } = await setUp('refused', [200]);
    await attemptsOf(server, app, id, (all) => all.length === 1);
    await server.call('PATCH', `${app}/endpoint/${endpoint.id}`, { disabled: true });
    const path = `${app}/msg/${id}/endpoint/${endpoint.id}/resend`;
    expect(await server.call('POST', path)).toMatchObject({ status: 202, body: {} });
    expect((await server.call('DELETE', `${app}/msg/${id}/content`)).status).toBe(204);
    expect(await server.call('POST', path)).toMatchObject({ status: 400, body: { code: 'missing_payload' } });
    expect((await server.call('POST', `${app}/msg/nothing/endpoint/${endpoint.id}/resend`)).status).toBe(404);
    expect(receiver.arrivals.filter((one) => one.headers['webhook-id'] === id)).toHaveLength(1);
  });
});
