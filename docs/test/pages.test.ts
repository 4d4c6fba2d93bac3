// Which pages are tested: a new one about receiving has to be, too.
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { repository, snippetsOf } from './page.ts';

const pages = [
  'README.md',
  ...globSync('docs/{receiving,testing,troubleshooting}.md', { cwd: repository }),
  ...globSync('docs/{receiver,verify}/*.md', { cwd: repository }),
];
const tests = globSync('docs/test/*.test.ts', { cwd: repository })
  .map((path) => readFileSync(join(repository, path), 'utf8'))
  .join('');

it.each(pages)('%s has a test if it has something to run', (page) => {
  const snippets = snippetsOf(readFileSync(join(repository, page), 'utf8'));
  expect(snippets.length === 0 || tests.includes(`describePage('${page}'`)).toBe(true);
});

it('a block and a command in a text are found', () => {
  const page = [
    'A `posthorn doctor` and `npx posthorn x`:',
    '```sh',
    'posthorn `x`',
    '```',
    '  ```',
    '  a',
    '  ```',
  ];
  expect(snippetsOf(page.join('\n'))).toEqual([
    { line: 2, text: 'posthorn `x`\n' },
    { line: 5, text: '  a\n' },
    { line: 1, text: 'posthorn doctor' },
  ]);
});

it('every link to a file of ours leads to one', () => {
  const broken = pages.flatMap((page) =>
    [...readFileSync(join(repository, page), 'utf8').matchAll(/\]\((?!https?:|#)([^)#]+)/g)]
      .map((match) => join(page, '..', String(match[1])))
      .filter((path) => globSync(path, { cwd: repository }).length === 0),
  );
  expect(broken).toEqual([]);
});
