// Runtimes that are too large for everybody's npm ci, kept in node_modules/.cache.
import { execFile } from 'node:child_process';
import { createHash, randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);
const CACHE = fileURLToPath(new URL('../../../../../node_modules/.cache/runtimes/', import.meta.url));

/** A directory whose node_modules holds these packages, without having run their install scripts. */
export const npm = async (...packages: readonly `${string}@${string}`[]): Promise<string> => {
  const target = join(CACHE, createHash('sha256').update(packages.join()).digest('hex').slice(0, 16));
  if (existsSync(target)) return target;
  const draft = join(CACHE, `draft-${randomUUID()}`);
  await mkdir(draft, { recursive: true });
  await writeFile(join(draft, 'package.json'), '{ "private": true, "type": "module" }');
  const options = ['--no-save', '--no-audit', '--no-fund', '--ignore-scripts', '--omit=optional'];
  await run('npm', ['install', ...options, ...packages], { cwd: draft });
  // Another test may have been faster.
  await rename(draft, target).catch(() => rm(draft, { recursive: true }));
  return target;
};
