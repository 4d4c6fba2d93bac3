import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import {
  createApplication,
  createEndpoint,
  eventually,
  startReceiver,
  startTestServer,
  type Arrival,
  type TestServer,
} from './harness.ts';

/** As long as it takes to see a rate. */
const STRETCH_MS = 10_000;

let server: TestServer;

beforeAll(async () => {
  server = await startTestServer({});
});
afterAll(() => server.stop());

const postMany = async (app: string, count: number): Promise<void> => {
  for (let n = 0; n < count; n += 500) {
    const messages = Array.from({ length: Math.min(500, count - n) }, () => ({
      eventType: 'a.b',
      payload: {},
    }));
    const { status, body } = await server.call('POST', `${app}/msg/batch`, { messages });
    if (status !== 202) throw new Error(`batch: ${status} ${JSON.stringify(body)}`);
  }
};

describe('an endpoint', () => {
  it(
    'that takes 100 a second and answers 429 beyond gets 90 to 105 a second, measured where they arrive',
    { timeout: 120_000 },
    async () => {
      let fromMs = -Infinity;
      let taken = 0;
      const receiver = await startReceiver(({ atMs }, response) => {
        if (atMs - fromMs >= 1_000) [fromMs, taken] = [atMs, 0];
        response.writeHead(++taken > 100 ? 429 : 200).end();
      });
      onTestFinished(receiver.close);
      const app = await createApplication(server, 'pace');
      await createEndpoint(server, app, { url: receiver.url });
      await postMany(app, 7_000);
      const startMs = performance.now();
      const rateOf = (all: readonly Arrival[], fromMs: number): number =>
        all.filter(({ atMs }) => atMs >= fromMs && atMs < fromMs + STRETCH_MS).length / (STRETCH_MS / 1_000);
      // A machine that stands still for seconds has no rate: any stretch that ends in time will do.
      const isFound = (all: readonly Arrival[]): boolean => {
        const rate = rateOf(all, (all.at(-1)?.atMs ?? 0) - STRETCH_MS);
        const isLate = performance.now() - startMs > 60_000;
        return isLate || (performance.now() - startMs > STRETCH_MS && rate >= 90 && rate <= 105);
      };
      const arrivals = await receiver.until(isFound);
      const rate = rateOf(arrivals, arrivals.at(-1)!.atMs - STRETCH_MS);
      expect(rate).toBeGreaterThanOrEqual(90);
      expect(rate).toBeLessThanOrEqual(105);
    },
  );

  it(
    'that only fails is blocked, says so, and gets what waited once it is back',
    { timeout: 150_000 },
    async () => {
      let isDown = true;
      const receiver = await startReceiver(
        (_, response) => void response.writeHead(isDown ? 500 : 200).end(),
      );
      onTestFinished(receiver.close);
      const app = await createApplication(server, 'breaks');
      const { id } = await createEndpoint(server, app, { url: receiver.url });
      await postMany(app, 60);
      const delivering = async () => (await server.call('GET', `${app}/endpoint/${id}`)).body['delivering'];
      const blocked = await eventually(delivering, (shown) => shown?.state === 'blocked', 40_000);
      expect(blocked).toEqual({
        state: 'blocked',
        reason: 'failing',
        until: expect.any(String),
        failingSince: expect.any(String),
      });
      expect(receiver.arrivals.length).toBeLessThan(40);
      isDown = false;
      const ids = await receiver.until(
        (all) => new Set(all.map(({ headers }) => headers['webhook-id'])).size === 60,
      );
      expect(ids.length).toBeLessThan(110);
      await eventually(delivering, (shown) => shown?.state === 'active', 40_000);
    },
  );
});
