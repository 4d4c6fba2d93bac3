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
  type Shown,
} from './harness.ts';

let server: TestServer;
let receiver: Receiver;
let status = 200;

beforeAll(async () => {
  server = await startTestServer({
    POSTHORN_RETRY_SCHEDULE: '0.1, 0.1, 0.1, 0.1, 3600',
    POSTHORN_DISABLE_AFTER: '0.3',
  });
  receiver = await startReceiver((_, response) => void response.writeHead(status).end());
});
afterAll(async () => {
  await receiver.close();
  await server.stop();
});

const readEndpoint = async (app: string, id: string): Promise<Shown> =>
  (await server.call('GET', `${app}/endpoint/${id}`)).body;

describe('an endpoint', () => {
  it('that only fails for too long is disabled, keeps its work, and works again once it is enabled', async () => {
    status = 500;
    const app = await createApplication(server, 'failing');
    const endpoint = await createEndpoint(server, app, { url: receiver.url });
    const id = await postMessage(server, app, 'failing');
    const disabled = await eventually(
      () => readEndpoint(app, endpoint.id),
      (read) => read.disabled,
    );
    expect(disabled.disabledReason).toBe('failing');
    expect(await standingOf(server, app, id, endpoint.id, (standing) => standing.status === 1)).toMatchObject(
      { status: 1 },
    );
    // No new deliveries while it is disabled.
    const unseen = await postMessage(server, app, 'unseen');
    expect((await server.call('GET', `${app}/msg/${unseen}/endpoint`)).body.data).toEqual([]);

    status = 200;
    const enabled = await server.call('PATCH', `${app}/endpoint/${endpoint.id}`, { disabled: false });
    expect(enabled.body).toMatchObject({ disabled: false });
    expect(enabled.body.disabledReason).toBeUndefined();
    const after = await postMessage(server, app, 'after');
    await standingOf(server, app, after, endpoint.id, (standing) => standing?.status === 0);
    // One failure later it is not disabled again: the outage is over.
    status = 500;
    const again = await postMessage(server, app, 'again');
    await attemptsOf(server, app, again, (all) => all.length === 1);
    status = 200;
    await standingOf(server, app, again, endpoint.id, (standing) => standing.status === 0);
    expect(await readEndpoint(app, endpoint.id)).toMatchObject({ disabled: false });
  });

  it('that is disabled by hand gets nothing new, and what waits for it goes on once it is enabled', async () => {
    status = 500;
    const app = await createApplication(server, 'by-hand');
    const endpoint = await createEndpoint(server, app, { url: receiver.url, retryPolicy: [1.5] });
    const id = await postMessage(server, app, 'waits');
    await attemptsOf(server, app, id, (all) => all.length === 1);
    await server.call('PATCH', `${app}/endpoint/${endpoint.id}`, { disabled: true });
    status = 200;
    const unseen = await postMessage(server, app, 'unseen');
    // Its retry becomes due while the endpoint is disabled.
    await eventually(
      () => server.sql('select due_at < now() as is_due, state from live where msg_id = $1', [id]),
      ([row]) => row.is_due && row.state === 'waiting',
    );
    expect(receiver.arrivals.filter((one) => one.headers['webhook-id'] === id)).toHaveLength(1);
    await server.call('PATCH', `${app}/endpoint/${endpoint.id}`, { disabled: false });
    await standingOf(server, app, id, endpoint.id, (standing) => standing.status === 0);
    expect((await server.call('GET', `${app}/msg/${unseen}/endpoint`)).body.data).toEqual([]);
    expect(receiver.arrivals.some((one) => one.headers['webhook-id'] === unseen)).toBe(false);
  });

  it('that is deleted ends what was open for it, and no request follows', async () => {
    status = 500;
    const app = await createApplication(server, 'deleted');
    const endpoint = await createEndpoint(server, app, { url: receiver.url, retryPolicy: [3600] });
    const ids = [await postMessage(server, app, 'one'), await postMessage(server, app, 'two')];
    for (const id of ids) await attemptsOf(server, app, id, (all) => all.length === 1);
    expect((await server.call('DELETE', `${app}/endpoint/${endpoint.id}`)).status).toBe(204);
    status = 200;
    const letters = await eventually(
      async () => (await server.call('GET', `${app}/dead-letter`)).body.data,
      (all) => all.length === 2,
    );
    expect(letters).toMatchObject([
      { reason: 'endpoint_deleted', state: 'open', endpointId: endpoint.id },
      { reason: 'endpoint_deleted', state: 'open', endpointId: endpoint.id },
    ]);
    expect(await server.sql('select * from live where endpoint_id = $1', [endpoint.id])).toEqual([]);
    const after = await postMessage(server, app, 'after');
    expect((await server.call('GET', `${app}/msg/${after}/endpoint`)).body.data).toEqual([]);
    expect((await server.call('POST', `${app}/msg/${ids[0]!}/endpoint/${endpoint.id}/resend`)).status).toBe(
      404,
    );
    expect(receiver.arrivals.filter((one) => ids.includes(String(one.headers['webhook-id'])))).toHaveLength(
      2,
    );
  });

  it('gets every message that is posted after its 201, whatever else is posted meanwhile', async () => {
    status = 200;
    const app = await createApplication(server, 'fresh');
    const ROUNDS = 50;
    let isDone = false;
    // Others post all the time, so that somebody always knows the application as it was before.
    const others = Array.from({ length: 4 }, async () => {
      while (!isDone) await postMessage(server, app, 'noise');
    });
    const expected: [endpointId: string, messageId: string][] = [];
    try {
      for (let round = 0; round < ROUNDS; round++) {
        const endpoint = await createEndpoint(server, app, { url: receiver.url });
        const id = await postMessage(server, app, 'after-201');
        expected.push([endpoint.id, id]);
        await server.call('DELETE', `${app}/endpoint/${endpoint.id}`);
      }
    } finally {
      isDone = true;
      await Promise.all(others);
    }
    for (const [endpointId, id] of expected) {
      const { body } = await server.call('GET', `${app}/msg/${id}/endpoint`);
      expect(body.data.map((one: Shown) => one.id)).toContain(endpointId);
    }
  }, 60_000);

  it('uses a new address, new headers and a new secret with the first message after their answer', async () => {
    const app = await createApplication(server, 'changing');
    const endpoint = await createEndpoint(server, app, { url: receiver.url });
    const at = `${app}/endpoint/${endpoint.id}`;
    const arrivalOf = async (id: string) =>
      (await receiver.until((all) => all.some((one) => one.headers['webhook-id'] === id))).find(
        (one) => one.headers['webhook-id'] === id,
      )!;
    for (let round = 0; round < 10; round++) {
      await server.call('PATCH', at, { url: `${receiver.url}/${round}` });
      await server.call('PUT', `${at}/headers`, { headers: { 'X-Round': String(round) } });
      const arrival = await arrivalOf(await postMessage(server, app, 'changed'));
      expect([arrival.path, arrival.headers['x-round']]).toEqual([`/hook/${round}`, String(round)]);
    }
  });
});
