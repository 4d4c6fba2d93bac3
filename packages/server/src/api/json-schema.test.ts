import { describe, expect, it } from 'vitest';
import { schemaProblem } from './json-schema.ts';

describe('a JSON Schema', () => {
  it.each([
    [true],
    [{}],
    [{ type: 'object', properties: { a: { enum: [1, '1', null, [1]] } }, required: ['a', 'b'] }],
    [{ properties: { enum: { type: 'string' }, required: { type: ['string', 'null'] } } }],
    // Another list than the keyword: a constant may hold what it likes.
    [{ const: [1, 1], default: { list: [2, 2] } }],
  ])('is %j', (schema) => expect(schemaProblem(schema)).toBeNull());

  it.each([
    [3, 'it must be object,boolean'],
    [{ type: 'text' }, '/type'],
    [{ required: [1] }, '/required/0'],
    [{ enum: [[1], [2], [1]] }, '/enum holds a value twice'],
    [{ properties: { a: { required: ['b', 'b'] } } }, '/properties/a/required holds a value twice'],
    [{ minLength: -1 }, '/minLength'],
  ])('is not %j', (schema, why) => expect(schemaProblem(schema)).toContain(why));

  it('with many values is looked at once each', () => {
    let looks = 0;
    const values = Array.from({ length: 20_000 }, (_, n) => ({
      toJSON: () => {
        looks++;
        return [n];
      },
    }));
    expect(schemaProblem({ enum: values })).toBeNull();
    expect(looks).toBe(values.length);
  });
});
