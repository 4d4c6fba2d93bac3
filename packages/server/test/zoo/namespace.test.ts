// In a network namespace of its own, with a way out to every address: not one SYN to a forbidden one.
import { execFile, spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import type { Silence } from './silent-sender.ts';

const works = (command: string, ...args: string[]): boolean => spawnSync(command, args).status === 0;
const isRoot = process.platform === 'linux' && process.getuid?.() === 0;
const isCI = Boolean(process.env['CI']);
if (isCI && isRoot && !works('ip', '-V')) {
  spawnSync('apt-get', ['update']);
  spawnSync('apt-get', ['install', '-y', '--no-install-recommends', 'iproute2']);
}
const canIsolate = isRoot && works('ip', '-V') && works('unshare', '--net', 'true');
if (!canIsolate)
  console.warn(
    'NOT TRIED: that no SYN goes to a forbidden address, counted by the kernel. It needs Linux, root, and unshare and ip (util-linux, iproute2).',
  );

it.skipIf(!canIsolate && !isCI)(
  'no connection to a forbidden address is even begun',
  { timeout: 120_000 },
  async () => {
    expect(canIsolate).toBe(true);
    const script = fileURLToPath(new URL('silent-sender.ts', import.meta.url));
    const out = await new Promise<string>((resolve, reject) => {
      execFile('unshare', ['--net', process.execPath, script], (error, stdout, stderr) =>
        error === null ? resolve(stdout) : reject(new Error(`${error.message}\n${stderr}`)),
      );
    });
    const silence = JSON.parse(out) as Silence;
    // It is no wonder that nothing goes out where nothing can: unguarded, most of them are knocked at.
    // Multicast, broadcast and what the kernel itself refuses are the rest.
    expect(silence.reachable).toBeGreaterThan(silence.forbidden * 0.7);
    expect(silence.opens).toEqual({ literals: 0, urls: 0, names: 0, mixed: 0 });
    expect(silence.refused).toBe(silence.attempts);
    expect(silence.attempts).toBeGreaterThan(4 * silence.forbidden);
    // One connection for each public answer, and none for the others.
    expect(silence.rebinding.publicAnswers).toBeGreaterThan(5);
    expect(silence.rebinding.publicAnswers).toBeLessThan(silence.rebinding.attempts);
    expect(silence.rebinding.opens).toBe(silence.rebinding.publicAnswers);
    expect(silence.redirects.opens).toBe(silence.redirects.attempts);
  },
);
