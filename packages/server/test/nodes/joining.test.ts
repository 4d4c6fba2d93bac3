import { afterEach, describe, expect, it } from 'vitest';
import { createTestDatabase } from '../postgres.ts';
import {
  asOperator,
  createApplication,
  createEndpoint,
  eventually,
  startReceiver,
  startTestServer,
  type Json,
  type TestServer,
} from '../journey/harness.ts';

const ends: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

const database = async (): Promise<string> => {
  const made = await createTestDatabase();
  ends.push(made.drop);
  return made.url;
};

const node = async (databaseUrl: string, env: Record<string, string> = {}): Promise<TestServer> => {
  const server = await startTestServer(
    { POSTHORN_LEASE: '3', POSTHORN_STATEMENT_TIMEOUT: '1.5', ...env },
    {},
    {
      databaseUrl,
      alone: false,
    },
  );
  ends.push(server.stop);
  return server;
};

const heldBy = async (server: TestServer): Promise<number[]> =>
  (
    await server.sql(`select count(p.id)::int4 as held from node n left join partition p on p.node = n.id
      where n.until > now() group by n.id order by n.joined_at`)
  ).map(({ held }) => Number(held));

describe('a node that joins', () => {
  it('gets its share of the partitions, and gives it back at once when it leaves', async () => {
    const url = await database();
    const first = await node(url);
    expect(await heldBy(first)).toEqual([256]);
    const second = await node(url);
    await eventually(
      () => heldBy(first),
      (held) => held.join() === '128,128',
      30_000,
    );
    const leftMs = performance.now();
    await second.halt(1000);
    await eventually(
      () => heldBy(first),
      (held) => held.join() === '256',
      5_000,
    );
    expect(performance.now() - leftMs).toBeLessThan(1_500);
  });

  it('accepts for endpoints that the other one delivers to, in both directions', async () => {
    const url = await database();
    const nodes = [await node(url), await node(url)];
    await eventually(
      () => heldBy(nodes[0]!),
      (held) => held.join() === '128,128',
      30_000,
    );
    const receiver = await startReceiver();
    ends.push(receiver.close);
    const app = await createApplication(nodes[0]!, 'spread');
    for (let i = 0; i < 8; i++) await createEndpoint(nodes[i % 2]!, app, { url: receiver.url });
    const posted: string[] = [];
    for (let i = 0; i < 20; i++) {
      const { status, body } = await nodes[i % 2]!.call('POST', `${app}/msg`, {
        eventType: 'a.b',
        payload: { i },
      });
      expect(status).toBe(202);
      posted.push(body.id);
    }
    const arrivals = await receiver.until((all) => all.length >= 160);
    const perMessage = posted.map(
      (id) => arrivals.filter(({ headers }) => headers['webhook-id'] === id).length,
    );
    expect(perMessage).toEqual(posted.map(() => 8));
  });

  it('is refused when its name is taken, and takes over the name of one that has gone', async () => {
    const url = await database();
    const name = { POSTHORN_NODE_NAME: 'one' };
    const first = await node(url, name);
    await expect(node(url, name)).rejects.toThrow('is one, and another node of that name is running');
    await first.halt(100);
    await node(url, name);
  });

  it('is refused by a database with another number of partitions', async () => {
    const url = await database();
    const first = await node(url);
    await first.sql('delete from partition where id >= 128');
    await first.sql('update installation set partitions = 128');
    await expect(node(url)).rejects.toThrow('spreads its endpoints over 128 partitions');
  });
});

describe('roles', () => {
  it('an api node accepts, a worker delivers and serves no API', async () => {
    const url = await database();
    const accepting = await node(url, { POSTHORN_ROLE: 'api' });
    const worker = await node(url, { POSTHORN_ROLE: 'worker' });
    const receiver = await startReceiver();
    ends.push(receiver.close);
    const app = await createApplication(accepting, 'roles');
    await createEndpoint(accepting, app, { url: receiver.url });
    const posted = await accepting.call('POST', `${app}/msg`, { eventType: 'a.b', payload: {} });
    expect(posted.status).toBe(202);
    await receiver.until((all) => all.some(({ headers }) => headers['webhook-id'] === posted.body.id));
    const refused = await worker.call('GET', '/api/v1/app');
    expect([refused.status, refused.body.code]).toEqual([404, 'no_api_here']);
    expect((await fetch(`${worker.url}/readyz`)).status).toBe(200);
    const { body } = await accepting.call('GET', '/api/v1/admin/cluster', undefined, asOperator());
    expect(body.nodes.map(({ role, partitions }: Json) => [role, partitions])).toEqual([
      ['api', 0],
      ['worker', 256],
    ]);
  });
});
