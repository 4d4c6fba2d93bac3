// The launcher in a copy of the repository's layout: what an old Node is told, and that signals,
// arguments and exit codes pass through to the Node that takes over.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';

const launcher = fileURLToPath(new URL('../packages/server/bin/posthorn.js', import.meta.url));

/** Makes this test's Node say that it is version 20: preloaded, so the launcher cannot tell. */
const OLD_NODE = `Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '20.20.2' } });
Object.defineProperty(process, 'version', { value: 'v20.20.2' });`;

/** Prints one JSON line per event; `exit N` as arguments ends it with that code. */
const PROGRAM = `
const say = (event, more = {}): void => console.log(JSON.stringify({ event, pid: process.pid, ...more }));
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => say(signal));
process.on('SIGHUP', () => process.exit(7));
if (process.argv[2] === 'exit') process.exit(Number(process.argv[3]));
say('up', { argv: process.argv.slice(2), env: process.env['POSTHORN_RELAUNCHED'] ?? null, node: process.version });
setInterval(() => {}, 1000);
`;

type Said = { readonly event: string; readonly pid: number; readonly [more: string]: unknown };

let root: string;
let started: { readonly child: ChildProcess; readonly said: readonly Said[] }[];

const write = (path: string, text: string, mode = 0o644): void => {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), text, { mode });
};

const install = (folder: string, entry: string): string => {
  const bin = join(root, folder, 'bin/posthorn.js');
  mkdirSync(dirname(bin), { recursive: true });
  cpSync(launcher, bin);
  write(join(folder, 'package.json'), '{ "type": "module" }');
  write(join(folder, entry), PROGRAM);
  return bin;
};

const asOldNode = (): string[] => ['--require', join(root, 'old-node.cjs')];

const bringNode = (): void =>
  write('node_modules/.bin/node', `#!/bin/sh\nexec ${JSON.stringify(process.execPath)} "$@"\n`, 0o755);

const start = async (args: readonly string[]): Promise<{ child: ChildProcess; said: Said[] }> => {
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'], detached: true });
  const said: Said[] = [];
  started.push({ child, said });
  createInterface({ input: child.stdout }).on('line', (line) => said.push(JSON.parse(line)));
  await vi.waitFor(() => expect(said[0]?.event).toBe('up'), { timeout: 10_000 });
  return { child, said };
};

const isAlive = (pid: number): boolean => {
  const stat = `/proc/${pid}/stat`;
  if (existsSync('/proc/self/stat'))
    return existsSync(stat) && !/^\d+ \(.*\) Z/.test(readFileSync(stat, 'utf8'));
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
};

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'posthorn-launcher-'));
  started = [];
  write('old-node.cjs', OLD_NODE);
});

afterEach(() => {
  for (const { child, said } of started)
    for (const pid of new Set([...said.map((line) => line.pid), child.pid!]))
      if (isAlive(pid)) process.kill(pid, 'SIGKILL');
  rmSync(root, { recursive: true, force: true });
});

it('runs the source in the repository, in the same process', async () => {
  const bin = install('packages/server', 'src/main.ts');
  const { child, said } = await start([bin, 'dev', '--json']);
  expect(said[0]).toMatchObject({ pid: child.pid, argv: ['dev', '--json'], env: null });
});

it('runs the build where it is installed, source or not', async () => {
  const bin = install('node_modules/posthorn', 'dist/main.js');
  write('node_modules/posthorn/src/main.ts', 'process.exit(3);');
  write('node_modules/posthorn/dist/main.js', PROGRAM.replace(': void', '').replace(' as const', ''));
  const { said } = await start([bin, 'start']);
  expect(said[0]).toMatchObject({ argv: ['start'] });
});

it('hands over from an old Node to the one that the repository brings', async () => {
  const bin = install('packages/server', 'src/main.ts');
  bringNode();
  const { child, said } = await start([...asOldNode(), bin, 'dev', '--reset']);
  expect(said[0]).toMatchObject({ argv: ['dev', '--reset'], env: null, node: process.version });
  expect(said[0]?.pid).not.toBe(child.pid);
});

it.each(['SIGINT', 'SIGTERM'] as const)(
  'passes %s on once, also when the terminal sends it to all',
  async (signal) => {
    const bin = install('packages/server', 'src/main.ts');
    bringNode();
    const { child, said } = await start([...asOldNode(), bin]);
    process.kill(-child.pid!, signal);
    await vi.waitFor(() => expect(said).toHaveLength(2), { timeout: 10_000 });
    child.kill('SIGHUP');
    expect(await once(child, 'close')).toEqual([7, null]);
    expect(said.map(({ event }) => event)).toEqual(['up', signal]);
  },
);

it('gives the exit code back', () => {
  const bin = install('packages/server', 'src/main.ts');
  bringNode();
  expect(spawnSync(process.execPath, [...asOldNode(), bin, 'exit', '42']).status).toBe(42);
});

it('dies of the signal that its program died of', async () => {
  const bin = install('packages/server', 'src/main.ts');
  bringNode();
  const { child, said } = await start([...asOldNode(), bin]);
  process.kill(said[0]!.pid, 'SIGKILL');
  expect(await once(child, 'close')).toEqual([null, 'SIGKILL']);
});

it('does not leave its program behind when it is killed', async () => {
  const bin = install('packages/server', 'src/main.ts');
  bringNode();
  write('packages/server/src/main.ts', PROGRAM.replace(`['SIGINT', 'SIGTERM']`, `['SIGINT']`));
  const { child, said } = await start([...asOldNode(), bin]);
  child.kill('SIGKILL');
  await vi.waitFor(() => expect(isAlive(said[0]!.pid)).toBe(false), { timeout: 10_000 });
});

it.each([
  ['installed', 'node_modules/posthorn', 'install Node 24'],
  ['in a clone before npm ci', 'packages/server', 'npm ci'],
])('says in one line what an old Node needs: %s', (_, folder, how) => {
  const bin = install(folder, 'src/main.ts');
  const { status, stdout, stderr } = spawnSync(process.execPath, [...asOldNode(), bin, 'dev'], {
    encoding: 'utf8',
  });
  expect({ status, stdout }).toEqual({ status: 1, stdout: '' });
  expect(stderr.trim().split('\n')).toHaveLength(1);
  expect(stderr).toContain('22.19');
  expect(stderr).toContain('v20.20.2');
  expect(stderr).toContain(how);
});

it('says the same when the Node that the repository brings does not run or is old too', () => {
  const bin = install('packages/server', 'src/main.ts');
  const run = (): string => spawnSync(process.execPath, [...asOldNode(), bin], { encoding: 'utf8' }).stderr;
  write('node_modules/.bin/node', '#!/no/such/interpreter\n', 0o755);
  expect(run()).toMatch(/^posthorn needs Node 22\.19 .*\n$/);
  const preload = asOldNode()
    .map((part) => JSON.stringify(part))
    .join(' ');
  write(
    'node_modules/.bin/node',
    `#!/bin/sh\nexec ${JSON.stringify(process.execPath)} ${preload} "$@"\n`,
    0o755,
  );
  expect(run()).toMatch(/^posthorn needs Node 22\.19 .*install Node 24.*\n$/);
});
