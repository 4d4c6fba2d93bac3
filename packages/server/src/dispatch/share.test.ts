import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { deal, wantedShare, type Claim } from './share.ts';

const claim = (node: string, more: Partial<Claim> = {}): Claim => ({
  node,
  share: 0,
  weight: 1,
  isHungry: true,
  ...more,
});

describe('dealing', () => {
  it('gives the whole limit away, and to each its part of it within one', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 65_535 }),
        fc.array(fc.integer({ min: 1, max: 1024 }), { minLength: 1, maxLength: 20 }),
        fc.nat(1000),
        (limit, weights, turn) => {
          const sum = weights.reduce((all, weight) => all + weight, 0);
          const claims = weights.map((weight, n) => ({ node: `n${n}`, weight }));
          const shares = deal(limit, claims, turn);
          expect([...shares.values()].reduce((all, share) => all + share, 0)).toBe(limit);
          for (const { node, weight } of claims)
            expect(Math.abs(shares.get(node)! - (limit * weight) / sum)).toBeLessThanOrEqual(1);
        },
      ),
    );
  });

  it('lets nobody go without where there are more nodes than requests a second', () => {
    const claims = ['a', 'b', 'c'].map((node) => ({ node, weight: 1 }));
    const turns = [0, 1, 2].map((turn) => deal(1, claims, turn));
    for (const { node } of claims)
      expect(turns.map((shares) => shares.get(node)!).filter((share) => share === 1)).toHaveLength(1);
  });
});

describe('what a node wants', () => {
  it('is everything while it is alone', () => {
    expect(wantedShare(10, claim('a', { isHungry: false }), [], 0, 0)).toBe(10);
  });
  it('is its part while another lacks some of theirs', () => {
    expect(wantedShare(10, claim('a', { share: 10 }), [claim('b')], 10, 0)).toBe(5);
  });
  it('is all that is left while the others have enough', () => {
    const idle = claim('b', { share: 2, isHungry: false });
    expect(wantedShare(10, claim('a', { share: 5 }), [idle], 5, 0)).toBe(10);
  });
  it('is little more than it uses while it lacks nothing', () => {
    expect(wantedShare(10, claim('a', { share: 5, isHungry: false }), [claim('b')], 1, 0)).toBe(2);
  });
});
