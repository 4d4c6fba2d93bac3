import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { acquireLock, parseHolder, readLock } from './lock.ts';
import { identityOf } from './processes.ts';

const unique = (): string => randomBytes(6).toString('hex');

describe('the lock of a data directory', () => {
  let directory: string;
  let path: string;
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'posthorn-lock-'));
    path = join(directory, 'posthorn.lock');
  });
  afterEach(() => rm(directory, { recursive: true, force: true }));

  const plant = async (holder: unknown): Promise<void> => writeFile(path, JSON.stringify(holder));

  it('is held by one, named, and free after its release', async () => {
    const first = await acquireLock(path, unique());
    if (first.kind !== 'acquired') throw new Error(first.kind);
    const holder = { pid: process.pid, identity: await identityOf(process.pid) };
    expect(await acquireLock(path, unique())).toEqual({ kind: 'held', holder });
    expect(await readLock(path)).toMatchObject({ ...holder, sinceMs: expect.any(Number) });
    await first.release();
    expect(await readLock(path)).toBeUndefined();
    expect(await readdir(directory)).toEqual([]);
    expect((await acquireLock(path, unique())).kind).toBe('acquired');
  });

  it('is not released by one who lost it', async () => {
    const first = await acquireLock(path, unique());
    await rm(path);
    await acquireLock(path, unique());
    const held = await readFile(path, 'utf8');
    if (first.kind === 'acquired') await first.release();
    expect(await readFile(path, 'utf8')).toBe(held);
  });

  it.each([
    ['of a process that is gone', { pid: 2 ** 22 + 1, identity: 'boot:1' }],
    ['whose process number another process has by now', { pid: process.pid, identity: 'boot:1' }],
    ['that is damaged', {}],
  ])('counts for nothing %s', async (_name, holder) => {
    await plant(holder);
    expect(await readLock(path)).toBeUndefined();
    expect((await acquireLock(path, unique())).kind).toBe('acquired');
    expect(await readdir(directory)).toEqual(['posthorn.lock']);
  });

  it('passes over a clearer that died in the middle', async () => {
    const stale = JSON.stringify({ pid: 2 ** 22 + 1, identity: 'boot:1' });
    await writeFile(path, stale);
    const { createHash } = await import('node:crypto');
    const right = `${path}.clear-${createHash('sha256').update(stale).digest('hex').slice(0, 16)}`;
    await writeFile(right, JSON.stringify({ pid: 2 ** 22 + 2, identity: 'boot:2' }));
    expect((await acquireLock(path, unique())).kind).toBe('acquired');
  });

  it('goes to exactly one of many who find it stale at once', async () => {
    for (let round = 0; round < 50; round += 1) {
      await plant({ pid: 2 ** 22 + 1, identity: `boot:${round}` });
      const answers = await Promise.all(Array.from({ length: 8 }, () => acquireLock(path, unique())));
      expect(answers.filter(({ kind }) => kind === 'acquired')).toHaveLength(1);
      expect(await readdir(directory)).toEqual(['posthorn.lock']);
    }
  });

  it('goes to exactly one of several processes', async () => {
    await plant({ pid: 2 ** 22 + 1, identity: 'boot:1' });
    const program = `import { acquireLock } from ${JSON.stringify(new URL('./lock.ts', import.meta.url).href)};
      const { kind } = await acquireLock(${JSON.stringify(path)}, String(process.pid));
      process.stdout.write(kind + '\\n');
      process.stdin.resume();`;
    const children = Array.from({ length: 4 }, () =>
      spawn(process.execPath, ['--input-type=module', '-e', program], { stdio: ['pipe', 'pipe', 'inherit'] }),
    );
    try {
      const answers = await Promise.all(
        children.map(
          (child) =>
            new Promise<string>((resolve) =>
              child.stdout.once('data', (data: Buffer) => resolve(String(data).trim())),
            ),
        ),
      );
      expect(answers.toSorted()).toEqual(['acquired', 'held', 'held', 'held']);
    } finally {
      for (const child of children) child.kill('SIGKILL');
    }
  });
});

describe('parseHolder', () => {
  it.each(['', '{', 'null', '7', '{"pid":0,"identity":"x"}', '{"pid":1}'])('finds none in %j', (text) => {
    expect(parseHolder(text)).toBeUndefined();
  });
});
