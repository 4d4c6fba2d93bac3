import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { poll } from '../crash/server-process.ts';
import { Broken, type Fault, must } from './fault.ts';
import { leave } from './faults-of-nodes.ts';
import { NEXT_VERSIONS, nextMigrations } from './next-version.ts';
import type { World } from './world.ts';

const entry = fileURLToPath(new URL('./migrate-entry.ts', import.meta.url));
const KILLS = 3;
const KILL_WITHIN_MS = 1_500;
const PATIENCE_MS = 120_000;

type Migration = {
  readonly child: ChildProcess;
  readonly ended: Promise<number | null>;
  readonly said: () => string;
};

const startMigration = (world: World, folder: string): Migration => {
  const child = spawn(
    process.execPath,
    ['--disable-warning=ExperimentalWarning', entry, folder, world.databaseUrl],
    {
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  );
  let said = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk: Buffer) => (said += String(chunk)));
  return { child, ended: once(child, 'exit').then(([code]) => code as number | null), said: () => said };
};

const invalidIndexes = async (world: World): Promise<number> =>
  (await world.sql<{ count: number }>('select count(*)::int as count from pg_index where not indisvalid'))[0]!
    .count;

/** Kills it while it builds an index, which an old snapshot makes it wait for: what it leaves behind is half an index. */
const killInTheMiddle = async (world: World, folder: string): Promise<void> => {
  const reader = new pg.Client({ connectionString: world.databaseUrl });
  reader.on('error', () => {});
  await reader.connect();
  // A snapshot, and no lock on any table of ours.
  await reader.query('begin isolation level repeatable read');
  await reader.query('select 1');
  const migration = startMigration(world, folder);
  await poll('half an index', async () => (await invalidIndexes(world)) > 0, PATIENCE_MS);
  migration.child.kill('SIGKILL');
  await migration.ended;
  await reader.query('commit');
  await reader.end();
};

const migrateUnderLoad = async (world: World, folder: string): Promise<number> => {
  await killInTheMiddle(world, folder);
  let kills = 1;
  for (; kills <= KILLS; kills++) {
    const migration = startMigration(world, folder);
    await world.random.pause(KILL_WITHIN_MS);
    migration.child.kill('SIGKILL');
    await migration.ended;
  }
  const both = [startMigration(world, folder), startMigration(world, folder)];
  for (const { ended, said } of both)
    if ((await ended) !== 0) throw new Broken(`one of two that migrate at once failed: ${said()}`);
  const applied = await world.sql<{ version: number; times: number }>(
    `select version, count(*)::int as times from schema_migration where version = any ($1) group by 1 order by 1`,
    [NEXT_VERSIONS],
  );
  must(
    applied.length === NEXT_VERSIONS.length && applied.every(({ times }) => times === 1),
    'each is applied once',
  );
  must((await invalidIndexes(world)) === 0, 'no half index is left');
  return kills;
};

export const faultsOfUpgrade: readonly Fault[] = [
  {
    name: 'upgrade',
    does: 'the next version migrates under load: killed again and again, two at once; then every node is restarted on it',
    isUpgrade: true,
    harm: async (world) => {
      const kills = await migrateUnderLoad(world, await nextMigrations(world.folder));
      await world.flows();
      const before = world.nodes.map((node) => node.server());
      if (world.old !== null) {
        // One of this version beside one of the old one, on the same database.
        await leave(world.nodes[0]!);
        await world.settled(world.nodes.length);
        await world.flows();
      }
      while (world.goesOn()) await world.random.pause(500);
      for (const node of world.nodes) {
        if (world.old !== null && node === world.nodes[0]) continue;
        await leave(node);
        await world.settled(world.nodes.length);
        await world.flows();
      }
      must(
        world.nodes.every((node, index) => node.server() !== before[index]),
        'every node was replaced',
      );
      return `${kills} kills in the middle of it${world.old === null ? '' : `, from ${world.old}`}`;
    },
  },
];
