import { readFile, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { EmbeddedError } from './errors.ts';

/** Whom the server runs as. */
export type Account = { readonly uid: number; readonly gid: number };

const UNSIGNED = 2 ** 32;
const TRADITIONAL_NOBODY = 65_534;

const entry = (table: string, name: string): string[] | undefined =>
  table
    .split('\n')
    .map((line) => line.split(':'))
    .find((fields) => fields[0] === name);

const toId = (text: string | undefined): number | undefined => {
  const id = text === undefined || text === '' ? Number.NaN : Number(text);
  return Number.isInteger(id) ? (id < 0 ? id + UNSIGNED : id) : undefined;
};

/**
 * The unprivileged account by the contents of /etc/passwd and /etc/group.
 *
 * macOS writes nobody's id as -2; it is returned as the unsigned number that the kernel uses.
 */
export const findNobody = (passwd: string, group: string): Account => {
  const user = entry(passwd, 'nobody');
  const uid = toId(user?.[2]) ?? TRADITIONAL_NOBODY;
  const gid = toId((entry(group, 'nogroup') ?? entry(group, 'nobody'))?.[2]) ?? toId(user?.[3]) ?? uid;
  return { uid, gid };
};

const readTable = async (path: string): Promise<string> => {
  try {
    return await readFile(path, 'utf8');
  } catch {
    return '';
  }
};

/**
 * Whom to run the server as; undefined means as ourselves.
 *
 * PostgreSQL refuses to run as root. A cluster that exists keeps its owner; a new one belongs to nobody,
 * because that account is everywhere and creating one is not ours to do.
 */
export const chooseAccount = async (cluster: string, selfUid: number): Promise<Account | undefined> => {
  const owner = await stat(cluster).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  if (selfUid !== 0) {
    if (owner === undefined || owner.uid === selfUid) return undefined;
    throw new EmbeddedError(
      'not_permitted',
      `The database in ${cluster} belongs to user id ${owner.uid}, but Posthorn runs as ${selfUid}. ` +
        'Start it as that user (or as root), or choose another directory with POSTHORN_DATA_DIR.',
    );
  }
  if (owner !== undefined && owner.uid !== 0) return { uid: owner.uid, gid: owner.gid };
  const nobody = findNobody(...(await Promise.all([readTable('/etc/passwd'), readTable('/etc/group')])));
  if (owner === undefined) return nobody;
  throw new EmbeddedError(
    'not_permitted',
    `The database in ${cluster} belongs to root, and PostgreSQL refuses to run as root. ` +
      `Give it back to an unprivileged user, for example: chown -R ${nobody.uid}:${nobody.gid} '${cluster}'`,
  );
};

/** Whether `account` may search `directory` and every directory above it, by owner, group and mode. */
export const canReach = async (directory: string, account: Account | undefined): Promise<boolean> => {
  if (account === undefined) return true;
  const { uid, gid, mode } = await stat(directory);
  const execute = uid === account.uid ? 0o100 : gid === account.gid ? 0o010 : 0o001;
  if ((mode & execute) === 0) return false;
  const parent = dirname(directory);
  return parent === directory || (await canReach(parent, account));
};
