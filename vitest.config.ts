import { existsSync, readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

/** Set by .ci/run: where the counts of this run are to be written. */
const report = process.env['TEST_REPORT'];

const at = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

/** The receiver's sources instead of its dist: each entry of its exports by its own file. */
const receiver = JSON.parse(readFileSync(at('./packages/receiver/package.json'), 'utf8')) as {
  readonly exports: Readonly<Record<string, { readonly default?: string }>>;
};
const alias = Object.entries(receiver.exports).flatMap(([name, { default: file }]) =>
  file === undefined
    ? []
    : {
        find: new RegExp(`^@posthorn/receiver${name.slice(1)}$`),
        replacement: at(`./packages/receiver/${file.replace('/dist/', '/src/').replace(/js$/, 'ts')}`),
      },
);

/**
 * Whole programs that are killed, stopped and cut off, and rates that are measured: these tests run one at a time,
 * beside nothing else.
 */
const processes = [
  ...['crash', 'nodes', 'cli', 'torture'].map((folder) => `packages/server/test/${folder}/**/*.test.ts`),
  'packages/server/test/journey/pacing.test.ts',
];

export default defineConfig({
  resolve: { alias },
  test: {
    globalSetup: ['./packages/server/test/global-setup.ts'].filter((path) => existsSync(at(path))),
    testTimeout: 30_000,
    hookTimeout: 60_000,
    allowOnly: false,
    // Vitest leaves one out, which of two is half; most tests wait for PostgreSQL or a process.
    maxWorkers: availableParallelism(),
    // How a fault meets the load is the machine's timing. CI tells of each second try, with what failed.
    retry: process.env['CI'] ? 1 : 0,
    projects: [
      {
        extends: true,
        test: {
          name: 'posthorn',
          include: [
            'packages/*/src/**/*.test.ts',
            'packages/*/test/**/*.test.ts',
            'tools/**/*.test.ts',
            'bench/**/*.test.ts',
            'docs/test/**/*.test.ts',
            'examples/*.test.ts',
            'test/**/*.test.ts',
          ],
          exclude: processes,
        },
      },
      {
        extends: true,
        test: {
          name: 'processes',
          include: processes,
          fileParallelism: false,
          testTimeout: 120_000,
          sequence: { groupOrder: 1 },
        },
      },
      // The SQL once more on npm's PostgreSQL, where the first project found another on the system.
      {
        extends: true,
        test: { name: 'newest-postgres', include: ['packages/server/test/store/**/*.test.ts'] },
      },
    ],
    reporters: [
      'default',
      './tools/second-tries.ts',
      ...(report ? ([['json', { outputFile: report }]] satisfies [string, object][]) : []),
    ],
  },
});
