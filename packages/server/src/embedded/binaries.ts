import { access, readFile, readdir, realpath } from 'node:fs/promises';
import { delimiter, dirname, isAbsolute, join } from 'node:path';
import type { Account } from './account.ts';
import { runCommand } from './command.ts';

/** PostgreSQL programs that can run here. */
export type Binaries = {
  readonly source: 'system' | 'package';
  /** Directory with `postgres` and `initdb`. */
  readonly directory: string;
  readonly major: number;
  /** As PostgreSQL prints it, for example "15.18". */
  readonly version: string;
  readonly lz4: boolean;
};

export const OLDEST_MAJOR = 15;
/** The newest major that our tests run on. */
export const NEWEST_MAJOR = 18;

/** Parents whose children are PostgreSQL installations, and where the programs lie in each. */
const INSTALLATIONS: readonly (readonly [parent: string, child: RegExp, programs: string])[] = [
  ['/usr/lib/postgresql', /^\d+$/, 'bin'],
  ['/usr', /^pgsql-\d+$/, 'bin'],
  ['/usr/libexec', /^postgresql\d+$/, ''],
  ['/opt/homebrew/opt', /^postgresql@\d+$/, 'bin'],
  ['/usr/local/opt', /^postgresql@\d+$/, 'bin'],
  ['/Applications/Postgres.app/Contents/Versions', /^\d+$/, 'bin'],
];
const PLAIN_DIRECTORIES = ['/usr/local/pgsql/bin', '/usr/local/bin', '/usr/bin'];

/** Version and major from what `postgres --version` prints. */
export const parseVersion = (
  output: string,
): { readonly version: string; readonly major: number } | undefined => {
  const version = /\(PostgreSQL\) (\d[\w.]*)/.exec(output)?.[1];
  return version === undefined ? undefined : { version, major: Number.parseInt(version, 10) };
};

/** The best of several installations for a cluster of `clusterMajor` (undefined: a new one); see {@link Binaries}. */
export const pickBinaries = (
  candidates: readonly Binaries[],
  clusterMajor: number | undefined,
): Binaries | undefined => {
  const tested = (major: number): number => (major <= NEWEST_MAJOR ? 1 : 0);
  return candidates
    .filter(({ major }) => (clusterMajor === undefined ? major >= OLDEST_MAJOR : major === clusterMajor))
    .toSorted((left, right) => tested(right.major) - tested(left.major) || right.major - left.major)[0];
};

export type Probe =
  | { readonly kind: 'works'; readonly binaries: Binaries }
  | { readonly kind: 'broken'; readonly why: string };

/** Runs `postgres --version` as `account`: the only honest answer to whether it may and can run. */
export const probe = async (
  directory: string,
  source: Binaries['source'],
  account: Account | undefined,
): Promise<Probe> => {
  const program = join(directory, 'postgres');
  const result = await runCommand(program, ['--version'], { account });
  if (result.kind === 'not_started') return { kind: 'broken', why: `${program}: ${result.code}` };
  const parsed = parseVersion(result.output);
  if (result.code !== 0 || parsed === undefined) {
    return {
      kind: 'broken',
      why: `${program}: ${result.output.trim() || `exit code ${String(result.code)}`}`,
    };
  }
  const lz4 = (await readFile(program)).includes('liblz4');
  return { kind: 'works', binaries: { source, directory, ...parsed, lz4 } };
};

const list = async (directory: string): Promise<string[]> => {
  try {
    return await readdir(directory);
  } catch {
    return [];
  }
};

/** The resolved directory when both programs are there. */
const withPrograms = async (directory: string): Promise<string | undefined> => {
  try {
    const resolved = dirname(await realpath(join(directory, 'postgres')));
    await access(join(resolved, 'initdb'));
    return resolved;
  } catch {
    return undefined;
  }
};

/** PostgreSQL installations of this machine that `account` can run. `searchPath` is the PATH to look through as well. */
export const findSystemBinaries = async (
  account: Account | undefined,
  searchPath = '',
): Promise<Binaries[]> => {
  const installed = await Promise.all(
    INSTALLATIONS.map(async ([parent, child, programs]) =>
      (await list(parent)).filter((name) => child.test(name)).map((name) => join(parent, name, programs)),
    ),
  );
  const directories = [
    ...installed.flat(),
    ...PLAIN_DIRECTORIES,
    ...searchPath.split(delimiter).filter(isAbsolute),
  ];
  const found = new Set(
    (await Promise.all(directories.map(withPrograms))).filter((found) => found !== undefined),
  );
  const probes = await Promise.all([...found].map((directory) => probe(directory, 'system', account)));
  return probes.flatMap((result) => (result.kind === 'works' ? [result.binaries] : []));
};
