// Every fenced block of a page, and every `posthorn …` in its text, has a test: one that is new fails
// until somebody says how it is run.
import { readFileSync } from 'node:fs';
import { delimiter, dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { type Running, start } from './running.ts';

export const repository = fileURLToPath(new URL('../../', import.meta.url));

type Snippet = { readonly line: number; readonly text: string };

const FENCE = /^( *)```.*\n([^]*?)^ *```$/gm;
const COMMAND = /`(posthorn [a-z][^`…]*)`/g;

const found = (page: string, pattern: RegExp): Snippet[] =>
  [...page.matchAll(pattern)].map((match) => ({
    line: page.slice(0, match.index).split('\n').length,
    text: match.at(-1) ?? '',
  }));

/** The blocks of a page and the commands in its text. */
export const snippetsOf = (page: string): Snippet[] => [
  ...found(page, FENCE),
  ...found(
    page.replaceAll(FENCE, (block) => block.replaceAll(/[^\n]/g, ' ')),
    COMMAND,
  ),
];

/**
 * One test for each snippet of a page, in the order given. A snippet is named by a part of it that is
 * in no other of the page.
 */
export const describePage = (
  path: string,
  tests: Readonly<Record<string, (text: string) => Promise<unknown> | void>>,
): void => {
  const snippets = snippetsOf(readFileSync(`${repository}${path}`, 'utf8'));
  describe(path, () => {
    it('has a test for each of its snippets', () => {
      const untested = snippets.filter(
        ({ text }) => Object.keys(tests).filter((name) => text.includes(name)).length !== 1,
      );
      // One that is listed here needs a test, or a name that no other shares.
      expect(untested.map(({ line, text }) => `${path}:${line}\n${text}`)).toEqual([]);
    });
    it.each(Object.keys(tests))('%s', { timeout: 60_000 }, async (name) => {
      const [snippet, ...others] = snippets.filter(({ text }) => text.includes(name));
      if (snippet === undefined) throw new Error(`No snippet of ${path} contains this name any more.`);
      expect(others).toEqual([]);
      await tests[name]?.(snippet.text);
    });
  });
};

/** The commands of a block: without comments, continued lines joined. */
export const commandsOf = (block: string): string[] =>
  block
    .replaceAll('\\\n', ' ')
    .split('\n')
    .map((line) => line.replace(/(^|\s+)#.*$/, '').trim())
    .filter((line) => line !== '');

/** The repository's node and its commands before the machine's. */
const PATH = [`${repository}node_modules/.bin`, dirname(process.execPath), process.env['PATH']].join(
  delimiter,
);

/** Starts a command line as a shell does. */
export const startLine = (line: string, env: Record<string, string>, cwd: string): Running =>
  start([['sh', '-c', `exec env ${line}`]], { PATH, NO_COLOR: '1', ...env }, cwd);

/** Runs a command line to its end; answers with what it said. @throws unless it ends well */
export const runLine = async (line: string, env: Record<string, string>, cwd: string): Promise<string> => {
  const one = startLine(line, env, cwd);
  await one.endsWell();
  return one.said();
};
