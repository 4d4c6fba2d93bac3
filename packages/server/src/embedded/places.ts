import { homedir } from 'node:os';
import { isAbsolute, join } from 'node:path';

/** What lies where inside a data directory. */
export type Layout = {
  readonly dataDir: string;
  /** PostgreSQL's own directory. It appears by a rename, so it is whole as soon as it exists. */
  readonly cluster: string;
  readonly password: string;
  readonly record: string;
  readonly lock: string;
  readonly log: string;
  readonly binaries: string;
};

export const layout = (dataDir: string): Layout => ({
  dataDir,
  cluster: join(dataDir, 'postgres'),
  password: join(dataDir, 'postgres.password'),
  record: join(dataDir, 'postgres.json'),
  lock: join(dataDir, 'posthorn.lock'),
  log: join(dataDir, 'postgres.log'),
  binaries: join(dataDir, 'binaries'),
});

/** Data of a system-wide Posthorn: reachable for the unprivileged account, which root's home is not. */
export const SYSTEM_DATA_DIR = '/var/lib/posthorn';

/**
 * Where data lives unless the operator says otherwise.
 *
 * `uid` is the process's user id (0 for root). A relative XDG_DATA_HOME is ignored, as the XDG Base
 * Directory specification demands.
 */
export const defaultDataDir = (
  uid: number | undefined,
  from: { readonly platform?: string; readonly home?: string; readonly xdgDataHome?: string | undefined },
): string => {
  if (uid === 0) return SYSTEM_DATA_DIR;
  const home = from.home ?? homedir();
  if ((from.platform ?? process.platform) === 'darwin')
    return join(home, 'Library/Application Support/posthorn');
  const xdg = from.xdgDataHome;
  return join(xdg !== undefined && isAbsolute(xdg) ? xdg : join(home, '.local/share'), 'posthorn');
};
