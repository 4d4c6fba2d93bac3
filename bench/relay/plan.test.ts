import { describe, expect, it } from 'vitest';
import { orderOf } from './plan.ts';

describe('orderOf', () => {
  const items = ['a', 'b', 'c'];

  it('measures everything once in every round', () => {
    for (let round = 0; round < 12; round++) {
      expect(orderOf(items, round).toSorted()).toEqual(items);
    }
  });

  it('gives each item each place', () => {
    const first = new Set(Array.from({ length: 6 }, (_, round) => orderOf(items, round)[0]));
    expect(first).toEqual(new Set(items));
  });

  it('is empty for nothing', () => {
    expect(orderOf([], 3)).toEqual([]);
  });
});
