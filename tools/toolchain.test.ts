// The rules that the compiler and the linter hold, shown by planted violations in a copy that has
// the repository's real configuration and nothing else.
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

const repository = fileURLToPath(new URL('..', import.meta.url));
const CONFIGURATION = [
  '.oxlintrc.json',
  'tsconfig.base.json',
  'tsconfig.dev.json',
  'tsconfig.json',
  'packages/receiver/package.json',
  'packages/receiver/tsconfig.json',
  'packages/server/package.json',
  'packages/server/tsconfig.json',
  'packages/server/tsconfig.pure.json',
];

let copy: string;

const write = (path: string, text: string): void => {
  mkdirSync(dirname(join(copy, path)), { recursive: true });
  writeFileSync(join(copy, path), text);
};

const run = (
  tool: string,
  ...args: string[]
): { readonly status: number | null; readonly output: string } => {
  const bin = join(repository, 'node_modules', '.bin', tool);
  const { status, stdout, stderr } = spawnSync(bin, args, { cwd: copy, encoding: 'utf8' });
  return { status, output: stdout + stderr };
};

beforeEach(() => {
  copy = mkdtempSync(join(tmpdir(), 'posthorn-toolchain-'));
  for (const path of CONFIGURATION) cpSync(join(repository, path), join(copy, path));
  symlinkSync(join(repository, 'node_modules'), join(copy, 'node_modules'));
  write('packages/receiver/src/index.ts', 'export const half = 2;\n');
  write('packages/server/src/domain/noun.ts', 'export const noun = 1;\n');
  write('packages/server/src/store/store.ts', 'export const stored = new Map<string, number>();\n');
});

afterEach(() => rmSync(copy, { recursive: true, force: true }));

describe('the compiler', () => {
  const pure = (): ReturnType<typeof run> => run('tsc', '-b', 'packages/server/tsconfig.pure.json');

  it('accepts a pure domain', () => {
    expect(pure()).toEqual({ status: 0, output: '' });
  });

  const IMPURE: readonly (readonly [string, string, string])[] = [
    ['domain', `export const x = await fetch('http://localhost');`, "Cannot find name 'fetch'"],
    ['domain', `export const x = process.env;`, "Cannot find name 'process'"],
    ['domain', `import { readFileSync } from 'node:fs';\nexport const x = readFileSync;`, 'node:fs'],
    ['domain', `export const x = setTimeout(() => {}, 1);`, "Cannot find name 'setTimeout'"],
    ['outcome', `export const x = crypto.randomUUID();`, "Cannot find name 'crypto'"],
    ['outcome', `console.log('here');\nexport {};`, "Cannot find name 'console'"],
    ['domain', `import { stored } from '../store/store.ts';\nexport const x = stored;`, 'TS6307'],
  ];
  for (const [folder, text, complaint] of IMPURE)
    it(`refuses in ${folder}: ${text.split('\n', 1).join()}`, () => {
      write(`packages/server/src/${folder}/planted.ts`, `${text}\n`);
      const { status, output } = pure();
      expect(output).toContain(complaint);
      expect(output).toContain(`src/${folder}/planted.ts`);
      expect(status).not.toBe(0);
    });

  const UNSAFE: readonly (readonly [string, string])[] = [
    [`export enum State { Waiting }`, 'TS1294'],
    [`const list: number[] = [];\nexport const x: number = list[0];`, 'TS2322'],
    [`export const x: { a?: number } = { a: undefined };`, 'TS2375'],
    [`import { MakeDirectoryOptions } from 'node:fs';\nexport type X = MakeDirectoryOptions;`, 'TS1484'],
  ];
  for (const [text, code] of UNSAFE)
    it(`refuses anywhere: ${text.replace(/^[^]*\n/, '')}`, () => {
      write('packages/server/src/api/planted.ts', `${text}\n`);
      const { status, output } = run('tsc', '-b', 'packages/server');
      expect(output).toContain(code);
      expect(status).not.toBe(0);
    });
});

describe('the linter', () => {
  const FORGOTTEN = `export const settle = async (): Promise<void> => {};\nexport const flush = (): void => {\n  settle();\n};\n`;
  const PLANTED: readonly (readonly [string, string, string])[] = [
    ['packages/server/src/store/planted.ts', FORGOTTEN, 'no-floating-promises'],
    ['packages/server/src/outcome/planted.ts', FORGOTTEN, 'no-floating-promises'],
    ['packages/server/src/store/planted.test.ts', FORGOTTEN, 'no-floating-promises'],
    ['packages/server/test/planted.ts', FORGOTTEN, 'no-floating-promises'],
    ['packages/receiver/src/planted.ts', FORGOTTEN, 'no-floating-promises'],
    [
      'packages/server/src/store/planted.ts',
      `import pg from 'pg';\nexport const end = (pool: pg.Pool): void => {\n  pool.query('select 1');\n};\n`,
      'no-floating-promises',
    ],
    [
      'packages/server/src/store/planted.ts',
      `export const later = (work: () => Promise<void>): void => {\n  setTimeout(async () => work(), 1);\n};\n`,
      'no-misused-promises',
    ],
    [
      'packages/server/src/api/planted.ts',
      `export const name = (state: 'a' | 'b'): string => {\n  switch (state) {\n    case 'a':\n      return 'A';\n  }\n  return '';\n};\n`,
      'switch-exhaustiveness-check',
    ],
    [
      'packages/server/test/planted.test.ts',
      `import { expect, it } from 'vitest';\nit.only('alone', () => {\n  expect(1).toBe(1);\n});\n`,
      'no-focused-tests',
    ],
    [
      'packages/server/test/planted.test.ts',
      `import { it } from 'vitest';\nit('cannot fail', () => {});\n`,
      'expect-expect',
    ],
  ];

  it('accepts a clean copy', () => {
    expect(run('oxlint', 'packages').status).toBe(0);
  });

  for (const [path, text, rule] of PLANTED)
    it(`finds ${rule} in ${path}: ${text.replaceAll('\n', ' ').slice(0, 60)}`, () => {
      write(path, text);
      const { status, output } = run('oxlint', 'packages');
      expect(output).toContain(rule);
      expect(output).toContain(path);
      expect(status).not.toBe(0);
    });
});
