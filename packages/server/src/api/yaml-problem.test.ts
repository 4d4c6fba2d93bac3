import { parse } from 'yaml';
import { describe, expect, it } from 'vitest';
import { yamlProblem } from './yaml-problem.ts';

const problemOf = (text: string): string => {
  try {
    JSON.stringify(parse(text, { logLevel: 'error' }));
  } catch (error) {
    return yamlProblem(error);
  }
  return 'none';
};

describe('what is wrong with a document', () => {
  it.each([
    ['a: 1\nb: [', 'line 2: a list or a map in brackets must go on further to the right, and be closed'],
    ['a: 1\na: 2', 'line 2: a key comes twice in its map'],
    ['a:\n\t- b', 'line 2: a tab indents; use spaces'],
    [
      'a: b: c',
      'line 1: a second ":" in one line; put the value in quotes, or the map into lines of its own',
    ],
    ['a:\n  "abc', 'line 2: a quote, a bracket or a ":" is missing'],
    ['&a [*a]', 'an anchor is inside of what it stands for'],
    ['*x', 'an alias (*name) stands before its anchor (&name), or has none'],
    ['- a\n b: c\n', 'line 1: a key goes over several lines; is the indentation right, or a ":" missing?'],
    ['--- a\n--- b\n', 'line 2: a second document begins here (---); send one'],
    [
      'a: "\\q"',
      'line 1: there is no such escape in double quotes; write \\\\ for a backslash, or use single quotes',
    ],
    ['a: @b', 'line 1: a value cannot begin with this character; put it in quotes'],
    ['x: *a b', 'line 1: something stands where nothing may follow'],
  ])('%j', (text, problem) => expect(problemOf(text)).toBe(problem));

  it('is said for every code that the parser has', async () => {
    const { readFile } = await import('node:fs/promises');
    const types = await readFile(
      new URL(import.meta.resolve('yaml')).pathname.replace(/[^/]*$/, 'errors.d.ts'),
      'utf8',
    );
    const codes = [...(/ErrorCode = (.*);/.exec(types)?.[1] ?? '').matchAll(/'([A-Z\d_]+)'/g)].map(
      ([, code]) => code,
    );
    expect(codes.length).toBeGreaterThan(15);
    // A mistake of the parser itself.
    const known = codes.filter((code) => code !== 'IMPOSSIBLE');
    expect(known.filter((code) => yamlProblem({ code }) === 'this is no YAML')).toEqual([]);
  });

  it('is said of whatever was thrown', () => {
    for (const thrown of [null, undefined, 'text', {}, { code: 7, linePos: [] }])
      expect(yamlProblem(thrown)).toBe('this is no YAML');
  });
});
