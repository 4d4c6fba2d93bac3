// A PostgreSQL of one's own, to stop in any way, start again, copy and promote: on the product's binaries, with the
// product's settings, started without the care that the product takes with it.
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chown, open, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { promisify } from 'node:util';
import { type Account, chooseAccount } from '../../src/embedded/account.ts';
import type { Binaries } from '../../src/embedded/binaries.ts';
import { createCluster, DATABASE } from '../../src/embedded/cluster.ts';
import { CHILD_ENVIRONMENT } from '../../src/embedded/command.ts';
import { findBinaries } from '../../src/embedded/find-binaries.ts';
import { readPidFile } from '../../src/embedded/leftover.ts';
import { parsePidFile } from '../../src/embedded/pid-file.ts';
import { layout, SYSTEM_DATA_DIR } from '../../src/embedded/places.ts';
import { asArguments, serverSettings } from '../../src/embedded/settings.ts';
import { freePort } from '../ports.ts';

/** immediate: as `pg_ctl stop -m immediate`, nothing is written any more; fast: sessions are ended, all is written. */
export type StopMode = 'immediate' | 'fast';

export type OwnPostgres = {
  /** A superuser's. */
  readonly url: string;
  readonly port: number;
  readonly version: string;
  /** PostgreSQL's data directory. */
  readonly cluster: string;
  /** Resolves when it takes connections; rejects with its last words when it will not. */
  readonly start: () => Promise<void>;
  readonly stop: (mode: StopMode) => Promise<void>;
  readonly isRunning: () => boolean;
  /**
   * A copy that follows this one, made while both are stopped. From then on this one acknowledges a commit only
   * once the copy has it on disk.
   */
  readonly makeStandby: (directory: string) => Promise<OwnPostgres>;
  /** Runs one of its programs on the data directory; its exit code and what it said, or null: there is none here. */
  readonly program: (
    name: string,
    ...args: readonly string[]
  ) => Promise<{ readonly code: number; readonly said: string } | null>;
};

const PASSWORD = 'torture';
const POLL_MS = 20;
const START_MS = 60_000;
const SIGNAL = { immediate: 'SIGQUIT', fast: 'SIGINT' } as const;
const run = promisify(execFile);

type Plan = {
  readonly binaries: Binaries;
  readonly account: Account | undefined;
  readonly directory: string;
  readonly settings: Readonly<Record<string, string>>;
  readonly port: number;
};

const running = new Set<ChildProcess>();
process.once('exit', () => {
  for (const child of running) child.kill('SIGQUIT');
});

const onCluster = (plan: Plan): OwnPostgres => {
  const { binaries, account, port } = plan;
  const { cluster, log } = layout(plan.directory);
  let settings = plan.settings;
  let child: ChildProcess | null = null;
  const isRunning = (): boolean => child !== null;

  const lastWords = async (): Promise<string> => {
    const { stdout } = await run('tail', ['-n', '15', log]);
    return stdout;
  };

  const start = async (): Promise<void> => {
    const said = await open(log, 'a');
    const started = spawn(
      join(binaries.directory, 'postgres'),
      ['-D', cluster, '-p', String(port), ...asArguments(serverSettings(binaries, settings))],
      { cwd: '/', env: CHILD_ENVIRONMENT, detached: true, stdio: ['ignore', said.fd, said.fd], ...account },
    );
    await said.close();
    child = started;
    running.add(started);
    started.once('exit', () => {
      running.delete(started);
      child = null;
    });
    const giveUpAt = performance.now() + START_MS;
    for (;;) {
      const file = parsePidFile((await readPidFile(cluster)) ?? '');
      if (file?.pid === started.pid && (file?.status === 'ready' || file?.status === 'standby')) return;
      if (child === null || performance.now() > giveUpAt)
        throw new Error(`PostgreSQL did not start:\n${await lastWords()}`);
      await pause(POLL_MS);
    }
  };

  const stop = async (mode: StopMode): Promise<void> => {
    const ending = child;
    if (ending === null) return;
    const ended = new Promise((resolve) => void ending.once('exit', resolve));
    ending.kill(SIGNAL[mode]);
    await ended;
  };

  return {
    url: `postgres://${DATABASE}:${PASSWORD}@127.0.0.1:${port}/${DATABASE}`,
    port,
    version: binaries.version,
    cluster,
    start,
    stop,
    isRunning,
    makeStandby: async (directory) => {
      // It must have run once: a copy may not have smaller settings than those that the original wrote down.
      if (child === null) await start();
      await stop('fast');
      const copy = layout(directory).cluster;
      await run('cp', ['-a', cluster, copy]);
      const signal = join(copy, 'standby.signal');
      await writeFile(signal, '');
      if (account !== undefined) await chown(signal, account.uid, account.gid);
      const follow = `host=127.0.0.1 port=${port} user=${DATABASE} password=${PASSWORD} application_name=standby`;
      const standby = onCluster({
        ...plan,
        directory,
        port: await freePort(),
        settings: { ...settings, primary_conninfo: follow, hot_standby: 'on' },
      });
      settings = { ...settings, synchronous_standby_names: 'standby', wal_keep_size: '256MB' };
      return standby;
    },
    program: async (name, ...args) => {
      try {
        const { stdout, stderr } = await run(join(binaries.directory, name), ['-D', cluster, ...args], {
          cwd: '/',
          env: CHILD_ENVIRONMENT,
          ...account,
        });
        return { code: 0, said: stdout + stderr };
      } catch (error) {
        const { code, stdout, stderr } = error as { code: unknown; stdout?: string; stderr?: string };
        return code === 'ENOENT' ? null : { code: Number(code), said: `${stdout ?? ''}${stderr ?? ''}` };
      }
    },
  };
};

/** A new cluster in a directory that every user may search. It does not run yet. */
export const createPostgres = async (
  directory: string,
  settings: Readonly<Record<string, string>> = {},
): Promise<OwnPostgres> => {
  const { cluster, binaries: copies } = layout(directory);
  const unique = randomBytes(6).toString('hex');
  const account = await chooseAccount(cluster, process.getuid?.() ?? -1);
  const binaries = await findBinaries({
    cluster: { kind: 'absent' },
    dataDir: directory,
    account,
    // As for the embedded one: what npm brought may lie where its user cannot reach it.
    copyTo: [copies, ...(account === undefined ? [] : [layout(SYSTEM_DATA_DIR).binaries])],
    unique,
    log: () => {},
  });
  await createCluster({ binaries, account, cluster, password: PASSWORD, signal: undefined }, unique);
  return onCluster({ binaries, account, directory, settings, port: await freePort() });
};
