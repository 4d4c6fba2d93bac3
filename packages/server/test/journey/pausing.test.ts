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
  tokenFor,
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

describe('an endpoint', () => {
  it('that is paused gets nothing, says so, and gets everything once it is resumed', async () => {
    const app = await createApplication(server, 'pausing');
    const { id } = await createEndpoint(server, app, { url: receiver.url, uid: 'main' });
    await postMessage(server, app, 'before');
    await receiver.until((all) => all.length === 1);

    const paused = await server.call('POST', `${app}/endpoint/main/pause`, { reason: 'their deployment' });
    expect(paused.status).toBe(200);
    const delivering = { state: 'paused', reason: 'their deployment', since: expect.any(String) };
    expect(paused.body).toMatchObject({ id, disabled: false });
    expect(paused.body['delivering']).toEqual(delivering);
    expect((await server.call('GET', `${app}/endpoint/${id}`)).body['delivering']).toEqual(delivering);
    const listed = (await server.call('GET', `${app}/endpoint`)).body['data'];
    expect(listed[0].delivering).toEqual(delivering);

    const ids: string[] = [];
    for (let n = 0; n < 5; n++) ids.push(await postMessage(server, app, 'during', { n }));
    for (const message of ids) await standingOf(server, app, message, id, (one) => one?.status === 1);
    // Another endpoint of the same owner has been served meanwhile: this one could have been.
    const other = await startReceiver();
    const elsewhere = await createApplication(server, 'not-paused');
    await createEndpoint(server, elsewhere, { url: other.url });
    await postMessage(server, elsewhere, 'witness');
    await other.until((all) => all.length === 1);
    await other.close();
    expect(receiver.arrivals).toHaveLength(1);

    const resumed = await server.call('POST', `${app}/endpoint/main/resume`);
    expect(resumed.status).toBe(200);
    expect(resumed.body['delivering']).toEqual({ state: 'active' });
    const arrivals = await receiver.until((all) => all.length === 6);
    expect(new Set(arrivals.slice(1).map(({ headers }) => headers['webhook-id']))).toEqual(new Set(ids));
    for (const message of ids) {
      expect(await attemptsOf(server, app, message, (attempts) => attempts.length > 0)).toHaveLength(1);
    }
    // Again: nothing to end is no mistake.
    expect((await server.call('POST', `${app}/endpoint/main/resume`)).status).toBe(200);
  });

  it('that is paused until some moment goes on by itself', async () => {
    const app = await createApplication(server, 'until');
    const target = await startReceiver();
    const { id } = await createEndpoint(server, app, { url: target.url });
    const until = new Date(Date.now() + 2_000);
    const path = `${app}/endpoint/${id}/pause`;
    const { body } = await server.call('POST', path, { until: until.toISOString() });
    expect(body['delivering']).toMatchObject({ state: 'paused', until: until.toISOString() });
    await postMessage(server, app, 'waits');
    await target.until((all) => all.length === 1);
    // The server goes by the database's clock, which it knows to within a round trip.
    expect(Date.now()).toBeGreaterThanOrEqual(until.getTime() - 50);
    await eventually(
      async () => (await server.call('GET', `${app}/endpoint/${id}`)).body['delivering'],
      (delivering) => delivering.state === 'active',
    );
    await target.close();
  });

  it('cannot be paused with nonsense, nor by somebody else', async () => {
    const app = await createApplication(server, 'nonsense');
    const { id } = await createEndpoint(server, app, { url: receiver.url });
    const path = `${app}/endpoint/${id}/pause`;
    for (const until of ['2001-01-01T00:00:00Z', '9999-12-31T00:00:00Z', 'tomorrow', 7, {}]) {
      const { status, body } = await server.call('POST', path, { until });
      expect([until, status]).toEqual([until, 422]);
      expect(JSON.stringify(body)).toContain('until');
    }
    expect((await server.call('POST', path, { reason: 'x'.repeat(257) })).status).toBe(422);
    expect((await server.call('POST', path, { reason: '' })).status).toBe(422);
    expect((await server.call('POST', path, '[')).status).toBe(422);
    expect((await server.call('POST', `${app}/endpoint/nobody/pause`)).status).toBe(404);
    expect((await server.call('POST', `${app}/endpoint/nobody/resume`)).status).toBe(404);
    const stranger = { authorization: `Bearer ${await tokenFor('org_23rb8YdGqMT0qIzpgGwdXfHirMv')}` };
    expect((await server.call('POST', path, {}, stranger)).status).toBe(404);
    expect((await server.call('GET', `${app}/endpoint/${id}`)).body['delivering']).toEqual({
      state: 'active',
    });
  });
});
