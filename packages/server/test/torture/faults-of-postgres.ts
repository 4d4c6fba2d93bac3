import { setTimeout as pause } from 'node:timers/promises';
import pg from 'pg';
import type { Fault } from './fault.ts';
import { must } from './fault.ts';
import type { OwnPostgres, StopMode } from './own-postgres.ts';
import type { World } from './world.ts';

const RESTART_MS = 5_000;

export const goAway = async (world: World, mode: StopMode, awayMs: number): Promise<void> => {
  await world.during('database away', null, async () => {
    await world.postgres.stop(mode);
    await pause(awayMs);
    await world.postgres.start();
    await world.flows();
  });
};

const promote = async (standby: OwnPostgres): Promise<void> => {
  const client = new pg.Client({ connectionString: standby.url });
  await client.connect();
  const { rows } = await client.query<{ promoted: boolean }>('select pg_promote(true, 60) as promoted');
  await client.end();
  must(rows[0]?.promoted === true, 'the standby is promoted');
};

export const faultsOfPostgres: readonly Fault[] = [
  {
    name: 'postgres-immediate',
    does: 'PostgreSQL stops as by pg_ctl stop -m immediate, and is away for a while',
    harm: async (world) => {
      let times = 0;
      do {
        await world.random.pause(2_000);
        await goAway(world, 'immediate', 500 + world.random() * 5_000);
        times++;
      } while (world.goesOn());
      return `${times} times`;
    },
  },
  {
    name: 'postgres-restarts',
    does: 'PostgreSQL is restarted every 5 s, in order and at once in turn',
    harm: async (world) => {
      let times = 0;
      await world.during('restarts', null, async () => {
        do {
          const nextMs = performance.now() + RESTART_MS;
          await world.postgres.stop(times % 2 === 0 ? 'immediate' : 'fast');
          await world.postgres.start();
          times++;
          await pause(Math.max(0, nextMs - performance.now()));
        } while (world.goesOn() || times < 2);
        await world.flows();
      });
      return `${times} restarts`;
    },
  },
  {
    name: 'failover',
    does: 'the primary dies, and its standby with synchronous replication is promoted',
    world: () => ({ hasStandby: true }),
    harm: async (world) => {
      const standby = world.standby!;
      const states = (): Promise<{ sync_state: string }[]> =>
        world.sql('select sync_state from pg_stat_replication');
      must(
        (await states()).some(({ sync_state }) => sync_state === 'sync'),
        'the standby is synchronous',
      );
      while (world.goesOn()) await world.random.pause(500);
      let tookMs = 0;
      await world.during('failover', null, async () => {
        await world.postgres.stop('immediate');
        const diedMs = performance.now();
        await promote(standby);
        world.failOver(standby);
        await world.flows();
        tookMs = performance.now() - diedMs;
      });
      must(!world.postgres.isRunning(), 'the old primary is gone');
      return `accepting and delivering again ${(tookMs / 1_000).toFixed(1)} s after it died`;
    },
  },
];
