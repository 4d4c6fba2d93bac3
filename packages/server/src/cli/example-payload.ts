type Schema = Readonly<Record<string, unknown>>;

const MOST_DEPTH = 12;

const isRecord = (value: unknown): value is Schema =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Strings by the `format` of JSON Schema (draft 7, 7.3). */
const FORMATS: Readonly<Record<string, string>> = {
  'date-time': '2026-01-31T12:00:00Z',
  date: '2026-01-31',
  time: '12:00:00Z',
  email: 'somebody@example.com',
  hostname: 'example.com',
  ipv4: '192.0.2.1',
  ipv6: '2001:db8::1',
  uri: 'https://example.com/',
  uuid: '123e4567-e89b-42d3-a456-426614174000',
};

const textFor = ({ format, minLength, maxLength }: Schema): string => {
  const known = typeof format === 'string' ? FORMATS[format] : undefined;
  if (known !== undefined) return known;
  const least = typeof minLength === 'number' ? minLength : 0;
  return 'text'.padEnd(least, 'x').slice(0, typeof maxLength === 'number' ? maxLength : undefined);
};

const numberFor = ({ minimum, maximum, exclusiveMinimum, multipleOf, type }: Schema): number => {
  const step = typeof multipleOf === 'number' && multipleOf > 0 ? multipleOf : 1;
  const above =
    typeof exclusiveMinimum === 'number' ? exclusiveMinimum + (type === 'integer' ? 1 : step / 2) : null;
  const least = typeof minimum === 'number' ? Math.max(minimum, above ?? -Infinity) : above;
  const wanted = least ?? (typeof maximum === 'number' ? Math.min(step, maximum) : step);
  const stepped = typeof multipleOf === 'number' ? Math.ceil(wanted / step) * step : wanted;
  return type === 'integer' ? Math.ceil(stepped) : stepped;
};

/** A pointer inside the same document; anything else is not followed. */
const resolve = (root: Schema, pointer: string): unknown =>
  pointer === '#'
    ? root
    : pointer
        .slice(2)
        .split('/')
        .reduce<unknown>(
          (at, part) => (isRecord(at) ? at[part.replaceAll('~1', '/').replaceAll('~0', '~')] : undefined),
          root,
        );

const valueFor = (root: Schema, schema: unknown, depth: number): unknown => {
  if (!isRecord(schema) || depth > MOST_DEPTH) return schema === true ? {} : null;
  const { $ref, examples, allOf, properties, items } = schema;
  if (typeof $ref === 'string' && $ref.startsWith('#')) return valueFor(root, resolve(root, $ref), depth + 1);
  for (const name of ['const', 'example', 'default']) if (name in schema) return schema[name];
  if (Array.isArray(examples) && examples.length > 0) return examples[0] as unknown;
  if (Array.isArray(schema['enum'])) return schema['enum'][0] as unknown;
  const oneOf = [schema['oneOf'], schema['anyOf']].find((of) => Array.isArray(of)) as unknown[] | undefined;
  if (oneOf !== undefined && oneOf.length > 0) return valueFor(root, oneOf[0], depth + 1);
  const types = (Array.isArray(schema['type']) ? schema['type'] : [schema['type']]) as unknown[];
  const type = types.find((one) => one !== 'null') ?? types[0];
  const parts = Array.isArray(allOf)
    ? allOf.map((part) => valueFor(root, part, depth + 1)).filter(isRecord)
    : [];
  if (type === 'object' || isRecord(properties) || parts.length > 0) {
    const own = Object.entries(isRecord(properties) ? properties : {}).map(([name, property]) => [
      name,
      valueFor(root, property, depth + 1),
    ]);
    return Object.assign({}, ...parts, Object.fromEntries(own)) as unknown;
  }
  switch (type) {
    case 'array': {
      const least = typeof schema['minItems'] === 'number' ? schema['minItems'] : 1;
      const first = Array.isArray(items) ? (items[0] as unknown) : items;
      return Array.from({ length: Math.min(least, 100) }, () =>
        first === undefined ? null : valueFor(root, first, depth + 1),
      );
    }
    case 'integer':
    case 'number':
      return numberFor(schema);
    case 'boolean':
      return true;
    case 'null':
      return null;
    case 'string':
      return textFor(schema);
    default:
      return type === undefined ? {} : null;
  }
};

/**
 * A payload for an event type: the first example of its newest schema, or values made from the schema.
 * Patterns are not obeyed. null: nothing that is an object can be made of it.
 *
 * @param schemas JSON Schemas (draft 7) by version.
 */
export const examplePayload = (schemas: unknown): Readonly<Record<string, unknown>> | null => {
  if (!isRecord(schemas)) return null;
  const newest = Object.entries(schemas)
    .toSorted(([a], [b]) => a.localeCompare(b, 'en', { numeric: true }))
    .at(-1)?.[1];
  if (!isRecord(newest)) return null;
  const value = valueFor(newest, newest, 0);
  return isRecord(value) ? value : null;
};

/** For an event type that nobody described: the shape that Standard Webhooks recommends. */
export const plainPayload = (eventType: string, nowMs: number): Readonly<Record<string, unknown>> => ({
  type: eventType,
  timestamp: new Date(nowMs).toISOString(),
  data: { id: 1, example: true },
});
