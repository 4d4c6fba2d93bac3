import { gzipSync } from 'node:zlib';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { checkPackage, createPackageFromTarballData } from '@arethetypeswrong/core';
import { publint } from 'publint';
import { formatMessage } from 'publint/utils';
import { rolldown } from 'rolldown';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { pack, type Packed } from './packed.ts';

const MOST_BYTES = 15_000;

type Manifest = {
  readonly dependencies?: object;
  readonly exports: Readonly<Record<string, string | { readonly default: string }>>;
};

let packed: Packed;
let manifest: Manifest;
beforeAll(async () => {
  packed = await pack();
  const file = join(packed.folder, 'node_modules/@posthorn/receiver/package.json');
  manifest = JSON.parse(await readFile(file, 'utf8')) as Manifest;
});
afterAll(() => packed.remove());

/** What a program that loads this entry point ships: bundled, minified, gzipped. */
const loadedBytes = async (specifier: string): Promise<number> => {
  const bundle = await rolldown({
    input: 'entry',
    cwd: packed.folder,
    external: /^node:/,
    logLevel: 'silent',
    plugins: [
      {
        name: 'entry',
        resolveId: (id) => (id === 'entry' ? join(packed.folder, 'entry.js') : null),
        load: (id) => (id.endsWith('/entry.js') ? `export * from '${specifier}';` : null),
      },
    ],
  });
  const { output } = await bundle.generate({ minify: true });
  await bundle.close();
  return output.reduce((bytes, file) => bytes + (file.type === 'chunk' ? gzipSync(file.code).length : 0), 0);
};

describe('the packed package', () => {
  it('depends on nothing', () => {
    expect(manifest.dependencies).toBeUndefined();
  });

  it('is sound for publint', async () => {
    const { tarball } = packed;
    const data = tarball.buffer.slice(tarball.byteOffset, tarball.byteOffset + tarball.length) as ArrayBuffer;
    const { messages, pkg } = await publint({ pack: { tarball: data }, strict: true });
    expect(messages.map((message) => formatMessage(message, pkg))).toEqual([]);
  });

  it('has the right types in every mode of resolution that knows ES modules', async () => {
    const { problems } = (await checkPackage(createPackageFromTarballData(packed.tarball))) as {
      readonly problems: readonly { readonly kind: string; readonly resolutionKind?: string }[];
    };
    // There is no CommonJS build: Node requires ES modules since 20.19; node10 knows no exports.
    const ours = problems.filter(
      ({ kind, resolutionKind }) => kind !== 'CJSResolvesToESM' && resolutionKind !== 'node10',
    );
    expect(ours).toEqual([]);
  });

  it(`costs less than ${MOST_BYTES} bytes by any entry point`, async () => {
    const sizes = new Map<string, number>();
    for (const [name, target] of Object.entries(manifest.exports))
      if (typeof target !== 'string')
        sizes.set(name, await loadedBytes(`@posthorn/receiver${name.slice(1)}`));
    const rows = [...sizes].sort(([, a], [, b]) => b - a);
    console.log(
      [
        'minified and gzipped, bytes',
        ...rows.map(([name, bytes]) => `${String(bytes).padStart(6)}  ${name}`),
      ].join('\n'),
    );
    console.log(`the whole tarball: ${packed.tarball.length} bytes`);
    expect(sizes.size).toBeGreaterThan(20);
    expect(rows.filter(([, bytes]) => bytes < 50 || bytes >= MOST_BYTES)).toEqual([]);
  });
});
