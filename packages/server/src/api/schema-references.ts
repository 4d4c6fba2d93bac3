import {
  NOWHERE,
  documentOf,
  isObject,
  placesUnder,
  resolvePointer,
  resolveUri,
  sameValueOf,
} from './schema-graph.ts';
import type { Place } from './schema-graph.ts';

type Json = Readonly<Record<string, unknown>>;

/** Whether something is a regular expression (ECMA 262), read either way. It is never run. */
const isPattern = (text: string): boolean => {
  for (const flags of ['u', '']) {
    try {
      new RegExp(text, flags);
      return true;
    } catch {
      // The other way, perhaps.
    }
  }
  return false;
};

const patternsOf = ({ schema, path }: Place): [text: string, path: string][] => {
  const { pattern, patternProperties } = schema;
  const patterns: [string, string][] = typeof pattern === 'string' ? [[pattern, `${path}/pattern`]] : [];
  if (isObject(patternProperties))
    for (const name of Object.keys(patternProperties)) patterns.push([name, `${path}/patternProperties`]);
  return patterns;
};

/** What is declared by `$id`, with its URI. The problem: two of one name, or one that is no URI. */
const declared = (
  places: readonly Place[],
): { readonly ids: Map<string, Json> } | { readonly problem: string } => {
  const ids = new Map<string, Json>();
  for (const { schema, path, base } of places) {
    const { $id, $ref } = schema;
    if (typeof $id !== 'string' || typeof $ref === 'string') continue;
    // Its own base is what it says; a name inside of one (`#name`) is added to it.
    const uri = $id.startsWith('#') ? resolveUri($id, base) : resolveUri($id, NOWHERE) === null ? null : base;
    if (uri === null) return { problem: `${path}/$id is no URI` };
    const name = uri.replace(/#$/, '');
    if (ids.has(name)) return { problem: `${path}/$id is the name of another part, too` };
    ids.set(name, schema);
  }
  return { ids };
};

type Target =
  | { readonly kind: 'schema'; readonly schema: Json | boolean }
  /** Of another document: nobody looks. */
  | { readonly kind: 'elsewhere' }
  | { readonly kind: 'nothing' };

const targetOf = (ref: string, base: string, root: Json, ids: ReadonlyMap<string, Json>): Target => {
  const uri = resolveUri(ref, base);
  if (uri === null) return { kind: 'nothing' };
  const document = documentOf(uri);
  const fragment = uri.slice(document.length + 1);
  const named = fragment === '' ? ids.get(document) : ids.get(uri);
  if (named !== undefined) return { kind: 'schema', schema: named };
  const from = document === NOWHERE ? root : ids.get(document);
  if (from === undefined) return { kind: document.startsWith(NOWHERE) ? 'nothing' : 'elsewhere' };
  const found = fragment === '' || fragment.startsWith('/') ? resolvePointer(from, fragment) : undefined;
  return isObject(found) || typeof found === 'boolean'
    ? { kind: 'schema', schema: found }
    : { kind: 'nothing' };
};

/** A schema that a validator would come back to with the same value, for ever; null: there is none. */
const endless = (targets: ReadonlyMap<Json, Json>): Json | null => {
  const done = new Set<Json>();
  const nextOf = (schema: Json): Json[] => {
    const target = targets.get(schema);
    return target === undefined ? sameValueOf(schema) : [target];
  };
  // There is no circle without a reference.
  for (const start of targets.keys()) {
    // Not by recursion: chains are as long as documents are.
    const path = new Set<Json>();
    const stack: { readonly schema: Json; readonly rest: Json[] }[] = [];
    const enter = (schema: Json): void => {
      path.add(schema);
      stack.push({ schema, rest: nextOf(schema) });
    };
    if (!done.has(start)) enter(start);
    for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
      const next = top.rest.pop();
      if (next === undefined) {
        stack.pop();
        path.delete(top.schema);
        done.add(top.schema);
      } else if (path.has(next)) return next;
      else if (!done.has(next)) enter(next);
    }
  }
  return null;
};

/**
 * What a schema that fits the meta-schema has wrong all the same: patterns that are none, references that lead
 * nowhere or round in a circle, names given twice. null: nothing. Nothing is fetched and no pattern is run.
 *
 * @param isSchema Whether something that only a reference leads to is a schema.
 */
export const referenceProblem = (root: unknown, isSchema: (value: unknown) => boolean): string | null => {
  if (!isObject(root)) return null;
  const places = placesUnder(root, '', NOWHERE);
  const names = declared(places);
  if ('problem' in names) return names.problem;
  const seen = new Set(places.map(({ schema }) => schema));
  const targets = new Map<Json, Json>();
  // It grows: what only a reference leads to has parts of its own.
  for (let index = 0; index < places.length; index++) {
    const place = places[index]!;
    for (const [text, path] of patternsOf(place)) {
      if (!isPattern(text)) return `${path} has a pattern that is no regular expression`;
    }
    const { $ref } = place.schema;
    if (typeof $ref !== 'string') continue;
    const target = targetOf($ref, place.base, root, names.ids);
    if (target.kind === 'nothing') return `${place.path}/$ref refers to ${$ref}, which is not in it`;
    if (target.kind === 'elsewhere' || typeof target.schema === 'boolean') continue;
    targets.set(place.schema, target.schema);
    if (seen.has(target.schema)) continue;
    if (!isSchema(target.schema)) return `${place.path}/$ref refers to ${$ref}, which is no schema`;
    for (const under of placesUnder(target.schema, `${place.path}/$ref`, place.base)) {
      if (seen.has(under.schema)) continue;
      seen.add(under.schema);
      places.push(under);
    }
  }
  const circle = endless(targets);
  if (circle === null) return null;
  const path = places.find(({ schema }) => schema === circle)?.path ?? '';
  return `${path === '' ? 'it' : path} refers to itself without end`;
};
