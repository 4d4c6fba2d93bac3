import { execFile, spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { parseMoment } from './moment.ts';

const main = fileURLToPath(new URL('main.ts', import.meta.url));
const run = (...args: string[]): Promise<{ code: number; out: string; err: string }> =>
  new Promise((resolve) => {
    execFile(process.execPath, [main, ...args], (error, out, err) =>
      resolve({ code: error === null ? 0 : Number(error.code), out, err }),
    );
  });

const canShift =
  process.platform === 'linux' &&
  process.getuid?.() === 0 &&
  spawnSync('cc', ['--version']).status === 0 &&
  spawnSync('unshare', ['--mount', 'true']).status === 0;
if (!canShift)
  console.warn(
    'NOT TRIED: the shifted wall clock. It needs Linux, root, unshare (util-linux) and a C compiler.',
  );

it.each([
  ['23:58', '2026-05-17T23:58:00Z'],
  ['00:00:30', '2026-05-17T00:00:30Z'],
  ['2026-12-31T23:58', '2026-12-31T23:58:00Z'],
  ['2028-02-29T23:59:59', '2028-02-29T23:59:59Z'],
])('reads %s', (text, at) => {
  expect(parseMoment(text, Date.parse('2026-05-17T08:00:00.123Z'))).toBe(Date.parse(at));
});

it.each(['', '24:00', '9:00', '23:60', '2026-02-30T10:00', '2026-02-01', 'noon'])('refuses "%s"', (text) => {
  expect(parseMoment(text, 0)).toBeNull();
});

it('says what it cannot do', async () => {
  for (const wrong of [[], ['noon', 'date'], ['23:58']]) {
    expect(await run(...wrong)).toMatchObject({
      code: 2,
      out: '',
      err: expect.stringMatching(/^wall-clock: /),
    });
  }
});

it.skipIf(!canShift)('shifts the clock of all that it starts, and of nothing else', async () => {
  // With an environment of its own, as PostgreSQL's programs are started.
  const { code, out } = await run(
    '2027-01-31T23:58',
    'env',
    '-i',
    process.execPath,
    '-p',
    'new Date().toISOString()',
  );
  expect([code, out]).toEqual([0, expect.stringMatching(/^2027-01-31T23:5[89]:/)]);
  expect((await run('--', '23:58', 'true')).code).toBe(2);
  expect((await run('23:58', '--', 'sh', '-c', 'exit 7')).code).toBe(7);
  expect(new Date().toISOString()).not.toMatch(/^2027-01-31T/);
});
