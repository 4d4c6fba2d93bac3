import { Ajv } from 'ajv';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { schemaProblem } from './json-schema.ts';

/** A schema of which every part stands for two of the next. */
const doubling = (steps: number): object => {
  const next = (n: number) => ({ $ref: `#/definitions/${n}` });
  const parts = Array.from({ length: steps }, (_, n) => [n, { allOf: [next(n + 1), next(n + 1)] }]);
  return { definitions: { ...Object.fromEntries(parts), [steps]: {} }, ...next(0) };
};

describe('a JSON Schema', () => {
  it.each([
    [true],
    [{}],
    [{ type: 'object', properties: { a: { enum: [1, '1', null, [1]] } }, required: ['a', 'b'] }],
    [{ properties: { enum: { type: 'string' }, required: { type: ['string', 'null'] } } }],
    // Another list than the keyword: a constant may hold what it likes.
    [{ const: [1, 1], default: { list: [2, 2] } }],
    // What is no schema has no references.
    [{ const: { $ref: 'nope' }, enum: [{ $ref: 'nope' }], examples: [{ $ref: 'nope' }] }],
    [{ properties: { $ref: { type: 'string' }, pattern: { const: '(' } } }],
    [{ properties: { child: { $ref: '#' } }, items: { $ref: '#/properties/child' } }],
    [{ $id: 'https://x.test/root', definitions: { a: { $id: 'a' } }, not: { $ref: 'a' } }],
    [{ definitions: { a: { $id: '#named' } }, not: { $ref: '#named' } }],
    [{ definitions: { 'a/b %~': {} }, not: { $ref: '#/definitions/a~1b%20%25~0' } }],
    [{ $ref: 'http://json-schema.org/draft-07/schema#' }],
    // Kept as it is: nobody fetches it.
    [{ $ref: 'https://elsewhere.test/schema.json#/a' }],
    // Never run: neither this nor what doubles at every step.
    [{ pattern: '^(a+)+$' }],
    [{ pattern: String.raw`^\d\-[\w-]+$` }],
    [doubling(30)],
  ])('is %j', (schema) => expect(schemaProblem(schema)).toBeNull());

  it.each([
    [3, 'it must be object,boolean'],
    [{ type: 'text' }, '/type'],
    [{ required: [1] }, '/required/0'],
    [{ enum: [[1], [2], [1]] }, '/enum holds a value twice'],
    [{ properties: { a: { required: ['b', 'b'] } } }, '/properties/a/required holds a value twice'],
    [{ minLength: -1 }, '/minLength'],
    [{ pattern: '(' }, '/pattern has a pattern that is no regular expression'],
    [{ patternProperties: { '[': {} } }, '/patternProperties has a pattern'],
    [{ allOf: [{ $ref: '#/definitions/a' }] }, '/allOf/0/$ref refers to #/definitions/a, which is not in it'],
    [{ not: { $ref: '#a' } }, 'refers to #a'],
    [{ not: { $ref: '#/definitions/%' } }, 'refers to #/definitions/%'],
    [{ not: { $ref: 'other.json' } }, 'refers to other.json'],
    [{ not: { $ref: 'http://[::1' } }, 'refers to http://[::1'],
    [{ $ref: '#' }, 'it refers to itself without end'],
    [{ anyOf: [{ type: 'null' }, { $ref: '#' }] }, 'refers to itself without end'],
    [
      { definitions: { a: { $ref: '#/definitions/b' }, b: { allOf: [{ $ref: '#/definitions/a' }] } } },
      '/definitions/a refers to itself without end',
    ],
    [{ definitions: { a: { $id: 'x' }, b: { $id: 'x' } } }, '/definitions/b/$id is the name of another part'],
    [{ $id: 'http://[' }, '/$id is no URI'],
    [{ strange: { type: 'text' }, not: { $ref: '#/strange' } }, 'which is no schema'],
    [{ strange: { not: { $ref: '#/nope' } }, not: { $ref: '#/strange' } }, 'refers to #/nope'],
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

/** Schemas of few parts that refer to each other in all ways. */
const schemas = fc.letrec<{ schema: unknown }>((tie) => ({
  schema: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.constantFrom<unknown>(
      {},
      true,
      { type: 'string' },
      { type: 'nothing' },
      { pattern: '(' },
      { pattern: 'a' },
    ),
    fc
      .constantFrom(
        '#',
        '#/definitions/a',
        '#/definitions/b',
        '#/definitions/c',
        '#/properties/a',
        '#n',
        'x',
        '%',
      )
      .map(($ref) => ({ $ref })),
    fc.record({ allOf: fc.array(tie('schema'), { minLength: 1, maxLength: 2 }) }),
    fc.record({ anyOf: fc.array(tie('schema'), { minLength: 1, maxLength: 2 }) }),
    fc.record({ not: tie('schema') }),
    fc.record({ items: tie('schema') }),
    fc.record({ properties: fc.record({ a: tie('schema') }) }),
    fc.tuple(fc.constantFrom('#n', 'x'), tie('schema')).map(([$id, not]) => ({ $id, not })),
  ),
})).schema;
const documents = fc
  .tuple(schemas, fc.record({ a: schemas, b: schemas }))
  .map(([root, definitions]) => (typeof root === 'object' ? { ...root, definitions } : root));

describe('what is taken for a JSON Schema', () => {
  it('is one to Ajv, and comes to an end for every value', () => {
    let taken = 0;
    fc.assert(
      fc.property(documents, (schema) => {
        if (schemaProblem(schema) !== null) return;
        taken++;
        const validate = new Ajv({ strict: false, validateFormats: false }).compile(schema as object);
        for (const value of ['a', 1, null, [], [[]], {}, { a: { a: [] } }]) validate(value);
      }),
      { numRuns: 1500 },
    );
    expect(taken).toBeGreaterThan(50);
  });

  it('takes time in proportion to its length', () => {
    const chain = (count: number, end: object): object => ({
      definitions: {
        ...Object.fromEntries(
          Array.from({ length: count }, (_, n) => [`d${n}`, { $ref: `#/definitions/d${n + 1}` }]),
        ),
        [`d${count}`]: end,
      },
    });
    expect(schemaProblem(chain(30_000, {}))).toBeNull();
    expect(schemaProblem(chain(30_000, { $ref: '#/definitions/d7' }))).toContain(
      'refers to itself without end',
    );
    const name = 'n'.repeat(500_000);
    const nested = Object.fromEntries(
      Array.from({ length: 20_000 }, (_, n) => [`p${n}`, { type: 'string' }]),
    );
    const wide = { properties: { [name]: { properties: { ...nested, bad: { pattern: '(' } } } } };
    expect(schemaProblem(wide)?.length).toBeLessThan(600);
  });
});
