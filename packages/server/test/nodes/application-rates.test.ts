// The rate of an application over all its endpoints, measured where requests arrive, at one node and at three.
import { afterEach, expect, it } from 'vitest';
import { createTestDatabase } from '../postgres.ts';
import {
  createApplication,
  createEndpoint,
  eventually,
  startReceiver,
  startTestServer,
  type TestServer,
} from '../journey/harness.ts';

const ends: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

const LIMIT = 15;
const ENDPOINTS = 24;
const EACH = 5;

const place = async (nodes: number) => {
  const database = await createTestDatabase();
  ends.push(database.drop);
  const servers: TestServer[] = [];
  for (let n = 0; n < nodes; n++) {
    const server = await startTestServer({}, {}, { databaseUrl: database.url, alone: false });
    ends.push(server.stop);
    servers.push(server);
  }
  const [first] = servers;
  await eventually(
    async () => (await first!.sql('select distinct node from partition where node is not null')).length,
    (owners) => owners === nodes,
    60_000,
  );
  const receivers = [await startReceiver(), await startReceiver()];
  for (const receiver of receivers) ends.push(receiver.close);
  const app = await createApplication(first!, 'limited');
  const changed = await first!.call('PATCH', app, { throttleRate: LIMIT });
  expect(changed.body).toMatchObject({ throttleRate: LIMIT, rateLimit: LIMIT });
  for (let n = 0; n < ENDPOINTS; n++) await createEndpoint(first!, app, { url: receivers[n % 2]!.url });
  const arrivals = () =>
    receivers
      .flatMap((receiver) => receiver.arrivals)
      .map(({ atMs }) => atMs)
      .sort((a, b) => a - b);
  return { servers, app, arrivals };
};

const expectKept = (arrivals: readonly number[], limit: number): void => {
  for (let i = limit; i < arrivals.length; i++)
    expect(arrivals[i]! - arrivals[i - limit]!).toBeGreaterThanOrEqual(1_000);
};

it.each([1, 3])('of %i nodes is kept in every second, and is used', { timeout: 120_000 }, async (nodes) => {
  const { servers, app, arrivals } = await place(nodes);
  for (let n = 0; n < EACH; n++) {
    const server = servers[n % servers.length]!;
    expect((await server.call('POST', `${app}/msg`, { eventType: 'a', payload: { n } })).status).toBe(202);
  }
  await eventually(
    async () => arrivals().length,
    (count) => count === ENDPOINTS * EACH,
    90_000,
  );
  expectKept(arrivals(), LIMIT);
});

it('is kept while a node leaves and another one comes', { timeout: 120_000 }, async () => {
  const { servers, app, arrivals } = await place(2);
  for (let n = 0; n < EACH; n++)
    await servers[n % 2]!.call('POST', `${app}/msg`, { eventType: 'a', payload: { n } });
  await eventually(
    async () => arrivals().length,
    (count) => count > 2 * LIMIT,
    30_000,
  );
  await servers[1]!.halt(5_000);
  const third = await startTestServer({}, {}, { databaseUrl: servers[0]!.databaseUrl, alone: false });
  ends.push(third.stop);
  await eventually(
    async () => arrivals().length,
    (count) => count >= ENDPOINTS * EACH,
    90_000,
  );
  expectKept(arrivals(), LIMIT);
});

it('that is changed is in force when the change is answered', { timeout: 60_000 }, async () => {
  const { servers, app, arrivals } = await place(1);
  const [server] = servers;
  const post = () => server!.call('POST', `${app}/msg`, { eventType: 'a', payload: {} });
  await post();
  await eventually(
    async () => arrivals().length,
    (count) => count === ENDPOINTS,
    30_000,
  );
  await server!.call('PATCH', app, { throttleRate: 3 });
  const before = arrivals().length;
  await post();
  await eventually(
    async () => arrivals().length,
    (count) => count >= before + 9,
    30_000,
  );
  expectKept(arrivals().slice(before), 3);
  await server!.call('PATCH', app, { throttleRate: null });
  await eventually(
    async () => arrivals().length,
    (count) => count === 2 * ENDPOINTS,
    5_000,
  );
});
