import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { nextMark } from './listen-mark.ts';

const done = (id: string) => ({ id, isDone: true });
const open = (id: string) => ({ id, isDone: false });

describe('the mark', () => {
  it('goes to what is settled when everything is done', () => {
    expect(nextMark('a', [done('b'), done('c')], null, 'd')).toBe('d');
    expect(nextMark('a', [], null, 'd')).toBe('d');
  });

  it('stops before the first that is not done', () => {
    expect(nextMark('a', [done('b'), open('c'), done('d')], null, 'z')).toBe('b');
  });

  it('stops where something older may still appear', () => {
    expect(nextMark('a', [done('b'), done('e')], null, 'd')).toBe('b');
  });

  it('stops where reading stopped', () => {
    expect(nextMark('a', [done('b')], 'b', 'z')).toBe('b');
    expect(nextMark('a', [], 'm', 'z')).toBe('m');
  });

  it('never goes back', () => {
    const letter = fc.stringMatching(/^[a-j]{1,2}$/);
    fc.assert(
      fc.property(
        letter,
        fc.uniqueArray(fc.tuple(letter, fc.boolean()), { selector: ([id]) => id }),
        fc.option(letter),
        letter,
        (mark, rows, readTo, settled) => {
          const passed = rows
            .filter(([id]) => id > mark)
            .map(([id, isDone]) => ({ id, isDone }))
            .toSorted((a, b) => (a.id < b.id ? -1 : 1));
          const reached = nextMark(mark, passed, readTo, settled);
          expect(reached >= mark).toBe(true);
          expect(reached === mark || reached <= settled).toBe(true);
          expect(passed.some(({ id, isDone }) => !isDone && id <= reached)).toBe(false);
        },
      ),
    );
  });
});
