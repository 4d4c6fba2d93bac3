import { spawnSync } from 'node:child_process';
import { existsSync, globSync } from 'node:fs';

/** What a fault cannot do without. */
export type Need = 'root' | 'libfaketime';

/** Where distributions put it: Debian, Fedora, by hand. */
const PLACES = [
  '/usr/lib/*/faketime/libfaketimeMT.so.1',
  '/usr/lib{,64}/faketime/libfaketimeMT.so.1',
  '/usr/local/lib/faketime/libfaketimeMT.so.1',
];

export const findLibfaketime = (): string | null => globSync(PLACES)[0] ?? null;

const isRoot = (): boolean => process.platform === 'linux' && process.getuid?.() === 0;

const install = (log: (line: string) => void): void => {
  if (!isRoot() || !existsSync('/usr/bin/apt-get')) return;
  log('installing libfaketime (apt-get install faketime)');
  spawnSync('apt-get', ['update'], { stdio: 'ignore' });
  spawnSync('apt-get', ['install', '-y', '--no-install-recommends', 'faketime'], { stdio: 'ignore' });
};

/** Why the need cannot be met here, and how it could; null when it is met. Installs what it may install. */
export const unmet = (need: Need, log: (line: string) => void): string | null => {
  switch (need) {
    case 'root':
      return isRoot() ? null : 'it mounts a small disk: run it as root on Linux';
    case 'libfaketime':
      if (findLibfaketime() === null) install(log);
      return findLibfaketime() === null
        ? 'libfaketime is not here: install it (Debian: apt-get install faketime), or run this as root'
        : null;
    default:
      return need satisfies never;
  }
};
