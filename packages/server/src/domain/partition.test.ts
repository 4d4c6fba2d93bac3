import { describe, expect, it } from 'vitest';
import { createIdSource } from './ids.ts';
import { PARTITION_COUNT, partitionOf } from './partition.ts';

describe('partitionOf', () => {
  it('never changes: stored work depends on it', () => {
    expect(partitionOf('ep_000000000000000000000000000')).toBe(15);
    expect(partitionOf('')).toBe(0x811c9dc5 % 256);
  });

  it('spreads ids made in one burst evenly', () => {
    const make = createIdSource(
      () => 1_790_000_000_000,
      (count) => new Uint8Array(count),
    );
    const counts = new Array<number>(PARTITION_COUNT).fill(0);
    for (let i = 0; i < 256_000; i++) counts[partitionOf(make('endpoint'))]!++;
    expect(Math.min(...counts)).toBeGreaterThan(700);
    expect(Math.max(...counts)).toBeLessThan(1300);
  });
});
