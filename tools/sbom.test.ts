import { execFileSync } from 'node:child_process';
import { expect, it } from 'vitest';
import { closureOf, nameOf, readLock, repository } from './lock-file.ts';
import { partOf } from './sbom.ts';

type Bom = {
  readonly bomFormat: string;
  readonly specVersion: string;
  readonly metadata: { readonly component: { readonly name: string; readonly version: string } };
  readonly components: readonly {
    readonly name: string;
    readonly version: string;
    readonly purl: string;
    readonly hashes?: readonly unknown[];
  }[];
};

// Nobody listens there: it has to do without a registry.
const env = { ...process.env, npm_config_registry: 'http://127.0.0.1:1/' };
const bomOf = (name: string): string =>
  execFileSync('npm', ['run', '--silent', 'sbom', '--', '--package', name], {
    cwd: repository,
    env,
    maxBuffer: 64 * 1024 * 1024,
  }).toString();

it('names everything that the server needs to run, each with its hash, and nothing else', () => {
  const text = bomOf('posthorn');
  const bom = JSON.parse(text) as Bom;
  expect([bom.bomFormat, bom.specVersion, bom.metadata.component.name]).toEqual([
    'CycloneDX',
    '1.5',
    'posthorn',
  ]);
  const lock = readLock();
  const wanted = [...closureOf(lock, 'packages/server')].filter((path) => path !== 'packages/server');
  expect(bom.components.map(({ purl }) => decodeURIComponent(purl)).toSorted()).toEqual(
    wanted.map((path) => `pkg:npm/${nameOf(path, lock[path]!)}@${lock[path]!.version}`).toSorted(),
  );
  expect(wanted.length).toBeGreaterThan(40);
  expect(bom.components.filter(({ hashes }) => hashes === undefined).map(({ purl }) => purl)).toEqual([
    'pkg:npm/%40posthorn/receiver@0.1.0',
  ]);
  expect(bomOf('posthorn')).toBe(text);
});

it('of the receiver names nothing', () => {
  expect((JSON.parse(bomOf('@posthorn/receiver')) as Bom).components).toEqual([]);
});

it('refuses a package that is not there', () => {
  const empty = {
    metadata: { component: { 'bom-ref': 'a@1', type: 'library' } },
    components: [],
    dependencies: [],
  };
  expect(() => partOf(empty, 'nobody')).toThrow('nobody is not in the lock file');
});
