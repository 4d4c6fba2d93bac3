// What tests need beyond npm: Debian's packages and jars from Maven Central, kept in node_modules/.cache.
import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, open, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);
const CACHE = fileURLToPath(new URL('../../../../node_modules/.cache/brokers/', import.meta.url));
const PATIENCE_MS = 180_000;
const POLL_MS = 100;

const alive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

/** One process at a time installs; the lock of a dead one does not count. */
export const alone = async <T>(work: () => Promise<T>): Promise<T> => {
  await mkdir(CACHE, { recursive: true });
  const path = join(CACHE, 'installing.lock');
  const deadline = AbortSignal.timeout(PATIENCE_MS);
  for (;;) {
    try {
      const file = await open(path, 'wx');
      await file.writeFile(String(process.pid));
      await file.close();
      break;
    } catch {
      const holder = Number(await readFile(path, 'utf8').catch(() => ''));
      if (holder > 0 && !alive(holder)) await rm(path, { force: true });
      deadline.throwIfAborted();
      await sleep(POLL_MS);
    }
  }
  try {
    return await work();
  } finally {
    await rm(path, { force: true });
  }
};

/** The first of the paths that exists; if none does, after installing the package of Debian. */
export const debian = async (name: string, ...paths: string[]): Promise<string> => {
  const found = (): string | undefined => paths.find((path) => existsSync(path));
  if (found() === undefined)
    await alone(async () => {
      if (found() !== undefined) return;
      const install = (): Promise<unknown> =>
        run('apt-get', ['install', '-y', '--no-install-recommends', name], {
          // Or it would start the service with the package.
          env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' },
        });
      await install().catch(async () => {
        await run('apt-get', ['update']);
        await install();
      });
    });
  const path = found();
  if (path === undefined) throw new Error(`${name} was installed without ${paths.join(' or ')}`);
  return path;
};

/** A directory with a jar of Maven Central and all that it needs. */
export const maven = async (group: string, artifact: string, version: string): Promise<string> => {
  const target = join(CACHE, `${artifact}-${version}`);
  if (existsSync(target)) return target;
  const mvn = await debian('maven', '/usr/bin/mvn', '/usr/share/maven/bin/mvn');
  return alone(async () => {
    if (existsSync(target)) return target;
    const draft = join(CACHE, `draft-${randomUUID()}`);
    await mkdir(draft);
    await writeFile(
      join(draft, 'pom.xml'),
      `<project><modelVersion>4.0.0</modelVersion>
<groupId>test</groupId><artifactId>test</artifactId><version>1</version>
<dependencies><dependency><groupId>${group}</groupId><artifactId>${artifact}</artifactId><version>${version}</version></dependency></dependencies>
</project>`,
    );
    const goal = 'org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies';
    const options = [`-DoutputDirectory=${join(draft, 'jars')}`, '-DincludeScope=runtime'];
    await run(mvn, ['-q', '-B', '-f', join(draft, 'pom.xml'), goal, ...options]);
    if ((await readdir(join(draft, 'jars'))).length === 0) throw new Error(`Maven brought no ${artifact}`);
    await rename(join(draft, 'jars'), target);
    await rm(draft, { recursive: true });
    return target;
  });
};
