import { Writable } from 'node:stream';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  attemptsOf,
  createApplication,
  createEndpoint,
  eventually,
  postMessage,
  startReceiver,
  startTestServer,
  type Json,
  type Receiver,
  type TestServer,
} from './harness.ts';

let server: TestServer;
let receiver: Receiver;
const lines: string[] = [];

beforeAll(async () => {
  const stream = new Writable({
    write: (chunk, _, done) => {
      lines.push(...String(chunk).trimEnd().split('\n'));
      done();
    },
  });
  const log = pino({ level: 'info', base: null, timestamp: pino.stdTimeFunctions.isoTime }, stream);
  server = await startTestServer({ POSTHORN_RETRY_SCHEDULE: '0.01' }, {}, { log });
  receiver = await startReceiver(
    (arrival, response) =>
      void response.writeHead(arrival.body.includes('"fail"') ? 500 : 200).end('confidential answer'),
  );
});
afterAll(async () => {
  await receiver.close();
  await server.stop();
});

/** The metrics by name and labels, as Prometheus reads them. */
const metrics = async (): Promise<Map<string, number>> => {
  const response = await fetch(`${server.url}/metrics`);
  expect(response.headers.get('content-type')).toMatch(/^text\/plain/);
  return new Map(
    (await response.text())
      .split('\n')
      .filter((line) => line !== '' && !line.startsWith('#'))
      .map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.slice(line.lastIndexOf(' ') + 1))]),
  );
};

describe('who runs the server', () => {
  it('is told that the disk fills up before it is full', async () => {
    // An empty database is larger than that.
    const small = await startTestServer({ POSTHORN_DATABASE_DISK: '1MB' });
    const ready = await eventually(
      () => fetch(`${small.url}/readyz`).then((response) => response.json() as Promise<Json>),
      ({ warnings }) => warnings !== undefined,
    );
    expect(ready).toEqual({
      status: 'ready',
      warnings: [expect.stringMatching(/^the disk of the database is \d+ % full; .* make room now$/)],
    });
    const metrics = await (await fetch(`${small.url}/metrics`)).text();
    expect(Number(/^posthorn_database_disk_used_ratio{[^}]*} (.*)$/m.exec(metrics)?.[1])).toBeGreaterThan(1);
    await small.stop();
    // Where nobody said which disk it is, there is no figure, and no warning.
    expect(await (await fetch(`${server.url}/readyz`)).json()).toEqual({ status: 'ready' });
    expect(await (await fetch(`${server.url}/metrics`)).text()).not.toMatch(/^posthorn_database_disk/m);
  });

  it('sees what it does in the metrics', async () => {
    const app = await createApplication(server, 'metrics');
    await createEndpoint(server, app, { url: receiver.url });
    const before = await metrics();
    const good = await postMessage(server, app, 'good');
    const bad = await postMessage(server, app, 'bad', { answer: 'fail' });
    await server.call('POST', '/api/v1/app/nobody/msg', { eventType: 'a', payload: {} });
    await attemptsOf(server, app, good, (all) => all.length === 1);
    await attemptsOf(server, app, bad, (all) => all.length === 2);
    const after = await metrics();
    const moved = (name: string): number => (after.get(name) ?? 0) - (before.get(name) ?? 0);
    expect({
      accepted: moved('posthorn_messages_total{result="accepted"}'),
      nowhere: moved('posthorn_messages_total{result="no_application"}'),
      succeeded: moved('posthorn_delivery_attempts_total{outcome="succeeded"}'),
      failed: moved('posthorn_delivery_attempts_total{outcome="http_5xx"}'),
      dead: moved('posthorn_dead_letters_total{reason="exhausted"}'),
      timed: moved('posthorn_delivery_attempt_duration_seconds_count'),
      lag: moved('posthorn_delivery_lag_seconds_count'),
    }).toEqual({ accepted: 2, nowhere: 1, succeeded: 1, failed: 2, dead: 1, timed: 3, lag: 1 });
    expect(moved('posthorn_db_statements_total')).toBeGreaterThan(0);
    expect(after.get('posthorn_attempts_in_flight')).toBe(0);
    expect(after.get('posthorn_partitions_owned')).toBe(256);
    expect(after.get('posthorn_build_info{version="0.0.0-test"}')).toBe(1);
    // Nobody's ids, names or addresses.
    expect([...after.keys()].join('\n')).not.toMatch(/app_|ep_|msg_|org_|127\.0\.0\.1/);
  });

  it('reads one line for each attempt, without payloads, answers and secrets', async () => {
    const app = await createApplication(server, 'logs');
    const endpoint = await createEndpoint(server, app, {
      url: `${receiver.url}?token=in-the-url`,
      headers: { Authorization: 'Bearer in-a-header' },
    });
    const { key } = (await server.call('GET', `${app}/endpoint/${endpoint.id}/secret`)).body;
    const id = await postMessage(server, app, 'logged', { answer: 'fail', personal: 'in-the-payload' });
    await attemptsOf(server, app, id, (all) => all.length === 2);
    const logged = await eventually(
      async () =>
        lines.map((line) => JSON.parse(line)).filter((line) => line.message === id && line.msg === 'attempt'),
      (all) => all.length >= 2,
    );
    expect(logged).toMatchObject([
      {
        level: 30,
        endpoint: endpoint.id,
        outcome: 'http_500',
        verdict: 'retry',
        trigger: 'scheduled',
        ms: expect.any(Number),
        next: expect.any(String),
        attempt: expect.stringMatching(/^atmpt_/),
      },
      {
        level: 30,
        endpoint: endpoint.id,
        outcome: 'http_500',
        verdict: 'dead',
        trigger: 'scheduled',
        ms: expect.any(Number),
      },
    ]);
    expect(logged).toHaveLength(2);
    expect(lines.join('\n')).not.toMatch(/in-the-url|in-a-header|in-the-payload|confidential/);
    expect(lines.join('\n')).not.toContain(key.replace('whsec_', ''));
    expect(lines.join('\n')).not.toContain(server.token);
  });

  it('and who asks finds it alive, ready and healthy', async () => {
    expect(await (await fetch(`${server.url}/livez`)).json()).toEqual({ status: 'alive' });
    const ready = await fetch(`${server.url}/readyz`);
    expect([ready.status, await ready.json()]).toEqual([200, { status: 'ready' }]);
    expect((await fetch(`${server.url}/readyz`, { method: 'HEAD' })).status).toBe(200);
    expect((await fetch(`${server.url}/api/v1/health`)).status).toBeLessThan(300);
  });
});
