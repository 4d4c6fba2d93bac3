/** Where the subschemas of a JSON Schema (draft 7) lie, and which of them a validator goes to with the same value. Pure. */

type Json = Readonly<Record<string, unknown>>;

export const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** One subschema: where it lies in the document, and what its references are relative to. */
export type Place = { readonly schema: Json; readonly path: string; readonly base: string };

/** Those with the same value as the schema itself, whatever the value is. */
const SAME_VALUE = ['allOf', 'anyOf', 'oneOf', 'not', 'if'] as const;
const ONE = [
  'not',
  'if',
  'then',
  'else',
  'contains',
  'propertyNames',
  'additionalItems',
  'additionalProperties',
] as const;
const LISTS = ['allOf', 'anyOf', 'oneOf', 'items'] as const;
const MAPS = ['properties', 'patternProperties', 'dependencies', 'definitions', '$defs'] as const;

/** Where references of a schema without an `$id` begin: a place of its own, at which nothing can be fetched. */
export const NOWHERE = 'schema://nowhere/';

/** A URI without its fragment. */
export const documentOf = (uri: string): string => {
  const at = uri.indexOf('#');
  return at === -1 ? uri : uri.slice(0, at);
};

/** A reference against its base; null: it cannot be read. */
export const resolveUri = (reference: string, base: string): string | null => {
  // What nearly all are: by far cheaper than to parse a URL.
  if (reference.startsWith('#')) return documentOf(base) + reference;
  return URL.canParse(reference, base) ? new URL(reference, base).href : null;
};

/** A key as part of a pointer in a fragment, and back; null: the part is none. */
export const escapeKey = (key: string): string =>
  encodeURIComponent(key.replaceAll('~', '~0').replaceAll('/', '~1'));
export const unescapeKey = (part: string): string | null => {
  if (!/[%~]/.test(part)) return part;
  try {
    return decodeURIComponent(part).replaceAll('~1', '/').replaceAll('~0', '~');
  } catch {
    return null;
  }
};

/** What a JSON pointer (`/a/b`, as in a fragment) names in a value; undefined where it names nothing. */
export const resolvePointer = (from: unknown, pointer: string): unknown => {
  if (pointer === '') return from;
  let value = from;
  for (const part of pointer.slice(1).split('/')) {
    const key = unescapeKey(part);
    if (key === null) return undefined;
    if (Array.isArray(value))
      value = /^(?:0|[1-9]\d*)$/.test(key) ? (value[Number(key)] as unknown) : undefined;
    else if (isObject(value) && Object.hasOwn(value, key)) value = value[key];
    else return undefined;
  }
  return value;
};

type Child = { readonly schema: Json; readonly path: string };

const childrenOf = ({ schema, path }: Place): Child[] => {
  const children: Child[] = [];
  // Strung together and not joined: a long key is not copied for each of its children.
  const add = (child: unknown, key: string, name?: string): void => {
    if (isObject(child))
      children.push({ schema: child, path: `${path}/${key}${name === undefined ? '' : `/${name}`}` });
  };
  for (const key of ONE) add(schema[key], key);
  for (const key of LISTS) {
    const list = schema[key];
    if (Array.isArray(list)) list.forEach((item, index) => add(item, key, String(index)));
    else add(list, key);
  }
  for (const key of MAPS) {
    const map = schema[key];
    if (isObject(map)) for (const [name, item] of Object.entries(map)) add(item, key, name);
  }
  return children;
};

/** The base of a schema's references: its own `$id` where it has one. In draft 7 a `$ref` makes that mean nothing. */
const baseOf = (schema: Json, outer: string): string => {
  const { $id, $ref } = schema;
  if (typeof $id !== 'string' || typeof $ref === 'string' || $id.startsWith('#')) return outer;
  return resolveUri($id, outer) ?? outer;
};

/** Every subschema under one, itself first. */
export const placesUnder = (schema: Json, path: string, outer: string): Place[] => {
  const places: Place[] = [{ schema, path, base: baseOf(schema, outer) }];
  for (let index = 0; index < places.length; index++) {
    const place = places[index]!;
    for (const child of childrenOf(place)) {
      places.push({ ...child, base: baseOf(child.schema, place.base) });
    }
  }
  return places;
};

/** The subschemas that a validator goes to with the same value, without the target of a reference. */
export const sameValueOf = (schema: Json): Json[] => {
  if (typeof schema['$ref'] === 'string') return [];
  return SAME_VALUE.flatMap((key) => schema[key]).filter(isObject);
};
