import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ServerProcess } from '../crash/server-process.ts';
import { Broken, type Fault, must } from './fault.ts';
import { findLibfaketime } from './needs.ts';
import type { Node, World } from './world.ts';

const HOUR_SECONDS = 3_600;
const LONGEST_BLOCK_MS = 30_000;
const LONGEST_LOCK_MS = 30_000;

const endedWell = async (server: ServerProcess): Promise<void> => {
  const { code, signal } = await server.ended;
  if (code !== 0) throw new Broken(`it ended with ${code ?? signal ?? ''} instead of 0:\n${server.words()}`);
};

export const kill = async ({ scenario, random }: World, node: Node): Promise<void> => {
  node.server().signal('SIGKILL');
  await scenario.died(node.server());
  node.start();
  // The next kill may meet it while it starts.
  if (random() < 0.8) await node.server().ready;
};

export const standStill = async (world: World, node: Node): Promise<void> => {
  const server = node.server();
  await world.during('stopped', server.pid, async () => {
    server.signal('SIGSTOP');
    // Others own what it had, and deliver the same.
    await world.settled(world.nodes.length - 1);
    await world.random.pause(1_000);
    server.signal('SIGCONT');
  });
  await world.settled(world.nodes.length);
};

export const leave = async (node: Node): Promise<void> => {
  node.server().signal('SIGTERM');
  await endedWell(node.server());
  await node.start().ready;
};

export const cutOff = async (world: World, node: Node): Promise<void> => {
  await world.during('cut off', node.server().pid, async () => {
    await node.wire.set({ way: 'silent' });
    await world.settled(world.nodes.length - 1);
    await world.random.pause(1_000);
    await node.wire.set({});
  });
  await world.settled(world.nodes.length);
};

const counted = async (
  world: World,
  step: (node: Node) => Promise<void>,
  pauseMs: number,
): Promise<number> => {
  let times = 0;
  do {
    await world.random.pause(pauseMs);
    await step(world.anyNode());
    times++;
  } while (world.goesOn());
  await Promise.all(world.nodes.map((node) => node.server().ready));
  return times;
};

const clockFile = (folder: string, node: number): string => join(folder, `clock-${node}`);
const setClock = (folder: string, node: number, seconds: number): void =>
  writeFileSync(clockFile(folder, node), `${seconds >= 0 ? '+' : ''}${seconds}\n`);

export const faultsOfNodes: readonly Fault[] = [
  {
    name: 'sigkill',
    does: 'kill -9 of a node, again and again, also while it starts',
    harm: async (world) => `${await counted(world, (node) => kill(world, node), 2_000)} kills`,
  },
  {
    name: 'sigstop',
    does: 'a node stands still past its lease, others take over, it goes on',
    harm: async (world) => `${await counted(world, (node) => standStill(world, node), 500)} times`,
  },
  {
    name: 'sigterm',
    does: 'nodes are restarted in order, one after the other',
    harm: async (world) => `${await counted(world, leave, 1_000)} restarts, each ended with 0`,
  },
  {
    name: 'event-loop-block',
    does: 'the event loop of a node is blocked for up to 30 s, far past its lease',
    world: ({ seconds }) => ({
      settings: () => ({
        CRASH_BLOCK_MS: String(Math.min(LONGEST_BLOCK_MS, Math.max(5_000, seconds * 500))),
      }),
    }),
    harm: async (world) => {
      const block = async (node: Node): Promise<void> => {
        const server = node.server();
        await world.during('blocked', server.pid, async () => {
          server.signal('SIGUSR2');
          await world.settled(world.nodes.length - 1);
          await world.settled(world.nodes.length);
        });
      };
      return `${await counted(world, block, 500)} blocks`;
    },
  },
  {
    name: 'clock-jumps',
    does: 'the wall clock of a node jumps an hour ahead, back, and an hour behind (libfaketime)',
    needs: ['libfaketime'],
    world: ({ folder }) => ({
      settings: (node) => {
        setClock(folder, node, 0);
        return {
          LD_PRELOAD: findLibfaketime() ?? '',
          FAKETIME_TIMESTAMP_FILE: clockFile(folder, node),
          FAKETIME_CACHE_DURATION: '1',
          // Nobody sets a monotonic clock.
          DONT_FAKE_MONOTONIC: '1',
          NO_FAKE_STAT: '1',
        };
      },
    }),
    harm: async (world) => {
      const jumps = [HOUR_SECONDS, 0, -HOUR_SECONDS, 0];
      let times = 0;
      const jump = async (node: Node): Promise<void> => {
        // Its lease has long ended, as far as it can tell, until the next heartbeat.
        await world.during('clock', node.server().pid, async () => {
          setClock(world.folder, node.number, jumps[times++ % jumps.length]!);
          await world.flows();
          await world.random.pause(3_000);
          await world.flows();
        });
      };
      do await jump(world.anyNode());
      while (world.goesOn() || times < jumps.length);
      for (const node of world.nodes) setClock(world.folder, node.number, 0);
      return `${times} jumps`;
    },
  },
  {
    name: 'network-cut',
    does: 'nothing gets through between a node and the database for longer than its lease',
    harm: async (world) => `${await counted(world, (node) => cutOff(world, node), 500)} cuts`,
  },
  {
    name: 'network-bad',
    does: 'the wire to the database is late, cut into pieces, and reset now and then',
    harm: async (world) => {
      let resets = 0;
      await world.during('bad wire', null, async () => {
        for (const { wire } of world.nodes) await wire.set({ latencyMs: 10, jitterMs: 40, sliceBytes: 200 });
        do {
          await world.random.pause(2_000);
          world.anyNode().wire.reset();
          resets++;
        } while (world.goesOn());
        for (const { wire } of world.nodes) await wire.set({});
        await world.flows();
      });
      return `${resets} resets`;
    },
  },
  {
    name: 'pool-of-2',
    does: 'two connections to the database for a node, with hundreds of attempts in flight and a table locked meanwhile',
    world: () => ({ settings: () => ({ POSTHORN_DATABASE_POOL: '2' }), receivers: 24, pauseMs: 150 }),
    harm: async (world) => {
      const { oracle } = world.scenario;
      oracle.hold();
      await oracle.until('attempts in flight', () => oracle.inFlight() >= 100, 60_000);
      const most = oracle.inFlight();
      await world.during('locked', null, async () => {
        const lockMs = Math.min(LONGEST_LOCK_MS, world.seconds * 500);
        await world.sql(
          `do $$ begin lock table live in access exclusive mode; perform pg_sleep(${lockMs / 1_000}); end $$`,
        );
        oracle.release();
        await world.flows();
      });
      must(most >= 100, 'a hundred attempts in flight on two connections');
      while (world.goesOn()) await world.random.pause(500);
      return `${most} attempts in flight`;
    },
  },
];
