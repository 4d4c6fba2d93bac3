// package-lock.json as a graph: for the tests that compare what is written of dependencies with what is there.
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export type Locked = {
  readonly name?: string;
  readonly version: string;
  readonly integrity?: string;
  readonly resolved?: string;
  readonly link?: true;
  readonly hasInstallScript?: true;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
  readonly peerDependencies?: Readonly<Record<string, string>>;
  readonly peerDependenciesMeta?: Readonly<Record<string, { readonly optional?: boolean }>>;
};

export const repository = fileURLToPath(new URL('..', import.meta.url));

export const readLock = (): Readonly<Record<string, Locked>> =>
  (
    JSON.parse(readFileSync(join(repository, 'package-lock.json'), 'utf8')) as {
      packages: Record<string, Locked>;
    }
  ).packages;

/** Where a package at `from` finds another: the nearest node_modules upwards. */
const resolve = (lock: Readonly<Record<string, Locked>>, from: string, name: string): string | undefined => {
  for (let at = from; ; at = at.slice(0, Math.max(0, at.lastIndexOf('/')))) {
    const path = `${at === '' ? '' : `${at}/`}node_modules/${name}`;
    if (lock[path] !== undefined) return path;
    if (at === '') return undefined;
  }
};

const needs = (locked: Locked): string[] => [
  ...Object.keys({ ...locked.dependencies, ...locked.optionalDependencies }),
  ...Object.keys(locked.peerDependencies ?? {}).filter(
    (name) => locked.peerDependenciesMeta?.[name]?.optional !== true,
  ),
];

/** Paths of everything that the package at `path` needs to run, itself included. */
export const closureOf = (lock: Readonly<Record<string, Locked>>, path: string): ReadonlySet<string> => {
  const reached = new Set<string>();
  const visit = (at: string): void => {
    const locked = lock[at]!;
    const real = locked.link === true ? locked.resolved! : at;
    if (reached.has(real)) return;
    reached.add(real);
    for (const name of needs(lock[real]!)) {
      const found = resolve(lock, real, name);
      if (found !== undefined) visit(found);
    }
  };
  visit(path);
  return reached;
};

export const nameOf = (path: string, locked: Locked): string =>
  locked.name ?? path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length);

/** Bytes of a package as installed, without what is installed inside of it; null: it is not. */
export const installedBytes = (path: string): number | null => {
  try {
    return readdirSync(join(repository, path), { withFileTypes: true, recursive: true })
      .filter(
        (one) =>
          one.isFile() && !one.parentPath.slice(join(repository, path).length).includes('node_modules'),
      )
      .reduce((sum, one) => sum + statSync(join(one.parentPath, one.name)).size, 0);
  } catch {
    return null;
  }
};
