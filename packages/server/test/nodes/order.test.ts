// Three real processes deliver in an order while owners leave, are killed, and stand still past their lease.
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { mintToken } from '../../src/api/tokens.ts';
import { seededRandom } from '../crash/seeded-random.ts';
import { endAll, jwtSecret, poll, startProcess, type ServerProcess } from '../crash/server-process.ts';
import { withEnds } from '../crash/with-scenario.ts';
import { freePort } from '../ports.ts';
import { createTestDatabase, type TestDatabase } from '../postgres.ts';
import { problemsOf, startProducers, startReceiver, type Seen } from './ordered-load.ts';

const seed = process.env['NODES_SEED'] ?? String(Date.now() % 1_000_000);
const ORG = 'org_23rb8YdGqMT0qIzpgGwdXfHirMu';
const FIFO = ['fifo-1', 'fifo-2', 'fifo-3', 'fifo-4', 'fifo-5', 'fifo-6'];
const KEYED = ['keyed-1', 'keyed-2'];
const PRODUCERS = ['ada', 'bob', 'cleo', 'dan'];

let database: TestDatabase;
let client: pg.Client;
beforeAll(async () => {
  database = await createTestDatabase();
  client = new pg.Client({ connectionString: database.url });
  await client.connect();
});
afterAll(async () => {
  await client.end();
  await database.drop();
});

const settled = (nodes: number): Promise<void> =>
  poll(
    `${nodes} nodes that own everything`,
    async () => {
      const { rows } = await client.query<{ nodes: number; unowned: number }>(
        `select count(distinct node)::int4 as nodes,
          (count(*) filter (where node is null or lease_until < clock_timestamp()))::int4 as unowned from partition`,
      );
      return rows[0]!.nodes === nodes && rows[0]!.unowned === 0;
    },
    40_000,
  );

const call = async (url: string, token: string, path: string, body: object): Promise<string> => {
  const response = await fetch(`${url}/api/v1/${path}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json', connection: 'close' },
    body: JSON.stringify(body),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`${path} answered ${response.status}: ${text}`);
  return (JSON.parse(text) as { id: string }).id;
};

const openDeliveries = async (): Promise<number> => {
  const { rows } = await client.query<{ count: number }>('select count(*)::int4 as count from live');
  return rows[0]!.count;
};

/** Until everything has ended. How long that takes is the machine's business, if only it gets on. */
const drained = async (): Promise<void> => {
  for (let left = await openDeliveries(); left > 0; left = await openDeliveries()) {
    const before = left;
    await poll(`one of ${before} deliveries to end`, async () => (await openDeliveries()) < before, 40_000);
  }
};

describe('three nodes', () => {
  it(
    `keep every order, whatever happens to its owner (NODES_SEED=${seed})`,
    { timeout: 600_000 },
    async () => {
      const random = seededRandom(seed);
      await withEnds(async (later) => {
        const receiver = await startReceiver(seededRandom(`receiver ${seed}`));
        later(receiver.close);
        const started: ServerProcess[] = [];
        later(() => endAll(started));
        const join = async (port: number): Promise<ServerProcess> => {
          const server = startProcess({ databaseUrl: database.url, port });
          started.push(server);
          await server.ready;
          return server;
        };
        const ports = [await freePort(), await freePort(), await freePort()];
        const nodes: ServerProcess[] = [];
        for (const port of ports) nodes.push(await join(port));
        const token = await mintToken({
          secret: Buffer.from(jwtSecret),
          orgId: ORG,
          applicationId: null,
          nowMs: Date.now(),
        });
        const applicationId = await call(nodes[0]!.url, token, 'app', { name: 'Orders' });
        for (const name of [...FIFO, ...KEYED]) {
          const fifo = name.startsWith('fifo');
          const endpoint = { url: receiver.url(name), fifo };
          await call(nodes[0]!.url, token, `app/${applicationId}/endpoint`, endpoint);
        }
        await settled(3);
        const producers = startProducers({
          names: PRODUCERS,
          applicationId,
          token,
          urls: () => ports.map((port) => `http://127.0.0.1:${port}`),
          random: seededRandom(`producers ${seed}`),
          pauseMs: 400,
        });
        later(producers.close);

        const faults: Readonly<Record<string, (index: number) => Promise<void>>> = {
          leave: async (index) => {
            nodes[index]!.signal('SIGTERM');
            expect((await nodes[index]!.ended).code).toBe(0);
            nodes[index] = await join(ports[index]!);
          },
          kill: async (index) => {
            nodes[index]!.signal('SIGKILL');
            await nodes[index]!.ended;
            nodes[index] = await join(ports[index]!);
          },
          'stand still': async (index) => {
            nodes[index]!.signal('SIGSTOP');
            await settled(2);
            nodes[index]!.signal('SIGCONT');
          },
        };
        const happenings = [...Object.keys(faults), 'leave', 'kill']
          .map((name) => ({ name, at: random() }))
          .sort((a, b) => a.at - b.at);
        for (const { name } of happenings) {
          const before = receiver.seen.length;
          // In the midst of it: some of what the owner has now is in flight.
          await receiver.until('the load', () => receiver.seen.length > before + 20, 30_000);
          await random.pause(200);
          await faults[name]!(Math.floor(random() * nodes.length));
          await settled(3);
        }
        await producers.finish();
        await drained();
        await receiver.until(
          'the last answers',
          () => receiver.seen.every(({ endedMs }) => endedMs !== null),
          10_000,
        );

        expect(problemsOf(receiver.seen, producers.posted)).toEqual([]);
        const orders = new Set(receiver.seen.map(({ order }) => order));
        expect(orders.size).toBe(FIFO.length + KEYED.length * PRODUCERS.length);
        const ownersOf = (order: string): number =>
          new Set(receiver.seen.filter((one) => one.order === order).map(({ sender }) => sender)).size;
        // Orders have changed hands, or nothing was shown.
        expect(Math.max(...[...orders].map(ownersOf))).toBeGreaterThan(1);
      });
    },
  );
});

describe('the check of what a receiver saw', () => {
  const at = (n: number, arrivedMs: number, more: Partial<Seen> = {}): Seen => ({
    order: 'fifo-1',
    producer: 'ada',
    n,
    sender: 1,
    arrivedMs,
    endedMs: arrivedMs + 5,
    ...more,
  });
  const posted = (count: number): Map<string, number> => new Map([['ada', count]]);

  it('takes repetitions of the one in flight', () => {
    expect(problemsOf([at(0, 0), at(0, 10, { sender: 2 }), at(1, 20)], posted(2))).toEqual([]);
  });

  it.each<[what: string, seen: Seen[], count: number, found: string]>([
    ['one that comes too early', [at(1, 0), at(0, 10)], 2, 'comes before 0'],
    ['one that comes again', [at(0, 0), at(1, 10), at(0, 20)], 2, 'comes again after others'],
    ['two at once', [at(0, 0, { endedMs: 12 }), at(1, 10)], 2, 'while ada 0 from 1 is open'],
    ['two at once of one message', [at(0, 0, { endedMs: null }), at(0, 10, { sender: 2 })], 1, 'is open'],
    ['one that never comes', [at(0, 0)], 2, '2 of ada were acknowledged, 1 came'],
  ])('finds %s', (_, seen, count, found) => {
    expect(problemsOf(seen, posted(count))[0]).toContain(found);
  });
});
