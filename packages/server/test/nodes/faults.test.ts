// Three real processes under load while nodes join, leave, are killed, stand still, are blocked, lose their
// database and have their clocks set.
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { nowMs } from '../crash/changes.ts';
import { moody, steady } from '../crash/oracle.ts';
import { createScenario } from '../crash/scenario.ts';
import { seededRandom } from '../crash/seeded-random.ts';
import { poll, type ServerProcess } from '../crash/server-process.ts';
import { withEnds } from '../crash/with-scenario.ts';
import { type FaultProxy, startFaultProxy } from '../../../../tools/fault-proxy/postgres.ts';
import { freePort } from '../ports.ts';
import { createTestDatabase, type TestDatabase } from '../postgres.ts';

const seed = process.env['NODES_SEED'] ?? String(Date.now() % 1_000_000);
const ENDPOINTS = 8;

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

/** How many endpoints each live node owns, and how many nobody does. */
const ownership = async (): Promise<{ nodes: number; unowned: number }> => {
  const { rows } = await client.query<{ nodes: number; unowned: number }>(
    `select count(distinct node)::int4 as nodes,
      (count(*) filter (where node is null or lease_until < clock_timestamp()))::int4 as unowned from partition`,
  );
  return rows[0]!;
};

const settled = (nodes: number): Promise<void> =>
  poll(
    `${nodes} nodes that own everything`,
    async () => {
      const now = await ownership();
      return now.nodes === nodes && now.unowned === 0;
    },
    40_000,
  );

type Node = { readonly server: ServerProcess; readonly proxy: FaultProxy; readonly port: number };

describe('three nodes', () => {
  it(
    `lose and repeat nothing, whatever is done to them (NODES_SEED=${seed})`,
    { timeout: 240_000 },
    async () => {
      const random = seededRandom(seed);
      await withEnds(async (later) => {
        const receivers = Array.from({ length: ENDPOINTS }, (_, n) =>
          n % 2 === 0 ? steady : moody(`${seed}${n}`),
        );
        const scenario = await createScenario({ databaseUrl: database.url, receivers });
        later(scenario.end);
        const first = scenario.start();
        await first.ready;
        await scenario.setUp();
        const join = async (port: number): Promise<Node> => {
          const proxy = await startFaultProxy(database.url);
          later(proxy.close);
          const server = scenario.start({ databaseUrl: proxy.url, port });
          await server.ready;
          return { server, proxy, port };
        };
        const nodes: Node[] = [];
        for (let n = 0; n < 3; n++) {
          const node = await join(await freePort());
          nodes.push(node);
          scenario.produce({ count: 3, pauseMs: 25, url: node.server.url });
        }
        // It was only there to set things up; its leave is the first change of owner under load.
        first.signal('SIGTERM');
        expect((await first.ended).code).toBe(0);
        await settled(3);

        /** What happens to a node, and who is there in its place. */
        const faults: Readonly<Record<string, (node: Node) => Promise<Node>>> = {
          leave: async ({ server, port }) => {
            server.signal('SIGTERM');
            expect((await server.ended).code).toBe(0);
            return join(port);
          },
          kill: async ({ server, port }) => {
            server.signal('SIGKILL');
            await scenario.died(server);
            return join(port);
          },
          'stand still': async (node) => {
            const fromMs = nowMs();
            node.server.signal('SIGSTOP');
            // Others own what it had.
            await settled(2);
            node.server.signal('SIGCONT');
            scenario.fault({ kind: 'stopped', sender: node.server.pid, fromMs, toMs: nowMs() });
            return node;
          },
          'be blocked': async (node) => {
            const fromMs = nowMs();
            node.server.signal('SIGUSR2');
            await settled(2);
            await settled(3);
            scenario.fault({ kind: 'blocked', sender: node.server.pid, fromMs, toMs: nowMs() });
            return node;
          },
          'have its clock set': async (node) => {
            for (const wanted of [1, 2]) {
              const fromMs = nowMs();
              const clocks = (): number => node.server.told().filter(({ event }) => event === 'clock').length;
              const before = clocks();
              node.server.signal('SIGHUP');
              await node.server.until(`clock ${wanted}`, () => clocks() > before);
              // An hour ahead its lease has long ended, as far as it can tell, until the next heartbeat.
              await random.pause(1_500);
              scenario.fault({ kind: 'clock', sender: node.server.pid, fromMs, toMs: nowMs() });
            }
            return node;
          },
          'lose the database': async (node) => {
            const fromMs = nowMs();
            const speak = node.proxy.silence();
            await settled(2);
            speak();
            scenario.fault({ kind: 'cut off', sender: node.server.pid, fromMs, toMs: nowMs() });
            return node;
          },
        };
        const order = Object.keys(faults)
          .map((name) => ({ name, at: random() }))
          .sort((a, b) => a.at - b.at);
        for (const { name } of order) {
          const index = Math.floor(random() * nodes.length);
          await random.pause(1_000);
          nodes[index] = await faults[name]!(nodes[index]!);
          await settled(3);
        }
        const verdict = await scenario.conclude(60_000);
        expect(verdict.problems).toBe('');
        expect(new Set(verdict.history.requests.map(({ sender }) => sender)).size).toBeGreaterThanOrEqual(4);
      });
    },
  );
});
