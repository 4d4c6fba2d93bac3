import { describe, expect, it } from 'vitest';
import { parseCpuList } from './pin.ts';

describe('parseCpuList', () => {
  it('reads ranges and single numbers', () => {
    expect(parseCpuList('0-2,7')).toEqual([0, 1, 2, 7]);
    expect(parseCpuList('3')).toEqual([3]);
  });

  it('finds nothing in what is no list', () => {
    expect(parseCpuList('')).toEqual([]);
    expect(parseCpuList('x-y')).toEqual([]);
  });
});
