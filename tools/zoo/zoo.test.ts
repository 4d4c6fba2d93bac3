// The zoo as a program of its own, and its page. What Posthorn makes of it: packages/server/test/zoo.
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { connect as connectTls } from 'node:tls';
import { expect, it, onTestFinished } from 'vitest';
import { exhibits, zooMarkdown } from './zoo.ts';

const main = fileURLToPath(new URL('main.ts', import.meta.url));

const run = (...args: string[]): Promise<{ code: number; out: string; err: string }> =>
  new Promise((resolve) => {
    execFile(process.execPath, [main, ...args], (error, out, err) =>
      resolve({ code: error === null ? 0 : Number(error.code), out, err }),
    );
  });

it('has its page', async () => {
  await expect(zooMarkdown()).toMatchFileSnapshot('../../docs/zoo.md');
});

it('lists what there is, and says what it does not know', async () => {
  const { code, out } = await run('--list');
  expect(code).toBe(0);
  for (const { name } of exhibits) expect(out).toContain(` ${name} `);
  expect(out).toContain('loop');
  expect((await run('--list', '--only', 'gone')).out.trim().split('\n')).toHaveLength(2);
  for (const wrong of [['--only', 'lion'], ['--nonsense'], ['--tarpit', 'long']]) {
    const refused = await run(...wrong);
    expect(refused).toMatchObject({ code: 2, out: '', err: expect.stringMatching(/^zoo: /) });
  }
});

type Facts = {
  readonly urls: Readonly<Record<string, string>>;
  readonly healthy: string;
  readonly certificate: string;
};

const open = async (...args: string[]): Promise<{ facts: Facts; child: ChildProcess }> => {
  const child = spawn(process.execPath, [main, '--json', ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  onTestFinished(() => void child.kill('SIGKILL'));
  let said = '';
  for await (const chunk of child.stdout.setEncoding('utf8'))
    if ((said += chunk as string).endsWith('\n')) break;
  return { facts: JSON.parse(said) as Facts, child };
};

it('opens its exhibits for any sender, survives it, and closes', async () => {
  const { facts, child } = await open('--only', 'garbage,gone,tls-expired');
  onTestFinished(() => rm(dirname(facts.certificate), { recursive: true }));
  expect(Object.keys(facts.urls)).toEqual(['garbage', 'gone', 'tls-expired']);
  await expect(fetch(facts.urls['garbage']!, { method: 'POST', body: '{}' })).rejects.toThrow('fetch failed');
  expect((await fetch(facts.urls['gone']!, { method: 'POST', body: '{}' })).status).toBe(410);
  const { port } = new URL(facts.urls['tls-expired']!);
  const reset = connect(Number(port), '127.0.0.1', () => reset.resetAndDestroy());
  await new Promise((resolve) => reset.once('close', resolve));
  const why = await new Promise<string | undefined>((resolve) => {
    const ca = readFileSync(facts.certificate);
    connectTls({ host: '127.0.0.1', port: Number(port), ca }).once('error', (error: NodeJS.ErrnoException) =>
      resolve(error.code),
    );
  });
  expect(why).toBe('CERT_HAS_EXPIRED');
  expect((await fetch(facts.healthy, { method: 'POST', body: '{}' })).status).toBe(200);
  child.kill('SIGTERM');
  expect(await new Promise((resolve) => child.once('exit', resolve))).toBe(0);
});
