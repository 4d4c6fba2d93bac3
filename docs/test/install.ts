// What the documentation's programs need beyond npm, installed where it is missing and kept under
// node_modules/.cache, so that a second run only looks.
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { alone } from '../../packages/receiver/test/brokers/install.ts';

const execute = promisify(execFile);
const cacheRoot = fileURLToPath(new URL('../../node_modules/.cache/docs/', import.meta.url));

/** The folder for what one language needs; made when it is missing. */
export const cacheFolder = (name: string): string => {
  const folder = join(cacheRoot, name);
  mkdirSync(folder, { recursive: true });
  return folder;
};

/** Runs a command to its end. @throws with all it said */
export const runTool = async (
  command: string,
  args: readonly string[],
  options: { readonly cwd?: string; readonly env?: Record<string, string> } = {},
): Promise<string> => {
  const env = { ...process.env, ...options.env };
  try {
    return (await execute(command, args, { cwd: options.cwd, env, maxBuffer: 64 << 20 })).stdout;
  } catch (error) {
    const { stdout = '', stderr = '' } = error as { stdout?: string; stderr?: string };
    throw new Error(`${command} ${args.join(' ')} failed:\n${stdout}${stderr}`, { cause: error });
  }
};

/** Does something once for these inputs: again only after one of the files has changed. */
export const once = async (
  folder: string,
  inputs: readonly string[],
  make: () => Promise<unknown>,
): Promise<void> => {
  const hash = createHash('sha256');
  for (const input of inputs) hash.update(readFileSync(input));
  const wanted = hash.digest('hex');
  const stamp = join(folder, 'inputs.sha256');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) return;
  // pip and Maven have caches that two processes must not fill at once.
  await alone(make);
  writeFileSync(stamp, wanted);
};

const isOnPath = (program: string): boolean =>
  (process.env['PATH'] ?? '').split(delimiter).some((folder) => existsSync(join(folder, program)));

/** A program is not here and cannot be installed from here. */
export class MissingProgram extends Error {
  override readonly name = 'MissingProgram';
}

/**
 * Makes sure of a program: where it is missing, from Debian's packages.
 *
 * @throws MissingProgram saying what to install by hand
 */
export const needProgram = async (program: string, packages: readonly string[] = []): Promise<void> => {
  if (isOnPath(program)) return;
  if (packages.length === 0) throw new MissingProgram(`${program} is missing. Install it.`);
  if (process.getuid?.() !== 0 || !isOnPath('apt-get'))
    throw new MissingProgram(`${program} is missing. Install it (Debian: ${packages.join(', ')}).`);
  await alone(async () => {
    const env = { DEBIAN_FRONTEND: 'noninteractive' };
    const install = (): Promise<string> =>
      runTool('apt-get', ['install', '-qq', '-y', '--no-install-recommends', ...packages], { env });
    await install().catch(async () => {
      await runTool('apt-get', ['update', '-qq'], { env });
      await install();
    });
  });
};
