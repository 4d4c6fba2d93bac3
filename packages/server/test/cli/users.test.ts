// `posthorn dev` as an ordinary user, and below directories that its database's account may not enter.
import { access, chmod, chown, mkdir, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { expect, it } from 'vitest';
import { canReach } from '../../src/embedded/account.ts';
import { freePort } from '../ports.ts';
import { devFacts, launcher, posthorn, postgresOf, temporaryDirectory } from './posthorn.ts';

const NOBODY = 65_534;
const isRoot = process.getuid?.() === 0;
const nobody = isRoot && (await canReach(dirname(launcher), { uid: NOBODY, gid: NOBODY }));
if (isRoot && !nobody)
  console.log(`posthorn dev as another user: not tried, because ${launcher} is out of its reach`);

it('works for an ordinary user, in their home', async () => {
  const home = await temporaryDirectory();
  if (nobody) await chown(home, NOBODY, NOBODY);
  const dataDir =
    process.platform === 'darwin'
      ? join(home, 'Library/Application Support/posthorn')
      : join(home, '.local/share/posthorn');
  const command = posthorn(['dev', '--json'], {
    env: {
      HOME: home,
      POSTHORN_LISTEN: `127.0.0.1:${await freePort()}`,
      // Root that may not become somebody else still tries the rest.
      ...(isRoot && !nobody ? { POSTHORN_DATA_DIR: dataDir } : {}),
    },
    ...(nobody ? { uid: NOBODY } : {}),
  });
  const facts = await command.said(devFacts);
  expect(facts).toMatchObject({ dataDir, demo: { kind: 'delivered', verified: true } });
  const { mode, uid } = await stat(join(dataDir, 'dev.json'));
  expect({ mode: mode & 0o777, uid }).toEqual({ mode: 0o600, uid: nobody ? NOBODY : process.getuid?.() });
  command.signal('SIGINT');
  expect(await command.ended).toEqual({ code: 0, signal: null });
  expect(await postgresOf(dataDir)).toEqual([]);
});

it('works below a directory that only its user may enter', async () => {
  const home = await temporaryDirectory();
  await chmod(home, 0o700);
  const dataDir = join(home, 'a/b/data');
  const command = posthorn(['dev', '--json'], {
    env: { POSTHORN_DATA_DIR: dataDir, POSTHORN_LISTEN: `127.0.0.1:${await freePort()}` },
  });
  expect(await command.said(devFacts)).toMatchObject({
    dataDir,
    demo: { kind: 'delivered', verified: true },
  });
  command.signal('SIGINT');
  expect(await command.ended).toEqual({ code: 0, signal: null });
  expect((await stat(home)).mode & 0o777).toBe(0o700);
});

it('says who may write where it may not', async () => {
  const directory = await temporaryDirectory();
  const dataDir = join(directory, 'data');
  await mkdir(dataDir);
  if (nobody) {
    await chmod(dataDir, 0o700);
  } else {
    await chmod(dataDir, 0o500);
    // Root may write everywhere; then there is nothing to refuse.
    if (isRoot) return;
  }
  const command = posthorn(['dev'], {
    env: { HOME: directory, POSTHORN_DATA_DIR: dataDir },
    ...(nobody ? { uid: NOBODY } : {}),
  });
  expect(await command.ended).toEqual({ code: 1, signal: null });
  expect(command.err()).toMatch(new RegExp(`^posthorn: .*${dataDir}.*\\n$`));
  expect(command.err()).toContain('POSTHORN_DATA_DIR');
  await expect(access(join(dataDir, 'dev.json'))).rejects.toThrow();
});
