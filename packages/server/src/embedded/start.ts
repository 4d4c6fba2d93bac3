import { mkdir, realpath, rmdir } from 'node:fs/promises';
import { resolve } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { type Account, chooseAccount } from './account.ts';
import type { Binaries } from './binaries.ts';
import { createCluster, readCluster, removeDrafts, resetPassword } from './cluster.ts';
import { EmbeddedError, explain } from './errors.ts';
import { type BinarySearch, findBinaries } from './find-binaries.ts';
import { examineLeftover, settleLeftover, stopPostmaster } from './leftover.ts';
import { acquireLock } from './lock.ts';
import { type Layout, SYSTEM_DATA_DIR, layout } from './places.ts';
import { DEFAULT_PORT } from './port.ts';
import { type Postmaster, type PostmasterExit, adoptPostmaster, startPostmaster } from './postmaster.ts';
import { type RunRecord, databaseUrl, readPassword, readRecord, replaceFile } from './runtime.ts';
import { asArguments, serverSettings } from './settings.ts';

export type EmbeddedOptions = BinarySearch & {
  /** Posthorn's data directory; made when missing. The database is one directory in it. */
  readonly dataDir: string;
  /** Used when free and when no earlier start has recorded another. */
  readonly preferredPort?: number;
  /** One line about what happens, for people. */
  readonly log: (line: string) => void;
  /** For the password and for names of temporary files. */
  readonly random: (bytes: number) => Buffer;
  /** Aborts the start, leaving nothing running. A server that is up is ended by `stop`. */
  readonly signal?: AbortSignal;
  /** PostgreSQL settings that replace the defaults of {@link serverSettings}. */
  readonly settings?: Readonly<Record<string, string>>;
};

export type EmbeddedPostgres = {
  /** `postgres://posthorn:PASSWORD@127.0.0.1:PORT/posthorn`, a superuser's. */
  readonly url: string;
  readonly port: number;
  /** As PostgreSQL prints it, for example "18.4". */
  readonly version: string;
  readonly source: Binaries['source'];
  /** Resolved. */
  readonly dataDir: string;
  readonly pid: number;
  /** True when this start started the server: then no session of an earlier process can be open in it. */
  readonly freshlyStarted: boolean;
  /** Ends the server in order and frees the data directory. Idempotent. */
  readonly stop: () => Promise<void>;
  /** Settles when the server has ended, by `stop` or by itself; {@link startEmbedded} may then be called again. */
  readonly exited: Promise<PostmasterExit>;
};

const PASSWORD_BYTES = 24;
const UNIQUE_BYTES = 9;

const uniqueName = (random: EmbeddedOptions['random']): string => random(UNIQUE_BYTES).toString('base64url');

const openDataDir = async (dataDir: string): Promise<string> => {
  // Root's is searchable, because the server in it runs as another user; its files are still private.
  await mkdir(dataDir, { recursive: true, mode: process.getuid?.() === 0 ? 0o711 : 0o700 });
  return await realpath(dataDir);
};

const held = (dataDir: string, pid: number): EmbeddedError =>
  new EmbeddedError(
    'held',
    `${pid === process.pid ? 'This process' : `Another Posthorn (process ${pid})`} already uses the data directory ${dataDir}. ` +
      'Stop it first, or give this one a directory of its own with POSTHORN_DATA_DIR.',
  );

type Plan = {
  readonly options: EmbeddedOptions;
  readonly places: Layout;
  readonly account: Account | undefined;
  readonly binaries: Binaries;
  readonly serverArguments: readonly string[];
  readonly record: RunRecord | undefined;
  readonly unique: string;
};

type Running = {
  readonly postmaster: Postmaster;
  readonly password: string;
  readonly freshlyStarted: boolean;
};

/** Makes sure of a complete cluster whose password is in its file; returns the password. No server runs. */
const ensureCluster = async (plan: Plan, exists: boolean, known: string | undefined): Promise<string> => {
  const { options, places, binaries, account, unique } = plan;
  if (exists && known !== undefined) return known;
  const password = known ?? options.random(PASSWORD_BYTES).toString('base64url');
  const context = { binaries, account, cluster: places.cluster, password, signal: options.signal };
  if (exists) {
    options.log(`${places.password} is missing; giving the database a new password`);
    await resetPassword(context);
    await replaceFile(places.password, `${password}\n`, unique);
    return password;
  }
  if (known === undefined) await replaceFile(places.password, `${password}\n`, unique);
  options.log(`Creating a PostgreSQL ${binaries.version} database in ${places.cluster}`);
  await createCluster(context, unique);
  return password;
};

const run = async (plan: Plan, exists: boolean): Promise<Running> => {
  const { options, places, binaries, record, serverArguments } = plan;
  const { log, signal } = options;
  const known = await readPassword(places.password);
  if (exists) {
    const sameServer =
      known !== undefined &&
      record?.version === binaries.version &&
      isDeepStrictEqual(record.arguments, serverArguments);
    const settled = await settleLeftover(places.cluster, {
      mayAdopt: (port) => sameServer && port === record.port,
      log,
      signal,
    });
    if (settled.kind === 'adopt' && known !== undefined) {
      log(
        `Going on with the PostgreSQL that an earlier run left (process ${settled.pid}, port ${settled.port})`,
      );
      return {
        postmaster: await adoptPostmaster(settled.pid, settled.port),
        password: known,
        freshlyStarted: false,
      };
    }
  }
  const password = await ensureCluster(plan, exists, known);
  const ports = [...(record === undefined ? [] : [record.port]), options.preferredPort ?? DEFAULT_PORT];
  const postmaster = await startPostmaster(
    {
      binaries,
      account: plan.account,
      dataDir: places.dataDir,
      cluster: places.cluster,
      logFile: places.log,
      serverArguments,
      signal,
    },
    ports,
  );
  return { postmaster, password, freshlyStarted: true };
};

const startLocked = async (
  options: EmbeddedOptions,
  places: Layout,
  unique: string,
): Promise<Running & { plan: Plan }> => {
  const { log } = options;
  // An empty directory in the place (a mount point's remains, a hand's) is no cluster and nobody's loss.
  await rmdir(places.cluster).catch(() => {});
  await removeDrafts(places.cluster, log);
  const account = await chooseAccount(places.cluster, process.getuid?.() ?? -1);
  const cluster = await readCluster(places.cluster);
  const copyTo = [places.binaries, ...(account === undefined ? [] : [layout(SYSTEM_DATA_DIR).binaries])];
  const binaries = await findBinaries({
    ...options,
    cluster,
    dataDir: places.dataDir,
    account,
    copyTo,
    unique,
  });
  const plan: Plan = {
    options,
    places,
    account,
    binaries,
    serverArguments: asArguments(serverSettings(binaries, options.settings)),
    record: await readRecord(places.record),
    unique,
  };
  const running = await run(plan, cluster.kind === 'complete');
  const record: RunRecord = {
    port: running.postmaster.port,
    version: binaries.version,
    arguments: plan.serverArguments,
  };
  if (!isDeepStrictEqual(record, plan.record)) {
    try {
      await replaceFile(places.record, `${JSON.stringify(record)}\n`, unique);
    } catch (error) {
      await running.postmaster.stop();
      throw error;
    }
  }
  return { ...running, plan };
};

/**
 * Starts a real PostgreSQL in `dataDir`, creating or repairing what is needed, or goes on with the one
 * that a killed process left there.
 *
 * The data directory is this process's alone until `exited` settles. Rejects with {@link EmbeddedError}
 * when it cannot run, or with the signal's reason.
 */
export const startEmbedded = async (options: EmbeddedOptions): Promise<EmbeddedPostgres> => {
  if (process.platform === 'win32') {
    throw new EmbeddedError(
      'unsupported_platform',
      'Posthorn does not run its own PostgreSQL on Windows. Set DATABASE_URL to a PostgreSQL of your own, or use WSL.',
    );
  }
  options.signal?.throwIfAborted();
  const wanted = resolve(options.dataDir);
  try {
    const places = layout(await openDataDir(wanted));
    const unique = uniqueName(options.random);
    const lock = await acquireLock(places.lock, unique);
    if (lock.kind === 'held') throw held(places.dataDir, lock.holder.pid);
    try {
      const { postmaster, password, freshlyStarted, plan } = await startLocked(options, places, unique);
      const exited = postmaster.exited.then(async (exit) => {
        await lock.release();
        return exit;
      });
      return {
        url: databaseUrl(postmaster.port, password),
        port: postmaster.port,
        version: plan.binaries.version,
        source: plan.binaries.source,
        dataDir: places.dataDir,
        pid: postmaster.pid,
        freshlyStarted,
        exited,
        stop: async () => {
          await postmaster.stop();
          await exited;
        },
      };
    } catch (error) {
      await lock.release();
      throw error;
    }
  } catch (error) {
    throw explain(error, wanted);
  }
};

/**
 * Ends the server that a killed process left in `dataDir`, so that the directory can be deleted.
 *
 * `held`: a living Posthorn uses the directory, and nothing was done.
 */
export const stopLeftover = async (
  options: Pick<EmbeddedOptions, 'dataDir' | 'random'>,
): Promise<
  { readonly kind: 'none' } | { readonly kind: 'stopped' } | { readonly kind: 'held'; readonly pid: number }
> => {
  const dataDir = await realpath(options.dataDir).catch(() => undefined);
  if (dataDir === undefined) return { kind: 'none' };
  const places = layout(dataDir);
  const lock = await acquireLock(places.lock, uniqueName(options.random));
  if (lock.kind === 'held') return { kind: 'held', pid: lock.holder.pid };
  try {
    const leftover = await examineLeftover(places.cluster);
    if (leftover.kind !== 'running') return { kind: 'none' };
    await stopPostmaster(leftover.pid);
    return { kind: 'stopped' };
  } finally {
    await lock.release();
  }
};
