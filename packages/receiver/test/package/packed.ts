// The receiver as npm would publish it: compiled, packed, and installed into an empty folder.
import { execFile } from 'node:child_process';
import { copyFile, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);
const PACKAGE = fileURLToPath(new URL('../..', import.meta.url));
const TSC = fileURLToPath(new URL('../../../../node_modules/.bin/tsc', import.meta.url));

export type Packed = {
  readonly tarball: Buffer;
  /** An empty program's folder that has it installed. */
  readonly folder: string;
  readonly remove: () => Promise<void>;
};

export const pack = async (): Promise<Packed> => {
  const root = await mkdtemp(join(tmpdir(), 'posthorn-packed-'));
  const [source, folder] = [join(root, 'source'), join(root, 'program')];
  await mkdir(source);
  await mkdir(folder);
  const target = ['--outDir', join(source, 'dist'), '--tsBuildInfoFile', join(source, 'dist/.tsbuildinfo')];
  await run(TSC, ['-p', PACKAGE, ...target]);
  await copyFile(join(PACKAGE, 'package.json'), join(source, 'package.json'));
  await run('npm', ['pack', '--ignore-scripts', '--pack-destination', root], { cwd: source });
  const name = (await readdir(root)).find((file) => file.endsWith('.tgz'));
  if (name === undefined) throw new Error('npm pack made no package');
  await writeFile(join(folder, 'package.json'), '{ "private": true, "type": "module" }');
  const quiet = ['--offline', '--no-audit', '--no-fund'];
  await run('npm', ['install', ...quiet, join(root, name)], { cwd: folder });
  return {
    tarball: await readFile(join(root, name)),
    folder,
    remove: () => rm(root, { recursive: true, force: true }),
  };
};
