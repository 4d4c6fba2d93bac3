import { afterAll, beforeAll, expect, it } from 'vitest';
import {
  createApplication,
  createEndpoint,
  postMessage,
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

it('an endpoint with a throttleRate gets no more requests in any second, measured where they arrive', async () => {
  const app = await createApplication(server, 'rates');
  const endpoint = await createEndpoint(server, app, { url: receiver.url, throttleRate: 8 });
  expect(endpoint).toMatchObject({ throttleRate: 8, rateLimit: 8 });
  for (let n = 0; n < 25; n++) await postMessage(server, app, 'rate', { n });
  const arrivals = await receiver.until((all) => all.length === 25);
  for (let i = 8; i < arrivals.length; i++)
    expect(arrivals[i]!.atMs - arrivals[i - 8]!.atMs).toBeGreaterThanOrEqual(1_000);
});
