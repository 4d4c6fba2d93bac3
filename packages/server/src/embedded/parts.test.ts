import { spawn } from 'node:child_process';
import { chmod, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { canReach, findNobody } from './account.ts';
import { type Binaries, parseVersion, pickBinaries } from './binaries.ts';
import { EmbeddedError, explain, problemInOutput } from './errors.ts';
import { parsePidFile, withPid } from './pid-file.ts';
import { defaultDataDir } from './places.ts';
import { answers, freePorts } from './port.ts';
import { identityOf, parseStat } from './processes.ts';
import { asArguments, serverSettings } from './settings.ts';

describe('defaultDataDir', () => {
  it.each([
    [0, { platform: 'linux', home: '/root', xdgDataHome: '/x' }, '/var/lib/posthorn'],
    [1000, { platform: 'linux', home: '/home/a' }, '/home/a/.local/share/posthorn'],
    [1000, { platform: 'linux', home: '/home/a', xdgDataHome: '/data' }, '/data/posthorn'],
    [1000, { platform: 'linux', home: '/home/a', xdgDataHome: 'relative' }, '/home/a/.local/share/posthorn'],
    [501, { platform: 'darwin', home: '/Users/a' }, '/Users/a/Library/Application Support/posthorn'],
  ])('for user %i of %j is %s', (uid, from, expected) => {
    expect(defaultDataDir(uid, from)).toBe(expected);
  });
});

describe('findNobody', () => {
  it.each([
    [
      'Debian',
      'root:x:0:0::/root:/bin/sh\nnobody:x:65534:65534::/:/bin/false\n',
      'nogroup:x:65533:\n',
      65_534,
      65_533,
    ],
    ['Fedora', 'nobody:x:65534:65534::/:/bin/false\n', 'nobody:x:65532:\n', 65_534, 65_532],
    ['macOS', 'nobody:*:-2:-2::/:/usr/bin/false\n', '', 4_294_967_294, 4_294_967_294],
    ['an empty table', '', '', 65_534, 65_534],
  ])('knows %s', (_name, passwd, group, uid, gid) => {
    expect(findNobody(passwd, group)).toEqual({ uid, gid });
  });
});

describe('canReach', () => {
  it('asks every directory on the way, by owner, group and others', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'posthorn-reach-'));
    try {
      const inner = join(directory, 'a/b');
      await mkdir(inner, { recursive: true });
      const [owner, other] = [
        { uid: process.getuid?.() ?? 0, gid: 12_345 },
        { uid: 54_321, gid: 12_345 },
      ];
      expect([
        await canReach(inner, owner),
        await canReach(inner, other),
        await canReach(inner, undefined),
      ]).toEqual([true, false, true]);
      await chmod(directory, 0o711);
      expect(await canReach(inner, other)).toBe(true);
      await chmod(join(directory, 'a'), 0o700);
      expect([await canReach(inner, owner), await canReach(inner, other)]).toEqual([true, false]);
    } finally {
      await rm(directory, { recursive: true });
    }
  });
});

describe('parseVersion', () => {
  it.each([
    ['postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)', { version: '15.18', major: 15 }],
    ['postgres (PostgreSQL) 18.4', { version: '18.4', major: 18 }],
    ['postgres (PostgreSQL) 19beta1', { version: '19beta1', major: 19 }],
    ['error while loading shared libraries: libicuuc.so.60', undefined],
  ])('reads %j', (output, expected) => {
    expect(parseVersion(output)).toEqual(expected);
  });
});

describe('pickBinaries', () => {
  const binaries = (major: number): Binaries => ({
    source: 'system',
    directory: `/${major}`,
    major,
    version: `${major}.1`,
    lz4: true,
  });
  const majors = fc.array(fc.integer({ min: 9, max: 22 }), { maxLength: 6 });

  it.each([
    [[15, 17], undefined, 17],
    [[14], undefined, undefined],
    [[16, 19], undefined, 16],
    [[19], undefined, 19],
    [[15, 17], 15, 15],
    [[15, 17], 16, undefined],
    [[14], 14, 14],
  ])('of %j for a cluster of %s takes %s', (found, wanted, expected) => {
    expect(pickBinaries(found.map(binaries), wanted)?.major).toBe(expected);
  });

  it('never runs a cluster with another major version', () => {
    fc.assert(
      fc.property(majors, fc.integer({ min: 9, max: 22 }), (found, wanted) => {
        expect(pickBinaries(found.map(binaries), wanted)?.major).toBe(
          found.includes(wanted) ? wanted : undefined,
        );
      }),
    );
  });
});

describe('parsePidFile', () => {
  const text = '4711\n/data/postgres\n1795358457\n15432\n\n127.0.0.1\n  9988066     32788\nready   \n';

  it('reads a running server, and one that is not that far yet', () => {
    expect(parsePidFile(text)).toEqual({ pid: 4711, port: 15_432, status: 'ready' });
    expect(parsePidFile('4711\n/data/postgres\n1795358457\n')).toEqual({
      pid: 4711,
      port: 0,
      status: 'unknown',
    });
  });

  it.each(['', '\n', 'x\n', '-4711\n', '0\n'])('reads nothing in %j', (damaged) => {
    expect(parsePidFile(damaged)).toBeUndefined();
  });

  it('keeps all but the number when that is replaced', () => {
    expect(withPid(text, 7)).toBe(text.replace('4711', '7'));
    fc.assert(fc.property(fc.string(), (any) => parsePidFile(withPid(any, 7))?.pid === 7));
  });
});

describe('processes', () => {
  it('reads a name with blanks and parentheses', () => {
    const rest = Array.from({ length: 19 }, (_, index) => String(index)).join(' ');
    expect(parseStat(`1 (a) b (c) S ${rest}`)).toEqual({ state: 'S', startTicks: '18' });
    expect(parseStat('')).toBeUndefined();
  });

  it('have an identity as long as they live', async () => {
    const child = spawn('sleep', ['60'], { stdio: 'ignore' });
    const pid = child.pid ?? 0;
    const identity = await identityOf(pid);
    expect(identity).toEqual(expect.any(String));
    expect(await identityOf(pid)).toBe(identity);
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await ended;
    expect(await identityOf(pid)).toBeUndefined();
  });
});

describe('ports', () => {
  const listen = async (greet: string): Promise<{ port: number; close: () => void }> => {
    const server = createServer((socket) =>
      socket.on('error', () => {}).once('data', () => greet !== '' && socket.write(greet)),
    );
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    return {
      port: typeof address === 'object' && address !== null ? address.port : 0,
      close: () => server.close(),
    };
  };

  it.each([
    ['N', true],
    ['S', true],
    ['HTTP/1.1 400 Bad Request\r\n', false],
    ['', false],
  ])('that answer %j: PostgreSQL %s', async (greet, expected) => {
    const { port, close } = await listen(greet);
    expect(await answers(port, 200)).toBe(expected);
    close();
    if (greet === '') expect(await answers(port, 200)).toBe(false);
  });

  it('that are busy are passed over', async () => {
    const { port, close } = await listen('');
    const found: number[] = [];
    for await (const free of freePorts([port])) {
      found.push(free);
      if (found.length === 60) break;
    }
    close();
    expect(found).not.toContain(port);
    expect(found).toHaveLength(60);
  });
});

describe('errors', () => {
  it('sort what PostgreSQL and the file system say', () => {
    expect(
      problemInOutput('FATAL:  could not write lock file "postmaster.pid": No space left on device'),
    ).toBe('disk_full');
    expect(problemInOutput('initdb: error: could not create directory: Permission denied')).toBe(
      'not_permitted',
    );
    expect(problemInOutput('spawn /usr/bin/postgres EPERM')).toBe('not_permitted');
    expect(problemInOutput('something else')).toBe('failed');
    const full = Object.assign(new Error('ENOSPC: no space left'), { code: 'ENOSPC' });
    expect(explain(full, '/d')).toMatchObject({ problem: 'disk_full', cause: full });
    const other = new Error('other');
    expect(explain(other, '/d')).toBe(other);
    expect(explain(Object.assign(new Error('EROFS'), { code: 'EROFS' }), '/d')).toBeInstanceOf(EmbeddedError);
  });
});

describe('settings', () => {
  it('are overridden by name', () => {
    expect(serverSettings({ lz4: false }, { jit: 'on' })).toMatchObject({
      jit: 'on',
      wal_compression: 'pglz',
      fsync: 'on',
    });
    expect(serverSettings({ lz4: true })).toMatchObject({ wal_compression: 'lz4' });
    expect(asArguments({ a: '1', b: '' })).toEqual(['-c', 'a=1', '-c', 'b=']);
  });
});
