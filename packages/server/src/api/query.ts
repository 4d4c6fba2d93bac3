import { badRequest } from './answers.ts';
import type { Refusal } from './answers.ts';

/** Parameters that may come as a list: `a,b`, repeated, `name[]` or `name[0]`. */
const LISTS: ReadonlySet<string> = new Set(['event_types']);

export type FlatQuery =
  | { readonly kind: 'query'; readonly values: Readonly<Record<string, string | string[]>> }
  | { readonly kind: 'refusal'; readonly refusal: Refusal };

const INDEXED = /^(.+)\[\d*\]$/;

/**
 * Reads a query string into flat values: no nesting, nothing inherited. A single-valued parameter
 * that comes twice is refused; one that is present but empty counts as absent.
 */
export const readQuery = (search: string): FlatQuery => {
  const values: Record<string, string | string[]> = Object.create(null) as Record<string, string>;
  for (const [key, value] of new URLSearchParams(search)) {
    const name = INDEXED.exec(key)?.[1] ?? key;
    if (value === '') continue;
    if (LISTS.has(name)) {
      const before = values[name];
      values[name] = [...(Array.isArray(before) ? before : []), ...value.split(',')];
    } else if (name in values) {
      return {
        kind: 'refusal',
        refusal: badRequest(`Failed to deserialize query string: duplicate field \`${name}\``),
      };
    } else if (name === key) values[name] = value;
  }
  return { kind: 'query', values };
};
