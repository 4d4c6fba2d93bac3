import { link, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { signToken } from './sign-token.ts';

/** What `posthorn dev` makes up on its first start and keeps: later starts show the same token. */
export type DevSecrets = {
  readonly jwtSecret: string;
  readonly mainSecret: string;
  readonly orgId: string;
  readonly token: string;
};

/** The file of the secrets says nothing; the message says what to do. */
export class DamagedSecrets extends Error {
  override readonly name = 'DamagedSecrets';
}

const isDevSecrets = (value: unknown): value is DevSecrets =>
  typeof value === 'object' &&
  value !== null &&
  ['jwtSecret', 'mainSecret', 'orgId', 'token'].every(
    (key) => typeof (value as Record<string, unknown>)[key] === 'string',
  );

export const devSecretsPath = (dataDir: string): string => join(dataDir, 'dev.json');

export const devUrlPath = (dataDir: string): string => join(dataDir, 'dev.url');

/** Where the `posthorn dev` of a data directory listened last; null when it never did. */
export const readDevUrl = async (dataDir: string): Promise<string | null> =>
  (await readFile(devUrlPath(dataDir), 'utf8').catch(() => null))?.trim() ?? null;

/** Tells other commands where to find this `posthorn dev`: its port may not be the usual one. */
export const writeDevUrl = (dataDir: string, url: string): Promise<void> =>
  writeFile(devUrlPath(dataDir), `${url}\n`);

const SECRET_BYTES = 32;

/** New secrets, save those that the settings name. */
export const newDevSecrets = (
  named: { readonly jwtSecret: string | null; readonly mainSecret: string | null },
  orgId: string,
  randomBytes: (count: number) => Buffer,
): DevSecrets => {
  const secret = (): string => randomBytes(SECRET_BYTES).toString('base64url');
  const jwtSecret = named.jwtSecret ?? secret();
  return {
    jwtSecret,
    mainSecret: named.mainSecret ?? secret(),
    orgId,
    token: signToken(jwtSecret, { sub: orgId }),
  };
};

/**
 * The secrets in a data directory; null when there are none.
 *
 * @throws DamagedSecrets when the file is damaged: replacing it would make stored endpoint secrets
 *   unreadable.
 */
export const readDevSecrets = async (dataDir: string): Promise<DevSecrets | null> => {
  const path = devSecretsPath(dataDir);
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null;
    throw error;
  });
  if (text === null) return null;
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    parsed = null;
  }
  if (isDevSecrets(parsed)) return parsed;
  throw new DamagedSecrets(
    `${path} is damaged. It holds the secrets that the data beside it was written with: restore it from a copy, ` +
      `or wipe the data and begin anew with: npx posthorn dev --reset`,
  );
};

/**
 * Reads the secrets, or keeps these new ones (readable by their owner only). The file appears whole or
 * not at all, and of several starters all get the first one's.
 *
 * @param unique Names a temporary file.
 */
export const loadDevSecrets = async (
  dataDir: string,
  unique: string,
  make: () => DevSecrets,
): Promise<DevSecrets> => {
  const known = await readDevSecrets(dataDir);
  if (known !== null) return known;
  const secrets = make();
  const path = devSecretsPath(dataDir);
  const draft = `${path}.${unique}`;
  await mkdir(dataDir, { recursive: true });
  await writeFile(draft, `${JSON.stringify(secrets, null, 2)}\n`, { mode: 0o600, flag: 'wx', flush: true });
  try {
    await link(draft, path);
    return secrets;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    return (await readDevSecrets(dataDir)) ?? secrets;
  } finally {
    await rm(draft, { force: true });
  }
};
