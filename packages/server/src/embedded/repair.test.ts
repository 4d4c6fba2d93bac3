import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, readFile, readdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  type Started,
  asRoot,
  clean,
  lineWith,
  query,
  start,
  startElsewhere,
  temporaryDirectory,
} from '../../test/embedded-starter.ts';
import { identityOf, postgresProcessesIn } from './processes.ts';
import { withPid } from './pid-file.ts';
import { stopLeftover } from './start.ts';
import { until } from './wait.ts';
import { randomBytes } from 'node:crypto';

const NOBODY = 65_534;
const gone = (pid: number): Promise<boolean> =>
  until(async () => (await identityOf(pid)) === undefined, { timeoutMs: 10_000, everyMs: 10 });

/** A server whose starter was killed: its pid. */
const orphan = async (dataDir: string): Promise<number> => {
  const elsewhere = startElsewhere(dataDir);
  const { pid } = await lineWith(elsewhere, 'url');
  await elsewhere.kill();
  return pid as number;
};

describe('after a kill -9', () => {
  let dataDir: string;
  let cluster: string;
  beforeAll(async () => {
    dataDir = await temporaryDirectory();
    cluster = join(dataDir, 'postgres');
    const first = await start(dataDir);
    await query(first.url, 'create table kept as select 42 as answer');
    await first.stop();
  });
  afterAll(() => clean(dataDir));

  const expectKept = async ({ url }: Started): Promise<void> => {
    expect(await query(url, 'select answer from kept')).toEqual([{ answer: 42 }]);
  };

  it('of our process, the running server is adopted, watched and stopped', async () => {
    const pid = await orphan(dataDir);
    const adopted = await start(dataDir);
    expect(adopted).toMatchObject({ pid, freshlyStarted: false });
    await expectKept(adopted);
    await adopted.stop();
    expect(await adopted.exited).toEqual({ kind: 'stopped' });
    expect(await identityOf(pid)).toBeUndefined();
  });

  it('of our process, a server with other settings is replaced', async () => {
    const pid = await orphan(dataDir);
    const replaced = await start(dataDir, { settings: { work_mem: '7MB' } });
    expect(replaced.freshlyStarted).toBe(true);
    expect(replaced.pid).not.toBe(pid);
    await expectKept(replaced);
    await replaced.stop();
  });

  it('of our process, a server that does not answer is replaced', async () => {
    const pid = await orphan(dataDir);
    process.kill(pid, 'SIGSTOP');
    const replaced = await start(dataDir);
    expect(replaced.freshlyStarted).toBe(true);
    expect(await identityOf(pid)).toBeUndefined();
    await expectKept(replaced);
    await replaced.stop();
  });

  it('of the server, its end is reported and it can be started again, beside sessions that outlive it', async () => {
    const postgres = await start(dataDir);
    const client = new pg.Client({ connectionString: postgres.url });
    client.on('error', () => {});
    await client.connect();
    // A loop notices neither its postmaster's death nor a closed socket at once.
    const busy = client.query('do $$ begin loop end loop; end $$').catch((error: unknown) => error);
    await until(
      async () =>
        (
          await query<{ n: number }>(
            postgres.url,
            `select count(*)::int as n from pg_stat_activity where query like 'do %'`,
          )
        )[0]?.n === 1,
      { timeoutMs: 10_000, everyMs: 10 },
    );
    process.kill(postgres.pid, 'SIGKILL');
    expect(await postgres.exited).toEqual({ kind: 'died', reason: 'ended by SIGKILL' });
    if (process.platform === 'linux') expect((await postgresProcessesIn(cluster)).length).toBeGreaterThan(0);
    const again = await start(dataDir);
    expect(again.freshlyStarted).toBe(true);
    await expectKept(again);
    expect(await busy).toBeInstanceOf(Error);
    await again.stop();
  });

  it('of an adopted server, its end is reported', async () => {
    const pid = await orphan(dataDir);
    const adopted = await start(dataDir);
    process.kill(pid, 'SIGKILL');
    expect(await adopted.exited).toMatchObject({ kind: 'died' });
    await (await start(dataDir)).stop();
  });

  it('of both, a process number that another program has by now does no harm', async () => {
    const pid = await orphan(dataDir);
    process.kill(pid, 'SIGKILL');
    await gone(pid);
    const other = spawn('sleep', ['60'], {
      stdio: 'ignore',
      ...(asRoot ? { uid: NOBODY, gid: NOBODY } : {}),
    });
    try {
      const path = join(cluster, 'postmaster.pid');
      await writeFile(path, withPid(await readFile(path, 'utf8'), other.pid ?? 0));
      const postgres = await start(dataDir);
      expect(postgres.freshlyStarted).toBe(true);
      await expectKept(postgres);
      await postgres.stop();
      expect(other.exitCode).toBeNull();
      expect(other.signalCode).toBeNull();
    } finally {
      other.kill();
    }
  });

  it('of both, a server that is dead but not reaped does no harm', async () => {
    const pid = await orphan(dataDir);
    process.kill(pid, 'SIGKILL');
    await gone(pid);
    // As under a first process that does not reap, in many containers: the shell's child outlives its parent's interest.
    const parent = spawn('sh', ['-c', 'sleep 0 & echo $!; exec sleep 60'], {
      stdio: ['ignore', 'pipe', 'ignore'],
      ...(asRoot ? { uid: NOBODY, gid: NOBODY } : {}),
    });
    try {
      const [line] = (await once(parent.stdout, 'data')) as [Buffer];
      const zombie = Number(line.toString());
      await gone(zombie);
      const path = join(cluster, 'postmaster.pid');
      await writeFile(path, withPid(await readFile(path, 'utf8'), zombie));
      const postgres = await start(dataDir);
      expect(postgres.freshlyStarted).toBe(true);
      expect(process.kill(zombie, 0)).toBe(true);
      await expectKept(postgres);
      await postgres.stop();
    } finally {
      parent.kill();
    }
  });

  it.each(['', 'garbage\n'])('of both, a damaged pid file (%j) does no harm', async (text) => {
    const pid = await orphan(dataDir);
    process.kill(pid, 'SIGKILL');
    await gone(pid);
    await writeFile(join(cluster, 'postmaster.pid'), text);
    const postgres = await start(dataDir);
    expect(postgres.freshlyStarted).toBe(true);
    await expectKept(postgres);
    await postgres.stop();
  });

  it('of our process, the server can be ended to wipe the directory', async () => {
    const pid = await orphan(dataDir);
    expect(await stopLeftover({ dataDir, random: randomBytes })).toEqual({ kind: 'stopped' });
    expect(await identityOf(pid)).toBeUndefined();
    expect(await stopLeftover({ dataDir, random: randomBytes })).toEqual({ kind: 'none' });
  });
});

describe('a first start that was killed', () => {
  it('in the middle of initdb is done again', async () => {
    const dataDir = await temporaryDirectory();
    try {
      const elsewhere = startElsewhere(dataDir);
      const drafts = async (): Promise<string[]> =>
        (await readdir(dataDir)).filter((name) => name.startsWith('postgres.new-'));
      const half = async (): Promise<boolean> => {
        const [draft] = await drafts();
        return draft !== undefined && (await readdir(join(dataDir, draft))).includes('global');
      };
      expect(await until(half, { timeoutMs: 10_000, everyMs: 1 })).toBe(true);
      await elsewhere.kill();
      expect(await readdir(dataDir)).not.toContain('postgres');
      const postgres = await start(dataDir);
      expect(postgres.lines.some((line) => line.includes('interrupted'))).toBe(true);
      expect(await query(postgres.url, 'select 1 as one')).toEqual([{ one: 1 }]);
      await postgres.stop();
      await (await start(dataDir)).stop();
      expect(await until(async () => (await drafts()).length === 0, { timeoutMs: 10_000, everyMs: 50 })).toBe(
        true,
      );
    } finally {
      await clean(dataDir);
    }
  });
});

describe.runIf(asRoot && process.platform === 'linux')("a data directory in root's private home", () => {
  it('works, is repaired, and stays private', async () => {
    const home = await temporaryDirectory();
    await chmod(home, 0o700);
    const dataDir = join(home, 'deep/data');
    try {
      await mkdir(join(home, 'deep'), { mode: 0o700 });
      const first = await start(dataDir);
      await query(first.url, 'create table kept as select 42 as answer');
      await query(first.url, 'select pg_reload_conf()');
      await first.stop();
      const pid = await orphan(dataDir);
      const adopted = await start(dataDir);
      expect(adopted).toMatchObject({ pid, freshlyStarted: false, url: first.url });
      process.kill(pid, 'SIGKILL');
      await adopted.exited;
      const again = await start(dataDir);
      expect(await query(again.url, 'select answer from kept')).toEqual([{ answer: 42 }]);
      await again.stop();
      expect((await stat(home)).mode & 0o777).toBe(0o700);
      expect((await stat(join(home, 'deep'))).mode & 0o777).toBe(0o700);
    } finally {
      await clean(home, dataDir);
    }
  });
});
