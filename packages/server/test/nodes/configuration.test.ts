// What one node has answered holds for what any other is asked next.
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../postgres.ts';
import type { DispatchStore } from '../../src/dispatch/port.ts';
import {
  asOperator,
  createApplication,
  createEndpoint,
  eventually,
  startReceiver,
  startTestServer,
  type Receiver,
  type TestServer,
} from '../journey/harness.ts';

const env = {
  POSTHORN_LEASE: '3',
  POSTHORN_STATEMENT_TIMEOUT: '1.5',
  POSTHORN_RETRY_SCHEDULE: '0.1,0.1,0.1,0.1,0.1,0.1,0.1,0.1,0.1,0.1,0.1,0.1,0.1,0.1,0.1,0.1,0.1,0.1,0.1,0.1',
};

let database: TestDatabase;
/** The owner of everything, and two that only accept. */
let owner: TestServer;
let nodes: readonly TestServer[];
let witnesses = 0;
/** Set by a test: what the owner's store does instead. */
let fault: Partial<DispatchStore> = {};
const receivers: Receiver[] = [];

const receiver = async (...answer: Parameters<typeof startReceiver>): Promise<Receiver> => {
  const made = await startReceiver(...answer);
  receivers.push(made);
  return made;
};

beforeAll(async () => {
  database = await createTestDatabase();
  const options = { databaseUrl: database.url, alone: false };
  const dispatchStore = (store: DispatchStore): DispatchStore =>
    new Proxy(store, { get: (real, name) => Reflect.get(fault, name) ?? Reflect.get(real, name) });
  owner = await startTestServer({ ...env, POSTHORN_ROLE: 'worker' }, { dispatchStore }, options);
  nodes = [
    await startTestServer({ ...env, POSTHORN_ROLE: 'api' }, {}, options),
    await startTestServer({ ...env, POSTHORN_ROLE: 'api' }, {}, options),
  ];
});
afterEach(async () => {
  fault = {};
  for (const made of receivers.splice(0)) await made.close();
});
afterAll(async () => {
  for (const node of [...nodes, owner]) await node.stop();
  await database.drop();
});

const post = async (node: TestServer, app: string): Promise<string> => {
  const { status, body } = await node.call('POST', `${app}/msg`, { eventType: 'a.b', payload: {} });
  expect(status).toBe(202);
  return body.id;
};

/** Resolves when an endpoint of another application has been tried six times: time enough to be retried. */
const retriesElsewhere = async (): Promise<void> => {
  const witness = await receiver(refuse);
  const app = await createApplication(nodes[0]!, `witness-${++witnesses}`);
  await createEndpoint(nodes[0]!, app, { url: witness.url });
  await post(nodes[0]!, app);
  await witness.until((all) => all.length >= 6);
};

const refuse: Parameters<typeof startReceiver>[0] = (_, response) => void response.writeHead(500).end();

describe('with several nodes', () => {
  it('a message reaches the endpoint whose creation was answered before, whoever answered', async () => {
    const target = await receiver();
    const app = await createApplication(nodes[0]!, 'loop');
    const expected = new Set<string>();
    for (let round = 0; round < 30; round++) {
      const [one, other] = round % 2 === 0 ? [nodes[0]!, nodes[1]!] : [nodes[1]!, nodes[0]!];
      await createEndpoint(one, app, { url: `${target.url}/${round}` });
      const id = await post(other, app);
      for (let path = 0; path <= round; path++) expected.add(`${id} /hook/${path}`);
    }
    await target.until((all) => all.length >= expected.size);
    const arrived = target.arrivals.map(({ headers, path }) => `${String(headers['webhook-id'])} ${path}`);
    expect(new Set(arrived)).toEqual(expected);
    expect(arrived).toHaveLength(expected.size);
  });

  it.each([
    { stops: 'disabled', starts: 'enabled' },
    { stops: 'paused', starts: 'resumed' },
  ])(
    'an endpoint that is $stops gets nothing after the answer, and goes on when it is $starts',
    async ({ stops }) => {
      const change = (node: TestServer, path: string, stop: boolean) =>
        stops === 'disabled'
          ? node.call('PATCH', path, { disabled: stop })
          : node.call('POST', `${path}/${stop ? 'pause' : 'resume'}`);
      let isDown = true;
      const target = await receiver((_, response) => void response.writeHead(isDown ? 500 : 200).end());
      const app = await createApplication(nodes[0]!, stops);
      const endpoint = await createEndpoint(nodes[0]!, app, { url: target.url });
      for (let round = 0; round < 3; round++) {
        await post(nodes[round % 2]!, app);
        const before = target.arrivals.length;
        await target.until((all) => all.length > before + 1);
        const path = `${app}/endpoint/${endpoint.id}`;
        expect((await change(nodes[(round + 1) % 2]!, path, true)).status).toBe(200);
        // In flight at the answer: nothing starts any more, what had started may still arrive.
        await eventually(
          async () =>
            (await owner.sql(`select from live where state = 'held' and endpoint_id = $1`, [endpoint.id]))
              .length,
          (held) => held === 0,
        );
        const settled = target.arrivals.length;
        await retriesElsewhere();
        expect(target.arrivals.length).toBe(settled);
        expect((await change(nodes[round % 2]!, path, false)).status).toBe(200);
        await target.until((all) => all.length > settled);
      }
      isDown = false;
      await eventually(
        async () => (await owner.sql('select from live where endpoint_id = $1', [endpoint.id])).length,
        (open) => open === 0,
      );
    },
  );

  it('another URL counts for every attempt that starts after the answer', async () => {
    const before = await receiver(refuse);
    const after = await receiver();
    const app = await createApplication(nodes[0]!, 'move');
    const endpoint = await createEndpoint(nodes[0]!, app, { url: before.url });
    const id = await post(nodes[0]!, app);
    await before.until((all) => all.length > 2);
    const moved = await nodes[1]!.call('PATCH', `${app}/endpoint/${endpoint.id}`, { url: after.url });
    expect(moved.status).toBe(200);
    await after.until((all) => all.some(({ headers }) => headers['webhook-id'] === id));
    const seen = before.arrivals.length;
    await post(nodes[0]!, app);
    await after.until((all) => all.length >= 2);
    expect(before.arrivals.length).toBe(seen);
  });

  it('an owner that cannot confirm delays the answer until its lease is over, and not for ever', async () => {
    const target = await receiver(refuse);
    const app = await createApplication(nodes[0]!, 'absent');
    const endpoint = await createEndpoint(nodes[0]!, app, { url: target.url });
    await post(nodes[0]!, app);
    await target.until((all) => all.length > 1);
    fault = {
      heartbeat: () => Promise.reject(new Error('cut off')),
      notices: () => Promise.reject(new Error('cut off')),
    };
    const beganMs = performance.now();
    const path = `${app}/endpoint/${endpoint.id}`;
    expect((await nodes[0]!.call('PATCH', path, { disabled: true })).status).toBe(200);
    const tookMs = performance.now() - beganMs;
    expect(tookMs).toBeGreaterThan(1_000);
    expect(tookMs).toBeLessThan(4_500);
    // It comes back, nobody has taken over, and it goes by what was changed meanwhile.
    const seen = target.arrivals.length;
    fault = {};
    await eventually(
      async () => {
        const { body } = await nodes[0]!.call('GET', '/api/v1/admin/cluster', undefined, asOperator());
        return body['unowned'] as number;
      },
      (unowned) => unowned === 0,
    );
    await retriesElsewhere();
    expect(target.arrivals.length).toBe(seen);
  });
});
