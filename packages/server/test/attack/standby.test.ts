import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  createApplication,
  createEndpoint,
  startReceiver,
  startTestServer,
  type Receiver,
  type TestServer,
} from '../journey/harness.ts';

let standby: TestServer;
let owner: TestServer;
let receiver: Receiver;

const partitionsOf = async (server: TestServer): Promise<number> =>
  Number(
    (await (await fetch(`${server.url}/metrics`)).text()).match(/^posthorn_partitions_owned (\d+)$/m)![1]!,
  );

beforeAll(async () => {
  standby = await startTestServer({ POSTHORN_ROLE: 'api' });
  owner = await startTestServer({}, {}, { databaseUrl: standby.databaseUrl });
  receiver = await startReceiver();
});
afterAll(async () => {
  await receiver.close();
  await owner.stop();
  await standby.stop();
});

describe('a node that owns nothing because it only accepts', () => {
  it('is ready: it accepts, and the owner delivers', async () => {
    expect([await partitionsOf(standby), await partitionsOf(owner)]).toEqual([0, 256]);
    expect((await fetch(`${standby.url}/readyz`)).status).toBe(200);
    const app = await createApplication(standby, 'standby');
    await createEndpoint(standby, app, { url: receiver.url });
    const posted = await standby.call('POST', `${app}/msg`, { eventType: 'a.b', payload: {} });
    expect(posted.status).toBe(202);
    await receiver.until((all) => all.some((one) => one.headers['webhook-id'] === posted.body.id));
  });
});
