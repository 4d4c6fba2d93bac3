// Requests made from the OpenAPI document: near enough to valid ones to come far, and wrong in all ways.
import fc from 'fast-check';
import { mediaOf, neededQuery } from './document.ts';
import type { Document, Operation, Parameter, Schema } from './document.ts';

const nasty = [
  '',
  ' ',
  '\u0000',
  '\ud800',
  "'; drop table live;--",
  '$1',
  '%00',
  '../..',
  'app_',
  'ep_x',
  '%_\\',
  'a'.repeat(300),
  '💩',
  'NaN',
  '__proto__',
  'constructor',
  '-',
  '-msg_1',
  '0000-00-00T00:00:00Z',
  '+275760-09-13T00:00:00Z',
  'whsec_',
  'http://[::1',
  '{}',
  '[0]',
];
const text = fc.oneof(fc.constantFrom(...nasty), fc.string(), fc.string({ unit: 'binary' }));
const scalar = fc.oneof(
  text,
  fc.integer(),
  fc.double(),
  fc.boolean(),
  fc.constantFrom(null, 2 ** 60, -1, 0, 1e308),
);
const anything = fc.oneof(
  { weight: 5, arbitrary: scalar },
  { weight: 2, arbitrary: fc.array(scalar, { maxLength: 12 }) },
  { weight: 2, arbitrary: fc.dictionary(text, scalar, { maxKeys: 5 }) },
  { weight: 1, arbitrary: fc.jsonValue() },
);

type Shape = {
  readonly $ref?: string;
  readonly type?: string | readonly string[];
  readonly format?: string;
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly items?: Schema;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: Schema | boolean;
  readonly anyOf?: readonly Schema[];
  readonly allOf?: readonly Schema[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly example?: unknown;
};

const wellFormed: Readonly<Record<string, readonly string[]>> = {
  'date-time': [
    '2026-01-01T00:00:00Z',
    '1970-01-01T00:00:00Z',
    '9999-12-31T23:59:59Z',
    '2026-11-22T00:00:00+02:00',
  ],
  uri: ['https://a.test', 'https://a.test:8443/x?y=1', 'http://169.254.169.254/', 'https://blocked.test'],
};

const likely = (shape: Shape, resolve: (schema: Schema) => fc.Arbitrary<unknown>): fc.Arbitrary<unknown> => {
  if (shape.const !== undefined) return fc.constant(shape.const);
  if (shape.enum !== undefined) return fc.constantFrom(...shape.enum);
  if (shape.anyOf !== undefined) return fc.oneof(...shape.anyOf.map(resolve));
  if (shape.allOf !== undefined)
    return fc.tuple(...shape.allOf.map(resolve)).map((parts) => Object.assign({}, ...parts) as unknown);
  const type = typeof shape.type === 'string' ? shape.type : shape.type?.[0];
  switch (type) {
    case 'object': {
      const { properties = {}, additionalProperties, required = [] } = shape;
      const known = fc.record(
        Object.fromEntries(Object.entries(properties).map(([name, schema]) => [name, resolve(schema)])),
        { requiredKeys: [...required].filter((name) => name in properties) },
      );
      if (typeof additionalProperties !== 'object') return known;
      return fc.dictionary(text, resolve(additionalProperties), { maxKeys: 4 });
    }
    case 'array':
      return fc.array(shape.items === undefined ? anything : resolve(shape.items), { maxLength: 6 });
    case 'integer':
    case 'number':
      return fc.integer({
        min: shape.minimum ?? -5,
        max: Math.max(shape.minimum ?? -5, shape.maximum ?? 5000),
      });
    case 'boolean':
      return fc.boolean();
    case 'null':
      return fc.constant(null);
    case 'string': {
      const good = wellFormed[shape.format ?? ''] ?? ['invoice.paid', 'a', 'x-1', 'Zürich'];
      return fc.oneof({ weight: 3, arbitrary: fc.constantFrom(...good) }, { weight: 1, arbitrary: text });
    }
    default:
      return anything;
  }
};

/** Values of a schema: mostly what it says, now and then its example, now and then anything at all. */
const valueOf = (document: Document, schema: Schema): fc.Arbitrary<unknown> => {
  const shape = schema as Shape;
  if (shape.$ref !== undefined)
    return valueOf(document, document.components.schemas[shape.$ref.split('/').at(-1)!]!);
  const good = likely(shape, (inner) => valueOf(document, inner));
  return fc.oneof(
    { weight: 12, arbitrary: good },
    { weight: shape.example === undefined ? 0 : 3, arbitrary: fc.constant(shape.example) },
    { weight: 1, arbitrary: anything },
  );
};

const sendable = text.filter((some) => some.isWellFormed());

const parameterOf = (document: Document, { schema }: Parameter): fc.Arbitrary<string> =>
  fc.oneof(
    {
      weight: 3,
      arbitrary: valueOf(document, schema)
        .map((value) => (typeof value === 'string' ? value : (JSON.stringify(value) ?? '')))
        .filter((some) => some.isWellFormed()),
    },
    { weight: 1, arbitrary: sendable },
  );

export type Generated = {
  readonly operation: Operation;
  readonly params: Readonly<Record<string, string>>;
  readonly query: string;
  readonly body: string | null;
  readonly key: string | null;
};

/**
 * A request to one operation. @param known What stands in paths, by name of parameter: what exists, or
 * what does not.
 */
export const requestsTo = (
  document: Document,
  operation: Operation,
  known: Readonly<Record<string, string>>,
): fc.Arbitrary<Generated> => {
  const parameters = operation.parameters ?? [];
  const inPath = parameters.filter((one) => one.in === 'path');
  const inQuery = parameters.filter((one) => one.in === 'query');
  const schema = mediaOf(operation.requestBody)?.schema;
  const body =
    schema === undefined
      ? fc.option(
          anything.map((value) => JSON.stringify(value) ?? null),
          { freq: 2 },
        )
      : fc.oneof(
          { weight: 3, arbitrary: fc.constant(JSON.stringify(mediaOf(operation.requestBody)?.example)) },
          { weight: 12, arbitrary: valueOf(document, schema).map((value) => JSON.stringify(value) ?? '') },
          { weight: 1, arbitrary: fc.string() },
        );
  return fc.record({
    operation: fc.constant(operation),
    params: fc.record(
      Object.fromEntries(
        inPath.map(({ name }) => [
          name,
          fc.oneof(
            { weight: 8, arbitrary: fc.constant(known[name] ?? name) },
            { weight: 1, arbitrary: sendable.filter((some) => some !== '') },
          ),
        ]),
      ),
    ),
    query: fc.oneof(
      { weight: 1, arbitrary: fc.constant(neededQuery(operation).slice(1)) },
      {
        weight: 3,
        arbitrary: fc
          .record(Object.fromEntries(inQuery.map((one) => [one.name, parameterOf(document, one)])), {
            requiredKeys: [],
          })
          .map((values) => new URLSearchParams(values as Record<string, string>).toString()),
      },
    ),
    body: operation.method === 'GET' ? fc.constant(null) : body,
    key:
      operation.method === 'POST'
        ? fc.option(fc.constantFrom('k', 'x'.repeat(300), 'y'), { freq: 3 })
        : fc.constant(null),
  });
};
