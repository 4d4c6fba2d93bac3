import type { Source } from '../contract.ts';
import { refuse } from '../errors.ts';
import { onlyHeader } from '../headers.ts';
import type { Identity } from '../place.ts';
import { credentialSource } from './credentials.ts';

export type ApiKeyOptions = Identity & {
  /** @default 'authorization' */
  readonly header?: string;
  /** What stands before the key, in any case. @default 'Bearer ' in authorization, else nothing */
  readonly prefix?: string;
  /** The key is in this query parameter instead. URLs end up in logs: use a header where you can. */
  readonly query?: string;
};

/**
 * A sender with a key in a header, a bearer token for instance. Several may be given, to change
 * one.
 *
 * @throws TypeError at once when there is no key or one is empty.
 */
export const apiKey = (
  keys: string | readonly string[],
  { header = 'authorization', prefix, query, ...options }: ApiKeyOptions = {},
): Source => {
  const before = (prefix ?? (header.toLowerCase() === 'authorization' ? 'Bearer ' : '')).toLowerCase();
  return credentialSource(
    'api-key',
    [keys].flat(),
    ({ headers, url }) => {
      if (query !== undefined)
        return queryValue(url, query) || missing(`the query parameter ${query}`, query);
      const value = onlyHeader(headers, header);
      if (typeof value !== 'string') return value;
      const given = value.toLowerCase().startsWith(before) ? value.slice(before.length).trim() : '';
      return given || missing(`the header ${header}`, header);
    },
    options,
  );
};

const missing = (place: string, field: string) =>
  refuse('missing_credentials', `Send the key in ${place}.`, field);

const queryValue = (url: string, name: string): string | null => {
  const [beforeHash = ''] = url.split('#', 1);
  const at = beforeHash.indexOf('?');
  return at < 0 ? null : new URLSearchParams(beforeHash.slice(at)).get(name);
};
