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
  type Arrival,
  type Receiver,
  type TestServer,
} from './harness.ts';

/** What the server's clock may be set by, towards the database's, while a delivery waits. */
const CLOCK_MS = 100;

type Answer = (arrival: Arrival, response: ServerResponse, count: number) => void;
const open: Receiver[] = [];
const receiverThat = async (answer: Answer): Promise<Receiver> => {
  const receiver = await startReceiver(answer);
  open.push(receiver);
  return receiver;
};
const statuses =
  (...list: number[]): Answer =>
  (_, response, count) =>
    void response.writeHead(list[count - 1] ?? 200).end();

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer({ POSTHORN_RETRY_SCHEDULE: '0.01, 0.01' });
});
afterAll(async () => {
  await Promise.all(open.map((receiver) => receiver.close()));
  await server.stop();
});

const gap = (receiver: Receiver, index: number): number =>
  receiver.arrivals[index + 1]!.atMs - receiver.arrivals[index]!.atMs;

describe('a receiver that says Retry-After', () => {
  it.each([
    ['seconds', () => '1', 1000],
    // A date has whole seconds: two ahead is more than one second away.
    ['a date', () => new Date(Date.now() + 2000).toUTCString(), 1000],
  ])('in %s is left alone for so long, with everything else for it', async (name, value, leastMs) => {
    const receiver = await receiverThat((_, response, count) => {
      if (count === 1) response.writeHead(503, { 'retry-after': value() }).end();
      else response.writeHead(200).end();
    });
    const app = await createApplication(server, `retry-after-${name.replace(' ', '-')}`);
    const endpoint = await createEndpoint(server, app, { url: receiver.url });
    const id = await postMessage(server, app, 'wait');
    const [first] = await attemptsOf(server, app, id, (all) => all.length >= 1);
    expect(Date.parse(first.nextAttempt) - Date.parse(first.timestamp)).toBeGreaterThanOrEqual(
      leastMs - CLOCK_MS,
    );
    const other = await postMessage(server, app, 'wait');
    await receiver.until((all) => all.length === 3);
    expect(gap(receiver, 0)).toBeGreaterThanOrEqual(leastMs - CLOCK_MS);
    for (const message of [id, other])
      await standingOf(server, app, message, endpoint.id, (standing) => standing.status === 0);
  });

  it.each(['soon', '-1', '1.5', 'Wed, 99 Nov 2026 00:00:00 GMT'])(
    'as %s is not understood, and the schedule holds',
    async (value) => {
      const receiver = await receiverThat((_, response, count) => {
        if (count === 1) response.writeHead(500, { 'retry-after': value }).end();
        else response.writeHead(200).end();
      });
      const app = await createApplication(server, `garbage-${Buffer.from(value).toString('hex')}`);
      await createEndpoint(server, app, { url: receiver.url });
      const id = await postMessage(server, app, 'wait');
      const [first] = await attemptsOf(server, app, id, (all) => all.length === 2);
      expect(Date.parse(first.nextAttempt) - Date.parse(first.timestamp)).toBeLessThan(1000);
    },
  );

  it('over five minutes delays that delivery only', async () => {
    const receiver = await receiverThat((_, response, count) => {
      if (count === 1) response.writeHead(500, { 'retry-after': '1000' }).end();
      else response.writeHead(200).end();
    });
    const app = await createApplication(server, 'long');
    const endpoint = await createEndpoint(server, app, { url: receiver.url });
    const id = await postMessage(server, app, 'wait');
    const [first] = await attemptsOf(server, app, id, (all) => all.length === 1);
    expect(Date.parse(first.nextAttempt) - Date.parse(first.timestamp)).toBeGreaterThanOrEqual(
      1_000_000 - CLOCK_MS,
    );
    const other = await postMessage(server, app, 'now');
    await standingOf(server, app, other, endpoint.id, (standing) => standing.status === 0);
    expect(await standingOf(server, app, id, endpoint.id, () => true)).toMatchObject({
      status: 1,
      statusText: 'pending',
    });
  });
});

describe('a receiver that answers', () => {
  it('429 costs time, and no attempt of the schedule', async () => {
    // Three attempts by the schedule; with four times 429 between them it still comes to a success.
    const receiver = await receiverThat(statuses(429, 500, 429, 429, 500, 429, 200));
    const app = await createApplication(server, 'throttled');
    const endpoint = await createEndpoint(server, app, { url: receiver.url });
    const id = await postMessage(server, app, 'throttled');
    const attempts = await attemptsOf(server, app, id, (all) => all.length === 7);
    expect(attempts.map(({ responseStatusCode }) => responseStatusCode)).toEqual([
      429, 500, 429, 429, 500, 429, 200,
    ]);
    expect(await standingOf(server, app, id, endpoint.id, () => true)).toMatchObject({ status: 0 });
  });

  it('410 is left alone: what comes next waits, and nothing is lost', async () => {
    const receiver = await receiverThat(statuses(410));
    const app = await createApplication(server, 'gone');
    const endpoint = await createEndpoint(server, app, { url: receiver.url });
    const id = await postMessage(server, app, 'gone');
    await attemptsOf(server, app, id, (all) => all.length === 1);
    const next = await postMessage(server, app, 'gone');
    // The lane's stop is on record before anything else could start.
    await eventually(
      () =>
        server.sql(
          "select blocked_reason, blocked_until > now() + interval '4 minutes' as is_long from lane where endpoint_id = $1",
          [endpoint.id],
        ),
      ([lane]) => lane?.blocked_reason === 'gone' && lane.is_long,
    );
    expect(await server.sql('select distinct state from live where endpoint_id = $1', [endpoint.id])).toEqual(
      [{ state: 'waiting' }],
    );
    expect(await standingOf(server, app, next, endpoint.id, () => true)).toMatchObject({ status: 1 });
    expect(receiver.arrivals).toHaveLength(1);
    // A change of the address is a repair: it goes on at once.
    const elsewhere = await receiverThat(statuses());
    await server.call('PATCH', `${app}/endpoint/${endpoint.id}`, { url: elsewhere.url });
    for (const message of [id, next])
      await standingOf(server, app, message, endpoint.id, (standing) => standing.status === 0);
    expect(receiver.arrivals).toHaveLength(1);
  });

  it.each([301, 302, 303, 307, 308])('%d to elsewhere has failed: nobody goes there', async (status) => {
    const elsewhere = await receiverThat(statuses());
    const receiver = await receiverThat(
      (_, response) => void response.writeHead(status, { location: elsewhere.url }).end(),
    );
    const app = await createApplication(server, `redirect-${status}`);
    await createEndpoint(server, app, { url: receiver.url, retryPolicy: [] });
    const id = await postMessage(server, app, 'redirect');
    const [attempt] = await attemptsOf(server, app, id, (all) => all.length === 1);
    expect(attempt).toMatchObject({ status: 2, responseStatusCode: status, cause: `http_${status}` });
    expect(elsewhere.arrivals).toHaveLength(0);
  });

  it('202 and 204 has taken it', async () => {
    const receiver = await receiverThat(statuses(202, 204));
    const app = await createApplication(server, 'other-2xx');
    await createEndpoint(server, app, { url: receiver.url });
    for (const status of [202, 204]) {
      const id = await postMessage(server, app, 'taken');
      const [attempt] = await attemptsOf(server, app, id, (all) => all.length === 1);
      expect(attempt).toMatchObject({ status: 0, responseStatusCode: status });
    }
  });

  it('nothing at all within the time for an attempt has failed', async () => {
    const hasty = await startTestServer({ POSTHORN_RETRY_SCHEDULE: '', POSTHORN_ATTEMPT_TIMEOUT: '1' });
    try {
      const receiver = await receiverThat(() => {});
      const app = await createApplication(hasty, 'silent');
      await createEndpoint(hasty, app, { url: receiver.url });
      const id = await postMessage(hasty, app, 'silent');
      const [attempt] = await attemptsOf(hasty, app, id, (all) => all.length === 1);
      expect(attempt).toMatchObject({
        status: 2,
        responseStatusCode: 0,
        response: 'headers_timeout',
        cause: 'headers_timeout',
      });
      expect(attempt.responseDurationMs).toBeGreaterThanOrEqual(950);
    } finally {
      await hasty.stop();
    }
  });

  it('no connection has failed, with a cause', async () => {
    const receiver = await startReceiver();
    await receiver.close();
    const app = await createApplication(server, 'absent');
    await createEndpoint(server, app, { url: receiver.url, retryPolicy: [] });
    const id = await postMessage(server, app, 'absent');
    const [attempt] = await attemptsOf(server, app, id, (all) => all.length === 1);
    expect(attempt).toMatchObject({
      status: 2,
      responseStatusCode: 0,
      response: 'connection_refused',
      cause: 'connection_refused',
    });
    const { body } = await server.call('GET', `${app}/msg/${id}/attempt/${String(attempt.id)}`);
    expect(body.evidence.peer).toBeNull();
  });
});
