import { setTimeout as pause } from 'node:timers/promises';
import { poll } from '../crash/server-process.ts';
import { type Fault, must } from './fault.ts';
import { fillUp, freeUp, usedShare } from './small-disk.ts';
import type { World } from './world.ts';

/** Room for the cluster, its write-ahead log and a run; small, so that it is full soon. */
const DISK_MB = 320;
/** The write-ahead log may not take the disk by itself. */
const postgresSettings = { max_wal_size: '64MB', min_wal_size: '32MB' };
const PATIENCE_MS = 90_000;
const REFUSALS = 20;
const ALARM_SHARE = 0.96;

/** PostgreSQL ends itself when it cannot write its log; whoever runs it starts it again. */
const keepRunning = async (world: World): Promise<void> => {
  if (world.postgres.isRunning()) return;
  await world.postgres.start().catch((error: unknown) => world.log(String(error).split('\n')[0] ?? ''));
};

const readyOf = async (url: string): Promise<{ status: string; warnings?: readonly string[] }> =>
  (await (await fetch(`${url}/readyz`)).json()) as { status: string; warnings?: readonly string[] };

const usedMetric = async (url: string): Promise<number> => {
  const text = await (await fetch(`${url}/metrics`)).text();
  return Number(/^posthorn_database_disk_used_ratio{[^}]*} (\S+)$/m.exec(text)?.[1]);
};

/** Every page by its checksum, and where PostgreSQL has the means every index against its table. */
const verifyCluster = async (world: World): Promise<string> => {
  const { postgres } = world;
  const checked = await world
    .sql<{ relation: string }>(
      `select c.oid::regclass::text as relation, bt_index_check(c.oid, true)
       from pg_index i join pg_class c on c.oid = i.indexrelid join pg_am a on a.oid = c.relam
       where a.amname = 'btree' and c.relpersistence = 'p' and c.relkind = 'i' and i.indisvalid`,
    )
    .catch((error: Error) => error.message);
  await postgres.stop('fast');
  const sums = await postgres.program('pg_checksums', '--check');
  await postgres.start();
  must(sums === null || sums.code === 0, `every page has its checksum: ${sums?.said ?? ''}`);
  if (typeof checked === 'string') must(/bt_index_check/.test(checked), `every index is sound: ${checked}`);
  const pages =
    sums === null
      ? 'pages not checked (no pg_checksums)'
      : `${/Blocks scanned: +(\d+)/.exec(sums.said)?.[1] ?? '?'} pages sound`;
  return typeof checked === 'string' ? pages : `${pages}, ${checked.length} indexes sound`;
};

const withAmcheck = async (world: World): Promise<void> => {
  await world.sql('create extension if not exists amcheck').catch(() => {});
};

export const faultsOfDisk: readonly Fault[] = [
  {
    name: 'disk-full',
    does: 'the disk of the database is full, for a while',
    needs: ['root'],
    world: () => ({ diskMb: DISK_MB, postgresSettings }),
    harm: async (world) => {
      await withAmcheck(world);
      const [producer] = world.scenario.producers();
      const refusals = (): readonly { readonly atMs: number }[] => producer!.refusals();
      let refused = 0;
      await world.during('disk full', null, async () => {
        const before = refusals().length;
        await fillUp(world.disk);
        await producer!.until('503', () => refusals().length >= before + REFUSALS, PATIENCE_MS);
        while (world.goesOn()) {
          await pause(500);
          await keepRunning(world);
          // What was freed meanwhile, by a checkpoint or a crash, is taken again.
          await fillUp(world.disk);
        }
        refused = refusals().length - before;
        await freeUp(world.disk);
        await poll(
          'PostgreSQL',
          async () => (await keepRunning(world), world.postgres.isRunning()),
          PATIENCE_MS,
        );
        await world.flows();
      });
      return `${refused} times 503 from one producer, then on by itself`;
    },
    after: verifyCluster,
  },
  {
    name: 'disk-95',
    does: 'the disk of the database is 96 % full: there is an alarm before the wall, and messages are accepted',
    needs: ['root'],
    world: () => ({ diskMb: DISK_MB, postgresSettings, ownDisk: true }),
    harm: async (world) => {
      const urls = world.nodes.map(({ port }) => `http://127.0.0.1:${port}`);
      for (const url of urls)
        must((await readyOf(url)).warnings === undefined, 'no alarm while there is room');
      await fillUp(world.disk, ALARM_SHARE);
      const fromMs = performance.now();
      const isTold = async (url: string): Promise<boolean> => (await readyOf(url)).warnings !== undefined;
      for (const url of urls) await poll(`an alarm at ${url}`, () => isTold(url), PATIENCE_MS);
      const afterMs = performance.now() - fromMs;
      must((await usedShare(world.disk)) < 1, 'the wall is not reached');
      for (const { server } of world.nodes)
        must(
          /"level":50.*the disk of the database is 9\d % full/.test(server().words()),
          'it is logged as an error',
        );
      for (const url of urls) must((await usedMetric(url)) > 0.95, 'it is in the metrics');
      await world.flows();
      while (world.goesOn()) await world.random.pause(500);
      await freeUp(world.disk);
      const isOver = async (url: string): Promise<boolean> => !(await isTold(url));
      for (const url of urls) await poll(`no alarm at ${url}`, () => isOver(url), PATIENCE_MS);
      return `told ${(afterMs / 1_000).toFixed(0)} s later by log, metric and /readyz`;
    },
  },
];
