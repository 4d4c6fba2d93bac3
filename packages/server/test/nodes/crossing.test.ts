// Work that one node accepts for another: told at once, found by looking when nobody can tell.
import { afterEach, describe, expect, it } from 'vitest';
import type { ServerOptions } from '../../src/server.ts';
import { createTestDatabase } from '../postgres.ts';
import {
  createApplication,
  createEndpoint,
  eventually,
  startReceiver,
  startTestServer,
  type TestServer,
} from '../journey/harness.ts';

type Decorate = NonNullable<ServerOptions['decorate']>;

const ends: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

/** An owner that never looks for what others accept: only what it is told gets out. */
const blind: Decorate = { dispatchStore: (store) => ({ ...store, dueLanes: async () => [] }) };

const start = async (
  databaseUrl: string,
  env: Record<string, string>,
  decorate: Decorate = {},
): Promise<TestServer> => {
  const server = await startTestServer(env, decorate, { databaseUrl, alone: false });
  ends.push(server.stop);
  return server;
};

const pair = async (advertise: Record<string, string>, decorate: Decorate = {}) => {
  const database = await createTestDatabase();
  ends.push(database.drop);
  const owner = await start(database.url, { POSTHORN_ROLE: 'worker', ...advertise }, decorate);
  const acceptor = await start(database.url, { POSTHORN_ROLE: 'api', ...advertise });
  const receiver = await startReceiver();
  ends.push(receiver.close);
  const app = await createApplication(acceptor, 'crossing');
  await createEndpoint(acceptor, app, { url: receiver.url });
  const post = async () => {
    const answer = await acceptor.call('POST', `${app}/msg`, { eventType: 'a', payload: {} });
    expect(answer.status).toBe(202);
  };
  const addresses = async (): Promise<(string | null)[]> =>
    (await acceptor.sql('select address from node order by joined_at')).map(
      ({ address }) => address as string | null,
    );
  return { owner, acceptor, receiver, post, addresses };
};

describe('a message that another node owns', () => {
  it('goes out because its owner is told', async () => {
    const { receiver, post, addresses } = await pair({ POSTHORN_ADVERTISE: '127.0.0.1' }, blind);
    await eventually(addresses, (all) => all.every((address) => address !== null));
    // Nobody is told before the acceptor has looked the owner up: then the next one wakes both.
    await eventually(
      async () => {
        await post();
        return receiver.arrivals.length;
      },
      (count) => count > 0,
    );
    const before = receiver.arrivals.length;
    for (let n = 0; n < 20; n++) await post();
    const arrivals = await receiver.until((all) => all.length >= before + 20);
    expect(new Set(arrivals.map(({ headers }) => headers['webhook-id'])).size).toBe(arrivals.length);
  });

  it('goes out when nobody can tell', async () => {
    const { receiver, post, addresses } = await pair({});
    await post();
    await receiver.until((all) => all.length === 1);
    expect(await addresses()).toEqual([null, null]);
  });

  it('is told of by nobody who has not the secret', async () => {
    const { addresses } = await pair({ POSTHORN_ADVERTISE: '127.0.0.1' });
    const [address] = await eventually(addresses, (all) => all.every((one) => one !== null));
    const answer = await fetch(`http://${String(address)}/`, {
      method: 'POST',
      headers: { authorization: `Posthorn ${'0'.repeat(64)}` },
      body: 'ep_1',
    });
    expect(answer.status).toBe(401);
    expect(await answer.text()).toContain('POSTHORN_MAIN_SECRET');
    const large = await fetch(`http://${String(address)}/`, {
      method: 'POST',
      body: 'x'.repeat(2_000_000),
    }).then(
      ({ status }) => status,
      () => 'cut',
    );
    expect([413, 'cut']).toContain(large);
  });
});

it.each([
  ['203.0.113.7', 'no address of this machine'],
  ['127.0.0.1:1x', 'no address of this machine'],
  ['127.0.0.1:99999', 'ports end at 65535'],
])('an address that is not this machine’s is refused with the reason (%s)', async (address, reason) => {
  const database = await createTestDatabase();
  ends.push(database.drop);
  await expect(start(database.url, { POSTHORN_ADVERTISE: address })).rejects.toThrow(reason);
});
