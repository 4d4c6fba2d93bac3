import { Ajv } from 'ajv';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { examplePayload, plainPayload } from './example-payload.ts';

const of = (schema: unknown): unknown => examplePayload({ 1: schema });

describe('an example payload', () => {
  it('is the first example of the newest schema', () => {
    const schemas = {
      9: { examples: [{ old: true }] },
      10: { examples: [{ a: 1 }, { a: 2 }] },
      2: { example: {} },
    };
    expect(examplePayload(schemas)).toEqual({ a: 1 });
    expect(of({ example: { b: 1 } })).toEqual({ b: 1 });
  });

  it('is made from the schema where there is none', () => {
    const schema = {
      type: 'object',
      definitions: { id: { type: 'integer', minimum: 7 } },
      allOf: [{ properties: { kind: { const: 'x' } } }],
      properties: {
        id: { $ref: '#/definitions/id' },
        mail: { type: 'string', format: 'email' },
        state: { enum: ['open', 'closed'] },
        note: { type: ['null', 'string'], minLength: 6 },
        lines: { type: 'array', minItems: 2, items: { type: 'number', exclusiveMinimum: 3 } },
        either: { oneOf: [{ type: 'boolean' }, { type: 'string' }] },
        fallback: { default: 5 },
      },
    };
    expect(of(schema)).toEqual({
      kind: 'x',
      id: 7,
      mail: 'somebody@example.com',
      state: 'open',
      note: 'textxx',
      lines: [3.5, 3.5],
      either: true,
      fallback: 5,
    });
  });

  it.each([
    null,
    undefined,
    {},
    { 1: null },
    { 1: { type: 'string' } },
    { 1: { examples: ['text'] } },
    { 1: { $ref: '#/nowhere' } },
  ])('is not made of %j', (schemas) => {
    expect(examplePayload(schemas)).toBeNull();
  });

  it('ends for schemas that contain themselves', () => {
    expect(of({ type: 'object', properties: { again: { $ref: '#' } } })).toHaveProperty('again.again.again');
  });

  it('is what its schema allows', () => {
    const leaf = fc.oneof(
      fc.record({ type: fc.constant('string'), minLength: fc.nat(20) }),
      fc.record({ type: fc.constant('integer'), minimum: fc.integer({ min: -1000, max: 1000 }) }),
      fc.record({ type: fc.constant('integer'), exclusiveMinimum: fc.integer({ min: -50, max: 50 }) }),
      fc.record({ type: fc.constant('number'), maximum: fc.integer({ min: -1000, max: 1000 }) }),
      fc.record({
        type: fc.constant('integer'),
        minimum: fc.nat(100),
        multipleOf: fc.integer({ min: 1, max: 9 }),
      }),
      fc.constant({ type: 'boolean' }),
      fc.constant({ type: 'null' }),
      fc.record({
        enum: fc.uniqueArray(fc.jsonValue(), { minLength: 1, selector: (value) => JSON.stringify(value) }),
      }),
    );
    const { schema } = fc.letrec<{ schema: unknown }>((tie) => ({
      schema: fc.oneof(
        { depthSize: 'small' },
        leaf,
        fc.record({ type: fc.constant('array'), minItems: fc.nat(3), items: tie('schema') }),
        fc
          .dictionary(fc.string({ unit: fc.constantFrom('a', 'b', 'c') }), tie('schema'))
          .map((properties) => ({
            type: 'object',
            properties,
            required: Object.keys(properties),
          })),
      ),
    }));
    fc.assert(
      fc.property(fc.dictionary(fc.constantFrom('x', 'y'), schema), (properties) => {
        const whole = { type: 'object', properties, required: Object.keys(properties) };
        const valid = new Ajv({ strict: false }).validate(whole, of(whole));
        expect(valid).toBe(true);
      }),
    );
  });

  it('has the shape of Standard Webhooks where nobody described the event', () => {
    expect(plainPayload('a.b', 0)).toMatchObject({ type: 'a.b', timestamp: '1970-01-01T00:00:00.000Z' });
  });
});
