import type { z } from '@hono/zod-openapi';

type Path = readonly (string | number)[];

/** What of zod's definitions is looked at here. */
type Definition = {
  readonly type: string;
  readonly shape?: Readonly<Record<string, z.ZodType>>;
  readonly catchall?: z.ZodType;
  readonly element?: z.ZodType;
  readonly valueType?: z.ZodType;
  readonly innerType?: z.ZodType;
  readonly in?: z.ZodType;
  readonly options?: readonly z.ZodType[];
};

const definitionOf = (schema: z.ZodType): Definition => schema.def;

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const firstOf = <Item>(items: Iterable<Item>, find: (item: Item) => Path | null): Path | null => {
  for (const item of items) {
    const found = find(item);
    if (found !== null) return found;
  }
  return null;
};

/**
 * Where a value that fits a schema has a field that the schema does not know, or null. What a schema leaves open
 * (records, metadata, settings) has none.
 */
export const unknownField = (schema: z.ZodType, value: unknown, path: Path = []): Path | null => {
  const { shape, catchall, element, valueType, innerType, in: input, options } = definitionOf(schema);
  const inner = innerType ?? input;
  if (inner !== undefined) return unknownField(inner, value, path);
  if (options !== undefined) {
    const fitting = options.filter((option) => option.safeParse(value).success);
    const found = fitting.map((option) => unknownField(option, value, path));
    return found.includes(null) ? null : (found[0] ?? null);
  }
  if (shape !== undefined && isObject(value)) {
    return firstOf(Object.entries(value), ([key, item]) => {
      const known = Object.hasOwn(shape, key) ? shape[key] : catchall;
      return known === undefined ? [...path, key] : unknownField(known, item, [...path, key]);
    });
  }
  if (element !== undefined && Array.isArray(value))
    return firstOf(value.entries(), ([index, item]) => unknownField(element, item, [...path, index]));
  if (valueType !== undefined && isObject(value))
    return firstOf(Object.entries(value), ([key, item]) => unknownField(valueType, item, [...path, key]));
  return null;
};
