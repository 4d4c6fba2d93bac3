import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { balance, shareOf } from './balance.ts';
import type { ClusterNode } from './port.ts';

const nodeOf = (node: string, more: Partial<ClusterNode> = {}): ClusterNode => ({
  node,
  name: node,
  role: 'all',
  isTaking: true,
  ageMs: 60_000,
  ...more,
});

const ask = (
  node: string,
  nodes: readonly ClusterNode[],
  held: number,
  free: number,
  more: Partial<Parameters<typeof balance>[0]> = {},
) =>
  balance({
    node,
    isTaking: true,
    view: { nodes, free },
    held,
    partitions: 256,
    steadyMs: 5_000,
    giveAtOnce: 4,
    isStuck: false,
    ...more,
  });

describe('shares', () => {
  it('add up to all partitions and differ by one at most', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 400 }), fc.integer({ min: 1, max: 300 }), (partitions, nodes) => {
        const shares = Array.from({ length: nodes }, (_, rank) => shareOf(partitions, nodes, rank));
        expect(shares.reduce((sum, share) => sum + share, 0)).toBe(partitions);
        expect(Math.max(...shares) - Math.min(...shares)).toBeLessThanOrEqual(1);
      }),
    );
  });
});

describe('a node', () => {
  it('takes everything when it is alone, also before it is in the list', () => {
    expect(ask('a', [], 0, 256)).toEqual({ take: 256, give: 0 });
    expect(ask('a', [nodeOf('a')], 0, 256)).toEqual({ take: 256, give: 0 });
  });
  it('takes its share beside others, however new they are', () => {
    expect(ask('b', [nodeOf('a'), nodeOf('c', { ageMs: 0 })], 0, 256).take).toBe(85);
  });
  it('takes what nobody else does for long', () => {
    expect(ask('a', [nodeOf('a'), nodeOf('b')], 128, 30)).toEqual({ take: 0, give: 0 });
    expect(ask('a', [nodeOf('a'), nodeOf('b')], 128, 30, { isStuck: true }).take).toBe(30);
  });
  it('gives a few at a time', () => {
    expect(ask('a', [nodeOf('a'), nodeOf('b')], 256, 0)).toEqual({ take: 0, give: 4 });
    expect(ask('a', [nodeOf('a'), nodeOf('b')], 130, 0).give).toBe(2);
    expect(ask('a', [nodeOf('a'), nodeOf('b')], 128, 0).give).toBe(0);
  });
  it('gives nothing while something is free, nor to one that has just come, nor to one that takes nothing', () => {
    expect(ask('a', [nodeOf('a'), nodeOf('b')], 252, 4).give).toBe(0);
    expect(ask('a', [nodeOf('a'), nodeOf('b', { ageMs: 4_999 })], 256, 0).give).toBe(0);
    expect(ask('a', [nodeOf('a'), nodeOf('b', { isTaking: false })], 256, 0).give).toBe(0);
  });
  it('that takes nothing neither takes nor gives', () => {
    expect(ask('a', [], 0, 256, { isTaking: false })).toEqual({ take: 0, give: 0 });
  });
});

it('nodes that only look by themselves come to an even spread from any start, and stay there', () => {
  const starts = fc.record({
    held: fc.array(fc.nat(256), { minLength: 1, maxLength: 9 }),
    order: fc.infiniteStream(fc.nat(1_000)),
  });
  fc.assert(
    fc.property(starts, ({ held: wishes, order }) => {
      let free = 256;
      const held = wishes.map((wish) => {
        const got = Math.min(wish, free);
        free -= got;
        return got;
      });
      const nodes = held.map((_, index) => nodeOf(`n${index}`));
      const turn = (index: number): number => {
        const { take, give } = ask(`n${index}`, nodes, held[index]!, free);
        held[index]! += take - give;
        free += give - take;
        return take + give;
      };
      for (let round = 0; round < 2_000; round++) {
        turn([...order.take(1)][0]! % held.length);
        expect(free).toBeGreaterThanOrEqual(0);
      }
      for (let round = 0; round < 300; round++) held.forEach((_, index) => turn(index));
      expect(held).toEqual(held.map((_, rank) => shareOf(256, held.length, rank)));
      expect(held.map((_, index) => turn(index)).every((moved) => moved === 0)).toBe(true);
    }),
    { numRuns: 30 },
  );
});
