import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { pageOut, readCursor, walkOf } from './paging.ts';
import type { Order, PageRequest } from './paging.ts';

const keyOf = (row: string) => row;

/** What a store does with a walk, over rows that are all there are. */
const walk = (rows: readonly string[], page: PageRequest): string[] => {
  const { ascending, from, limit } = walkOf(page);
  const sorted = rows.toSorted((a, b) => (a < b ? -1 : 1));
  const ordered = ascending ? sorted : sorted.toReversed();
  return ordered.filter((row) => from === null || (ascending ? row > from : row < from)).slice(0, limit + 1);
};

const ask = (rows: readonly string[], limit: number, order: Order, iterator?: string) => {
  const page = { cursor: readCursor(iterator), limit, order };
  return pageOut(walk(rows, page), page, keyOf);
};

describe('paging', () => {
  it('names the ends of a page, and has none on an empty one', () => {
    expect(ask(['a', 'b', 'c'], 2, 'ascending')).toEqual({
      data: ['a', 'b'],
      iterator: 'b',
      prevIterator: '-a',
      done: false,
    });
    expect(ask([], 2, 'ascending')).toEqual({ data: [], iterator: null, done: true });
  });

  it('turns a page that was walked back to, and keeps what lies next to the iterator', () => {
    expect(ask(['a', 'b', 'c', 'd'], 2, 'ascending', '-d')).toEqual({
      data: ['b', 'c'],
      iterator: 'c',
      prevIterator: '-b',
      done: false,
    });
    expect(ask(['a', 'b', 'c', 'd'], 3, 'descending', '-a')).toMatchObject({
      data: ['d', 'c', 'b'],
      done: true,
    });
  });

  it('goes on where a walk stopped, even if the page is empty', () => {
    const page = { cursor: readCursor(undefined), limit: 2, order: 'descending' as const };
    expect(pageOut([], page, keyOf, 'k')).toEqual({ data: [], iterator: 'k', done: false });
    expect(pageOut(['z'], page, keyOf, 'k')).toEqual({
      data: ['z'],
      iterator: 'k',
      prevIterator: '-z',
      done: false,
    });
    expect(pageOut(['z', 'y', 'x'], page, keyOf, null)).toMatchObject({ data: ['z', 'y'], done: false });
    const back = { ...page, cursor: readCursor('-a') };
    expect(pageOut([], back, keyOf, 'k')).toEqual({
      data: [],
      iterator: '-k',
      prevIterator: '-k',
      done: false,
    });
  });

  it('sees every row once, forwards and back, for any limit', () => {
    const rows = fc.uniqueArray(fc.stringMatching(/^[a-z]{1,4}$/), { maxLength: 30 });
    fc.assert(
      fc.property(
        rows,
        fc.integer({ min: 1, max: 7 }),
        fc.constantFrom<Order>('ascending', 'descending'),
        (all, limit, order) => {
          const seen: string[] = [];
          let page = ask(all, limit, order);
          seen.push(...page.data);
          while (!page.done) {
            page = ask(all, limit, order, page.iterator!);
            seen.push(...page.data);
          }
          const sorted = all.toSorted((a, b) => (a < b ? -1 : 1));
          const expected = order === 'ascending' ? sorted : sorted.toReversed();
          expect(seen).toEqual(expected);
          const back: string[] = [...page.data];
          while (page.prevIterator !== undefined) {
            page = ask(all, limit, order, page.prevIterator);
            back.unshift(...page.data);
          }
          expect(back).toEqual(expected);
        },
      ),
    );
  });
});
