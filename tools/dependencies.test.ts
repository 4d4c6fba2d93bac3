// docs/dependencies.md says of every runtime dependency why it is there, and how much it brings.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { closureOf, installedBytes, nameOf, readLock, repository } from './lock-file.ts';

type Manifest = {
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
  readonly peerDependencies?: Readonly<Record<string, string>>;
};
const manifest = (folder: string): Manifest =>
  JSON.parse(readFileSync(join(repository, 'packages', folder, 'package.json'), 'utf8')) as Manifest;

const page = readFileSync(join(repository, 'docs/dependencies.md'), 'utf8');
const rows = [...page.matchAll(/^\| `([^`]+)` \| (\d+) \| ([\d.]*) ?\| (.+) \|$/gm)].map(
  ([, name, further, size, why]) => ({ name: name!, further: Number(further), size: size!, why: why! }),
);
const lock = readLock();
const MB = 1_000_000;

describe('docs/dependencies.md', () => {
  it('has a row for every runtime dependency, and no other', () => {
    const { dependencies, optionalDependencies } = manifest('server');
    expect(rows.map(({ name }) => name)).toEqual([
      ...Object.keys(dependencies!),
      ...Object.keys(optionalDependencies!),
    ]);
    expect(rows.every(({ why }) => why.length > 5)).toBe(true);
    const receiver = manifest('receiver');
    expect([receiver.dependencies, receiver.optionalDependencies, receiver.peerDependencies]).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
  });

  it.each(rows)('knows how much $name brings', ({ name, further, size }) => {
    const closure = closureOf(lock, `node_modules/${name}`);
    expect(further).toBe(closure.size - 1);
    const bytes = [...closure].map(installedBytes);
    // Another platform's is not installed here.
    if (bytes.includes(null)) return;
    const actual = bytes.reduce<number>((sum, one) => sum + one!, 0) / MB;
    expect(size).not.toBe('');
    expect(Math.abs(Number(size) - actual), `${name} has ${actual.toFixed(2)} MB`).toBeLessThan(
      0.1 + actual / 4,
    );
  });
});

describe('what is installed', () => {
  it('is pinned: one version, and its hash in the lock file', () => {
    const { dependencies, optionalDependencies } = manifest('server');
    for (const version of Object.values({ ...dependencies, ...optionalDependencies }))
      expect(version).toMatch(/^\d+\.\d+\.\d+(-[\w.]+)?$/);
    const installed = Object.entries(lock).filter(([path]) => path.includes('node_modules/'));
    expect(installed.length).toBeGreaterThan(400);
    const unhashed = installed.filter(
      ([, { link, integrity }]) => link !== true && !/^sha512-/.test(integrity ?? ''),
    );
    expect(unhashed.map(([path]) => path)).toEqual([]);
  });

  it('runs nothing while it is installed', () => {
    const { allowScripts } = JSON.parse(readFileSync(join(repository, 'package.json'), 'utf8')) as {
      allowScripts: Record<string, boolean>;
    };
    const scripted = Object.entries(lock).filter(([, { hasInstallScript }]) => hasInstallScript === true);
    expect(scripted.length).toBeGreaterThan(0);
    for (const [path, locked] of scripted)
      expect([path, allowScripts[nameOf(path, locked)]]).toEqual([path, false]);
    expect(Object.values(allowScripts)).not.toContain(true);
  });
});
