import { execFileSync } from 'node:child_process';
import { mkdir, readFile, readdir, rm, stat, writeFile, chmod, chown } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  asRoot,
  clean,
  lineWith,
  query,
  start,
  startElsewhere,
  temporaryDirectory,
} from '../../test/embedded-starter.ts';
import { findSystemBinaries } from './binaries.ts';
import { chooseAccount } from './account.ts';
import { readRuntime } from './runtime.ts';

const NOBODY = 65_534;

const permissions = async (path: string): Promise<number> => (await stat(path)).mode & 0o777;

const occupy = async (port: number): Promise<() => Promise<void>> => {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  return () => new Promise((resolve) => server.close(() => resolve()));
};

describe.each(['system', 'package'] as const)('with the %s binaries', (source) => {
  let dataDir: string;
  let available = true;
  beforeAll(async () => {
    dataDir = await temporaryDirectory();
    const account = await chooseAccount(join(dataDir, 'postgres'), process.getuid?.() ?? -1);
    if (source === 'system') available = (await findSystemBinaries(account)).some(({ major }) => major >= 15);
  });
  afterAll(() => clean(dataDir));

  it('creates a database, and finds data, password and port again', async (context) => {
    if (!available) context.skip('this machine has no PostgreSQL >= 15 of its own');
    const first = await start(dataDir, { sources: [source] });
    expect(first).toMatchObject({
      source,
      freshlyStarted: true,
      url: expect.stringMatching(/^postgres:\/\/posthorn:[\w-]{32}@127\.0\.0\.1:\d+\/posthorn$/),
    });
    await query(first.url, 'create table kept as select 42 as answer');
    const facts = await query<Record<string, string>>(
      first.url,
      `select version(), current_setting('fsync') as fsync, current_setting('wal_compression') as wal,
              current_setting('listen_addresses') as addresses, current_setting('unix_socket_directories') as sockets,
              current_setting('password_encryption') as hash, current_setting('data_checksums') as checksums,
              (select array_agg(distinct auth_method) filter (where type <> 'local')::text from pg_hba_file_rules) as auth,
              (select pg_encoding_to_char(encoding) from pg_database where datname = current_database()) as encoding,
              lower('É') as lower, ('Z' < 'a' and 'z' < 'é')::text as code_points`,
    );
    expect(facts[0]).toMatchObject({
      version: expect.stringContaining(`PostgreSQL ${first.version}`),
      fsync: 'on',
      addresses: '127.0.0.1',
      sockets: '',
      hash: 'scram-sha-256',
      checksums: 'on',
      auth: '{scram-sha-256}',
      encoding: 'UTF8',
      lower: 'é',
      code_points: 'true',
    });
    await first.stop();
    expect(await first.exited).toEqual({ kind: 'stopped' });
    expect(await readdir(dataDir)).not.toContain('posthorn.lock');

    const second = await start(dataDir, { sources: [source] });
    expect(second).toMatchObject({ url: first.url, port: first.port, freshlyStarted: true, lines: [] });
    expect(await query(second.url, 'select answer from kept')).toEqual([{ answer: 42 }]);
    await second.stop();
  });
});

describe('a data directory', () => {
  let dataDir: string;
  beforeAll(async () => {
    dataDir = await temporaryDirectory();
    await (await start(dataDir)).stop();
  });
  afterAll(() => clean(dataDir));

  it('keeps its secrets from other users and from the process list', async () => {
    const postgres = await start(dataDir);
    const password = new URL(postgres.url).password;
    expect(execFileSync('ps', ['-ww', '-eo', 'args'], { encoding: 'utf8' })).not.toContain(password);
    expect((await readFile(join(dataDir, 'postgres.log'), 'utf8')).includes(password)).toBe(false);
    expect(await permissions(join(dataDir, 'postgres.password'))).toBe(0o600);
    expect(await permissions(join(dataDir, 'postgres.log'))).toBe(0o600);
    expect(await permissions(join(dataDir, 'postgres'))).toBe(0o700);
    await expect(query(postgres.url.replace(password, 'wrong'), 'select 1')).rejects.toThrow(
      /password authentication failed/,
    );
    await postgres.stop();
  });

  it("keeps the server out of the terminal's Ctrl-C, so that ours comes first", async () => {
    const postgres = await start(dataDir);
    const group = execFileSync('ps', ['-o', 'pgid=', '-p', String(postgres.pid)], { encoding: 'utf8' });
    expect(Number(group)).toBe(postgres.pid);
    await postgres.stop();
  });

  it('moves to the next free port, and stays there', async () => {
    const before = await start(dataDir);
    await before.stop();
    const release = await occupy(before.port);
    const moved = await start(dataDir);
    expect(moved.port).not.toBe(before.port);
    expect(await query(moved.url, 'select 1 as one')).toEqual([{ one: 1 }]);
    await moved.stop();
    await release();
    const later = await start(dataDir);
    expect(later.port).toBe(moved.port);
    await later.stop();
  });

  it('is used by one process at a time, which the other one names', async () => {
    const elsewhere = startElsewhere(dataDir);
    try {
      const { pid, port, url } = await lineWith(elsewhere, 'url');
      await expect(start(dataDir)).rejects.toMatchObject({
        problem: 'held',
        message: expect.stringContaining(`process ${String(elsewhere.process.pid)}`),
      });
      expect(await readRuntime(dataDir)).toMatchObject({
        holder: { pid: elsewhere.process.pid },
        postmaster: { pid, port },
        url,
      });
    } finally {
      await elsewhere.kill();
    }
    const postgres = await start(dataDir);
    await expect(start(dataDir)).rejects.toMatchObject({
      problem: 'held',
      message: expect.stringContaining('This process'),
    });
    await postgres.stop();
    expect(await readRuntime(dataDir)).toEqual({ holder: undefined, postmaster: undefined, url: undefined });
  });

  it('gets a new password when the file with the old one is lost', async () => {
    const before = await start(dataDir);
    await before.stop();
    await rm(join(dataDir, 'postgres.password'));
    const after = await start(dataDir);
    expect(new URL(after.url).password).not.toBe(new URL(before.url).password);
    expect(await query(after.url, 'select 1 as one')).toEqual([{ one: 1 }]);
    await after.stop();
    expect(
      (await readFile(join(dataDir, 'postgres.log'), 'utf8')).includes(new URL(after.url).password),
    ).toBe(false);
  });

  it('takes other settings at the next start', async () => {
    const postgres = await start(dataDir, { settings: { work_mem: '7MB' } });
    expect(await query(postgres.url, 'show work_mem')).toEqual([{ work_mem: '7MB' }]);
    await postgres.stop();
  });
});

describe('a start that cannot be', () => {
  let directory: string;
  let dataDir: string;
  beforeAll(async () => {
    directory = await temporaryDirectory();
    dataDir = join(directory, 'data');
  });
  afterAll(() => clean(directory, dataDir));

  const plant = async (name: string, text: string): Promise<void> => {
    const cluster = join(dataDir, 'postgres');
    await mkdir(cluster, { recursive: true, mode: 0o700 });
    await writeFile(join(cluster, name), text);
    if (asRoot) await chown(cluster, NOBODY, NOBODY);
  };

  it('is aborted without leaving anything behind', async () => {
    const stop = new AbortController();
    const reason = new Error('enough');
    const log = (line: string): void => {
      if (line.startsWith('Creating')) stop.abort(reason);
    };
    await expect(start(dataDir, { signal: stop.signal, log })).rejects.toBe(reason);
    expect((await readdir(dataDir)).filter((name) => name !== 'postgres.password')).toEqual([]);
  });

  it('names both versions when the data is newer', async () => {
    await plant('PG_VERSION', '99\n');
    await expect(start(dataDir)).rejects.toMatchObject({
      problem: 'version_mismatch',
      message: expect.stringMatching(
        /written by PostgreSQL 99, but here is .*PostgreSQL \d\d.*Install PostgreSQL 99/s,
      ),
    });
  });

  it('never wipes a directory that it did not make', async () => {
    await rm(join(dataDir, 'postgres'), { recursive: true });
    await plant('precious', 'data');
    await expect(start(dataDir)).rejects.toMatchObject({ problem: 'foreign_directory' });
    expect(await readdir(join(dataDir, 'postgres'))).toEqual(['precious']);
    await rm(join(dataDir, 'postgres'), { recursive: true });
  });

  it('says what to do without any PostgreSQL', async () => {
    await expect(start(dataDir, { sources: [] })).rejects.toMatchObject({
      problem: 'no_binaries',
      message: expect.stringContaining('DATABASE_URL'),
    });
  });

  it.runIf(asRoot)('says who may write when it may not', async () => {
    await chmod(dataDir, 0o700);
    const elsewhere = startElsewhere(dataDir, NOBODY);
    const { problem, message } = await lineWith(elsewhere, 'problem');
    await elsewhere.kill();
    await chmod(dataDir, 0o711);
    expect({ problem, message }).toEqual({
      problem: 'not_permitted',
      message: expect.stringContaining(dataDir),
    });
  });

  it.runIf(asRoot && process.platform === 'linux')(
    'says so when the disk is full, and goes on once it is not',
    async (context) => {
      const small = join(directory, 'small');
      await mkdir(small);
      try {
        execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=20m,mode=0711', 'tmpfs', small], { stdio: 'pipe' });
      } catch {
        context.skip('mounting is not allowed here');
      }
      try {
        await expect(start(small)).rejects.toMatchObject({
          problem: 'disk_full',
          message: expect.stringContaining(small),
        });
        execFileSync('mount', ['-o', 'remount,size=200m', small], { stdio: 'pipe' });
        const postgres = await start(small);
        expect(await query(postgres.url, 'select 1 as one')).toEqual([{ one: 1 }]);
        await postgres.stop();
      } finally {
        execFileSync('umount', [small], { stdio: 'pipe' });
      }
    },
  );
});
