import { chown, mkdir, open, readFile, readdir, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { Account } from './account.ts';
import type { Binaries } from './binaries.ts';
import { type CommandResult, openDirectory, runCommand } from './command.ts';
import { EmbeddedError, programFailed } from './errors.ts';

/** Role and database have the same name. */
export const DATABASE = 'posthorn';

export type ClusterState =
  | { readonly kind: 'absent' }
  | { readonly kind: 'complete'; readonly major: number };

type Context = {
  readonly binaries: Binaries;
  readonly account: Account | undefined;
  readonly cluster: string;
  /** Letters, digits, `-` and `_` only. */
  readonly password: string;
  readonly signal: AbortSignal | undefined;
};

const read = async <T>(reading: Promise<T>): Promise<T | undefined> => {
  try {
    return await reading;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
};

/** What is in the cluster's place. Anything that is not a cluster and not empty is an error: it is not ours to wipe. */
export const readCluster = async (cluster: string): Promise<ClusterState> => {
  const version = await read(readFile(join(cluster, 'PG_VERSION'), 'utf8'));
  if (version !== undefined) return { kind: 'complete', major: Number.parseInt(version, 10) };
  const names = await read(readdir(cluster));
  if (names === undefined || names.length === 0) return { kind: 'absent' };
  throw new EmbeddedError(
    'foreign_directory',
    `${cluster} is not empty, but it is no PostgreSQL data directory (PG_VERSION is missing). ` +
      'Posthorn does not delete what it did not make: restore the file from a backup, or move the directory away and start again.',
  );
};

const succeeded = (result: CommandResult): boolean =>
  result.kind === 'exited' && result.code === 0 && !/^(.*\s)?(ERROR|FATAL|PANIC): /m.test(result.output);

/** Runs statements, one per line, in a server without network, as its superuser. They go through a pipe: `ps` shows nothing. */
const runSingleUser = async (
  { binaries, account, signal }: Context,
  directory: string,
  options: { readonly statements: readonly string[]; readonly sync: boolean },
): Promise<CommandResult> => {
  const access = await openDirectory(directory, account);
  try {
    return await runCommand(
      join(binaries.directory, 'postgres'),
      [
        '--single',
        ...(options.sync ? [] : ['-F']),
        '-D',
        access.argument,
        '-c',
        'log_min_error_statement=panic',
        'postgres',
      ],
      { account, descriptor: access.descriptor, stdin: `${options.statements.join('\n')}\n`, signal },
    );
  } finally {
    await access.close();
  }
};

const setPassword = (password: string): string => {
  if (!/^[\w-]+$/.test(password)) throw new Error('A password with characters that would need quoting');
  return `alter role ${DATABASE} password '${password}'`;
};

/**
 * Locale by version: code point order everywhere, because keys compare as bytes. Version 17 brought a
 * provider that does not depend on the system; before it, C.UTF-8 where the system has it.
 */
const localeArguments = (major: number, plain: boolean): string[] => {
  if (major >= 17) return ['--locale-provider=builtin', '--builtin-locale=C.UTF-8', '--locale=C'];
  return [plain ? '--locale=C' : '--locale=C.UTF-8'];
};

const initialise = async (
  context: Context,
  directory: string,
  plainLocale: boolean,
): Promise<CommandResult> => {
  const access = await openDirectory(directory, context.account);
  try {
    return await runCommand(
      join(context.binaries.directory, 'initdb'),
      [
        '-D',
        access.argument,
        `--username=${DATABASE}`,
        '--encoding=UTF8',
        ...localeArguments(context.binaries.major, plainLocale),
        '--auth-host=scram-sha-256',
        // There is no Unix socket; without local password logins initdb needs no password from a file.
        '--auth-local=reject',
        '--data-checksums',
        '--no-sync',
        '--no-instructions',
      ],
      { account: context.account, descriptor: access.descriptor, signal: context.signal },
    );
  } finally {
    await access.close();
  }
};

const syncToDisk = async (context: Context, directory: string): Promise<CommandResult> => {
  const access = await openDirectory(directory, context.account);
  try {
    return await runCommand(
      join(context.binaries.directory, 'initdb'),
      ['-D', access.argument, '--sync-only'],
      {
        account: context.account,
        descriptor: access.descriptor,
        signal: context.signal,
      },
    );
  } finally {
    await access.close();
  }
};

const syncDirectory = async (directory: string): Promise<void> => {
  const handle = await open(directory, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
};

/**
 * Creates the cluster with its role, password and database, and returns once all of it is on disk.
 *
 * It is built beside its place without syncing, synced once as a whole, and then renamed: whatever kills
 * us or the machine in between, the place holds a complete cluster or none, so nothing in the place ever
 * needs wiping. `unique` names the directory it is built in.
 */
export const createCluster = async (context: Context, unique: string): Promise<void> => {
  const { account, cluster } = context;
  const dataDir = dirname(cluster);
  const draft = `${cluster}.new-${unique}`;
  await mkdir(draft, { mode: 0o700 });
  try {
    if (account !== undefined) await chown(draft, account.uid, account.gid);
    let result = await initialise(context, draft, false);
    if (result.kind === 'exited' && /invalid locale/.test(result.output))
      result = await initialise(context, draft, true);
    if (!succeeded(result)) throw programFailed('initdb', dataDir, result.output);
    const statements = [setPassword(context.password), `create database ${DATABASE}`];
    result = await runSingleUser(context, draft, { statements, sync: false });
    if (!succeeded(result)) throw programFailed('creating the database', dataDir, result.output);
    result = await syncToDisk(context, draft);
    if (!succeeded(result)) throw programFailed('writing the new database to disk', dataDir, result.output);
    await rename(draft, cluster);
    await syncDirectory(dataDir);
  } catch (error) {
    await rm(draft, { recursive: true, force: true, maxRetries: 3 });
    throw error;
  }
};

/** Gives the role a new password while the server is down. For when the file with the old one is lost. */
export const resetPassword = async (context: Context): Promise<void> => {
  const result = await runSingleUser(context, context.cluster, {
    statements: [setPassword(context.password)],
    sync: true,
  });
  if (!succeeded(result))
    throw programFailed('setting a new password', dirname(context.cluster), result.output);
};

/** Removes what starts that were killed in the middle have left beside the cluster. Call under the lock. */
export const removeDrafts = async (cluster: string, log: (line: string) => void): Promise<void> => {
  const parent = dirname(cluster);
  for (const name of await readdir(parent)) {
    if (!name.startsWith(`${basename(cluster)}.new-`)) continue;
    log(`Removing ${name}: a first start was interrupted before its database was complete`);
    try {
      await rm(join(parent, name), { recursive: true, force: true, maxRetries: 3 });
    } catch (error) {
      // An initdb that outlived its starter may still write there. It ends soon; the next start removes it.
      log(`Could not remove ${name} yet: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
};
