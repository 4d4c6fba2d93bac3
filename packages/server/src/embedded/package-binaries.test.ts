import { randomBytes } from 'node:crypto';
import { chmod, copyFile, cp, mkdir, readFile, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { asRoot, clean, query, start, temporaryDirectory } from '../../test/embedded-starter.ts';
import { chooseAccount } from './account.ts';
import type { Probe } from './binaries.ts';
import {
  type PlatformPackage,
  findPlatformPackage,
  linkLibraries,
  preparePackageBinaries,
  readPlatformPackage,
} from './package-binaries.ts';

const installed = await findPlatformPackage();

describe.runIf(installed !== undefined)('the npm package', () => {
  let directory: string;
  let source: PlatformPackage;

  /** As npm unpacks it where install scripts do not run: the links are missing. */
  const unpack = async (name: string): Promise<PlatformPackage> => {
    const from = installed?.directory ?? '';
    const to = join(directory, name);
    const listed = JSON.parse(await readFile(join(from, 'native/pg-symlinks.json'), 'utf8')) as {
      target: string;
    }[];
    await mkdir(to);
    await cp(join(from, 'native'), join(to, 'native'), {
      recursive: true,
      verbatimSymlinks: true,
      filter: (path) => !path.endsWith('.a') && !listed.some(({ target }) => path === join(from, target)),
    });
    await copyFile(join(from, 'package.json'), join(to, 'package.json'));
    return await readPlatformPackage(to);
  };

  const prepare = async (from: PlatformPackage, copyTo: readonly string[]): Promise<Probe> =>
    preparePackageBinaries(from, {
      account: await chooseAccount(join(directory, 'none'), process.getuid?.() ?? -1),
      copyTo,
      unique: randomBytes(6).toString('hex'),
      log: () => {},
    });

  beforeAll(async () => {
    directory = await temporaryDirectory();
    source = await unpack('plain');
  });
  afterAll(() => rm(directory, { recursive: true, force: true }));

  it('runs in place, its library links made where install scripts did not run', async () => {
    const broken = await readdir(join(source.directory, 'native/lib'));
    expect(await prepare(source, [])).toMatchObject({
      kind: 'works',
      binaries: { source: 'package', directory: join(source.directory, 'native/bin'), major: source.major },
    });
    expect((await readdir(join(source.directory, 'native/lib'))).length).toBeGreaterThan(broken.length);
  });

  it('runs from one complete copy where it cannot run in place, however many start at once', async () => {
    const hidden = await unpack('hidden');
    // Root's server runs as nobody, whom a private directory keeps out. Others meet a read-only one without links.
    await chmod(asRoot ? hidden.directory : join(hidden.directory, 'native/lib'), asRoot ? 0o700 : 0o500);
    const before = await readdir(join(hidden.directory, 'native/lib'));
    const copies = join(directory, 'copies');
    const probes = await Promise.all(
      Array.from({ length: 3 }, () =>
        prepare(hidden, asRoot ? [join(hidden.directory, 'never/here'), copies] : [copies]),
      ),
    );
    for (const probe of probes) {
      expect(probe).toMatchObject({
        kind: 'works',
        binaries: { directory: expect.stringContaining(copies) },
      });
    }
    expect(await readdir(copies)).toHaveLength(1);
    if (!asRoot) expect(await readdir(join(hidden.directory, 'native/lib'))).toEqual(before);
    const [copy] = await readdir(copies);
    const programs = join(copies, copy ?? '', 'bin');
    const made = (await stat(programs)).ctimeMs;
    expect(await prepare(hidden, [copies])).toMatchObject({
      kind: 'works',
      binaries: { directory: programs },
    });
    expect((await stat(programs)).ctimeMs).toBe(made);
    if (!asRoot) await chmod(join(hidden.directory, 'native/lib'), 0o700);
  });

  it('creates and runs a database from a copy beside the data', async () => {
    const hidden = await unpack('hidden-too');
    await chmod(asRoot ? hidden.directory : join(hidden.directory, 'native/lib'), asRoot ? 0o700 : 0o500);
    const dataDir = join(directory, 'data');
    try {
      const postgres = await start(dataDir, { sources: ['package'], packageDirectory: hidden.directory });
      expect(await query(postgres.url, "select lower('É') as lower")).toEqual([{ lower: 'é' }]);
      expect(await readdir(join(dataDir, 'binaries'))).toHaveLength(1);
      await postgres.stop();
    } finally {
      if (!asRoot) await chmod(join(hidden.directory, 'native/lib'), 0o700);
      await clean(dataDir);
    }
  });

  it('keeps links that exist', async () => {
    await linkLibraries(source.directory, join(source.directory, 'native'));
    await expect(linkLibraries(source.directory, join(source.directory, 'native'))).resolves.toBeUndefined();
  });

  it('says what is wrong with programs that cannot run', async () => {
    const broken = join(directory, 'broken');
    await mkdir(join(broken, 'native/bin'), { recursive: true });
    await copyFile(join(source.directory, 'package.json'), join(broken, 'package.json'));
    expect(await prepare(await readPlatformPackage(broken), [])).toEqual({
      kind: 'broken',
      why: expect.stringContaining(join(broken, 'native/bin/postgres')),
    });
  });
});
