import { escapeKey, isObject, resolvePointer, unescapeKey } from './schema-graph.ts';

/** JSON Schemas on their way from an OpenAPI document to an event type, and back. Pure. */

type Json = Readonly<Record<string, unknown>>;

/** OpenAPI 3.0 has a dialect of its own: `nullable`, and exclusive bounds as flags. */
const fromDialect = (schema: Record<string, unknown>): Record<string, unknown> => {
  const { nullable, type } = schema;
  if (nullable === true && typeof type === 'string') schema['type'] = [type, 'null'];
  // Not a property of that name.
  if (typeof nullable === 'boolean') delete schema['nullable'];
  for (const [flag, bound] of [
    ['exclusiveMinimum', 'minimum'],
    ['exclusiveMaximum', 'maximum'],
  ] as const) {
    if (typeof schema[flag] !== 'boolean') continue;
    if (schema[flag] === true) {
      schema[flag] = schema[bound];
      delete schema[bound];
    } else delete schema[flag];
  }
  return schema;
};

/** What a definition is called that a reference leads to. */
const nameOf = (ref: string): string =>
  ref
    .replace(/^#\/(?:components\/schemas\/)?/, '')
    .split('/')
    .map((part) => unescapeKey(part) ?? part)
    .join('.');

export type Bundled =
  | { readonly kind: 'schema'; readonly schema: Json }
  /** A reference that leads nowhere, or out of the document. */
  | { readonly kind: 'unresolved'; readonly ref: string };

/** A schema that stands by itself: what it refers to in the document lies under its `definitions`. */
export const bundleSchema = (schema: Json, document: Json): Bundled => {
  const definitions = new Map<string, unknown>();
  const queue: [name: string, target: unknown][] = [];
  const isOldDialect = String(document['openapi']).startsWith('3.0');
  let unresolved: string | null = null;

  const define = (ref: string): string => {
    const name = nameOf(ref);
    if (definitions.has(name)) return name;
    const target = ref.startsWith('#/') ? resolvePointer(document, ref.slice(1)) : undefined;
    if (target === undefined) unresolved ??= ref;
    // Copied later: it may refer to itself, and chains are long.
    definitions.set(name, true);
    queue.push([name, target]);
    return name;
  };

  const copy = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(copy);
    if (!isObject(value)) return value;
    const copied = Object.fromEntries(
      Object.entries(value).map(([key, inner]) => [
        key,
        key === '$ref' && typeof inner === 'string'
          ? `#/definitions/${escapeKey(define(inner))}`
          : copy(inner),
      ]),
    );
    return isOldDialect ? fromDialect(copied) : copied;
  };

  const own = copy(schema) as Json;
  for (const [name, target] of queue) definitions.set(name, copy(target));
  if (unresolved !== null) return { kind: 'unresolved', ref: unresolved };
  if (definitions.size === 0) return { kind: 'schema', schema: own };
  const inner = isObject(own['definitions']) ? own['definitions'] : {};
  return {
    kind: 'schema',
    schema: { ...own, definitions: { ...inner, ...Object.fromEntries(definitions) } },
  };
};

/**
 * The opposite: the schema without its definitions, and these under names that begin with `prefix`, as
 * they stand among the components of a document.
 */
export const unbundleSchema = (
  schema: Json,
  prefix: string,
): { readonly schema: Json; readonly components: Json } => {
  const named = (name: string): string => (name.startsWith(`${prefix}.`) ? name : `${prefix}.${name}`);
  const copy = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(copy);
    if (!isObject(value)) return value;
    return Object.fromEntries(
      Object.entries(value).map(([key, inner]) => {
        const local =
          key === '$ref' && typeof inner === 'string' && /^#\/(?:definitions|\$defs)\/(.+)$/.exec(inner);
        const name = local ? unescapeKey(local[1]!) : null;
        return [key, name === null ? copy(inner) : `#/components/schemas/${escapeKey(named(name))}`];
      }),
    );
  };
  const { definitions, $defs, ...own } = schema;
  const inner = { ...(isObject($defs) ? $defs : {}), ...(isObject(definitions) ? definitions : {}) };
  return {
    schema: copy(own) as Json,
    components: Object.fromEntries(
      Object.entries(inner).map(([name, definition]) => [named(name), copy(definition)]),
    ),
  };
};
