import type { IncomingRequest } from './contract.ts';
import { header } from './headers.ts';

/**
 * Where in a request a text is: a header, a field of the JSON body (`data.object.id`), or what a
 * function says. A field counts when it is text or a number.
 */
export type Place =
  | { readonly header: string }
  | { readonly json: string }
  | ((request: IncomingRequest) => string | null);

/** What all sources take. */
export type Identity = {
  readonly name?: string;
  /** What to deduplicate by; the same in every attempt of one event. */
  readonly id?: Place;
  readonly eventType?: Place;
  /** How long this sender retries, in milliseconds. */
  readonly retryWindowMs?: number;
};

/** The texts at all places, of which JSON ones cost one parse; null where there is none. */
export const picked = (
  request: IncomingRequest,
  places: readonly (Place | undefined)[],
): (string | null)[] => {
  let parsed: unknown;
  const json = (): unknown => (parsed ??= parse(request.body));
  return places
    .map((place) => {
      if (place === undefined) return null;
      if (typeof place === 'function') return place(request);
      if ('header' in place) return header(request.headers, place.header);
      return place.json.split('.').reduce(field, json()) as string | null;
    })
    .map((value) =>
      typeof value === 'number' ? String(value) : typeof value === 'string' && value !== '' ? value : null,
    );
};

/** What `Verified` says of a request, after its check. */
export const identify = (
  request: IncomingRequest,
  { id, eventType }: Identity,
): { readonly id: string | null; readonly eventType?: string } => {
  const [key = null, type = null] = picked(request, [id, eventType]);
  return { id: key, ...(type === null ? {} : { eventType: type }) };
};

const field = (value: unknown, name: string): unknown =>
  typeof value === 'object' && value !== null && Object.hasOwn(value, name)
    ? (value as Record<string, unknown>)[name]
    : null;

const parse = (body: Uint8Array): unknown => {
  try {
    return JSON.parse(new TextDecoder().decode(body));
  } catch {
    return null;
  }
};
