import { expect, it } from 'vitest';
import type { Disk } from '../domain/disk.ts';
import { createDiskWatch } from './disk.ts';

const GB = 1_000_000_000;

/** A watch over a database of the size that is set, and what it logs. */
const watched = (disk: Disk = { kind: 'size', bytes: 100 * GB }) => {
  const told: string[] = [];
  const now = { bytes: 0, ms: 0 };
  const say = (level: string) => (_: unknown, text: unknown) => void told.push(`${level}: ${String(text)}`);
  const watch = createDiskWatch({
    disk,
    databaseBytes: async () => now.bytes,
    log: { info: say('info'), warn: say('warn'), error: say('error') },
    monotonicMs: () => now.ms,
  });
  const at = async (gigabytes: number, ms: number): Promise<string[]> => {
    now.bytes = gigabytes * GB;
    now.ms = ms;
    await watch.look();
    return told.splice(0);
  };
  return { watch, at };
};

it('tells when the disk fills up, once a minute, and when there is room again', async () => {
  const { watch, at } = watched();
  expect(watch.share()).toBeNull();
  expect([await at(10, 0), watch.warnings()]).toEqual([[], []]);
  expect(await at(86.9, 1_000)).toEqual(['warn: the disk of the database is 86 % full']);
  expect(await at(87, 60_000)).toEqual([]);
  expect(await at(87, 61_000)).toEqual(['warn: the disk of the database is 87 % full']);
  // Worse is told at once.
  const wall = 'the disk of the database is 96 % full; when it is full no message is accepted: make room now';
  expect(await at(96, 62_000)).toEqual([`error: ${wall}`]);
  expect(watch.warnings()).toEqual([wall]);
  expect(await at(50, 63_000)).toEqual(['info: the disk of the database has room again']);
  expect([await at(50, 999_000), watch.warnings(), watch.share()]).toEqual([[], [], 0.5]);
});

it('looks at the disk of a directory', async () => {
  const { watch, at } = watched({ kind: 'directory', path: '/' });
  await at(0, 0);
  expect(watch.share()).toBeGreaterThan(0);
  expect(watch.share()).toBeLessThanOrEqual(1);
});

it('fails where there is no such directory, and says nothing', async () => {
  const { watch } = watched({ kind: 'directory', path: '/nowhere/at/all' });
  await expect(watch.look()).rejects.toThrow('ENOENT');
  expect([watch.share(), watch.warnings()]).toEqual([null, []]);
});
