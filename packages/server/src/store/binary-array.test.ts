import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  arrayLiteral,
  byteaArray,
  int8Array,
  textArray,
  timestamptzArray,
  uuidArray,
} from './binary-array.ts';

describe('binary arrays', () => {
  it('have the header, then length and bytes of each element', () => {
    expect(textArray(['ab', null, '']).toString('hex')).toBe(
      [
        '00000001',
        '00000001',
        '00000019',
        '00000003',
        '00000001',
        '00000002',
        '6162',
        'ffffffff',
        '00000000',
      ].join(''),
    );
  });
  it('say that there is no null where there is none', () => {
    expect(byteaArray([new Uint8Array([0, 255])]).readInt32BE(4)).toBe(0);
  });
  it('write 64-bit integers of both signs', () => {
    fc.assert(
      fc.property(fc.maxSafeInteger(), (value) => {
        expect(int8Array([value]).readBigInt64BE(24)).toBe(BigInt(value));
      }),
    );
  });
  it('write times as microseconds since 2000, and the infinities', () => {
    const buffer = timestamptzArray([946_684_800_000.001, 946_684_799_999, Infinity, -Infinity]);
    const values = [0, 1, 2, 3].map((index) => buffer.readBigInt64BE(24 + 12 * index));
    expect(values).toEqual([1n, -1000n, 2n ** 63n - 1n, -(2n ** 63n)]);
  });
  it('refuse what is no uuid and no safe integer', () => {
    expect(() => uuidArray(['nonsense'])).toThrow(RangeError);
    expect(() => int8Array([2 ** 60])).toThrow(RangeError);
  });
  it('keep text whole, lone surrogates apart', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (value) => {
        expect(textArray([value]).subarray(24).toString('utf8')).toBe(value.toWellFormed());
      }),
    );
  });
});

describe('array literals', () => {
  it('quote what PostgreSQL would read otherwise', () => {
    expect(arrayLiteral(['a', 'b,c', '', 'NULL', '"\\', 'd e'])).toBe('{a,"b,c","","NULL","\\"\\\\","d e"}');
    expect(arrayLiteral([])).toBe('{}');
    expect(arrayLiteral(null)).toBeNull();
  });
});
