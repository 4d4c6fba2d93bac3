import { describe, expect, it } from 'vitest';
import { median, pairedRatios, percentile, spread } from './statistics.ts';

describe('median', () => {
  it('is the middle value, in whatever order the rounds came', () => {
    expect(median([9, 1, 5])).toBe(5);
    expect(median([10, 2])).toBe(6);
    expect(median([7])).toBe(7);
  });

  it('sorts as numbers', () => {
    expect(median([10, 9, 100])).toBe(10);
  });

  it('leaves the rounds in their order', () => {
    const rounds = [3, 1, 2];
    median(rounds);
    expect(rounds).toEqual([3, 1, 2]);
  });

  it('refuses to make a figure out of nothing', () => {
    expect(() => median([])).toThrow('no values');
    expect(spread([])).toBeUndefined();
  });
});

describe('spread', () => {
  it('keeps the extremes beside the median', () => {
    expect(spread([0.9, 0.7, 0.8])).toEqual({ median: 0.8, min: 0.7, max: 0.9 });
  });
});

describe('percentile', () => {
  const oneToHundred = Float64Array.from({ length: 100 }, (_, index) => 100 - index);

  it('takes the nearest rank', () => {
    expect(percentile(oneToHundred, 0.5)).toBe(50);
    expect(percentile(oneToHundred, 0.99)).toBe(99);
    expect(percentile(oneToHundred, 1)).toBe(100);
    expect(percentile(oneToHundred, 0)).toBe(1);
    expect(percentile(Float64Array.of(4), 0.99)).toBe(4);
  });

  it('has no value for no samples', () => {
    expect(percentile(new Float64Array(0), 0.5)).toBeNaN();
  });
});

describe('pairedRatios', () => {
  it('compares within a round only', () => {
    expect(pairedRatios([80, 90, 50], [100, 100, 100])).toEqual([0.8, 0.9, 0.5]);
  });

  it('leaves a round out in which one side is void', () => {
    expect(pairedRatios([80, undefined, 50, 70], [100, 100, undefined, 100])).toEqual([0.8, 0.7]);
    expect(pairedRatios([1], [0])).toEqual([]);
  });
});
