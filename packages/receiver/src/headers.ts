import type { HeadersLike, Refused } from './contract.ts';
import { refuse } from './errors.ts';

/**
 * All values of a header, in the order they came. Fetch's Headers and Node print repeated headers
 * as one value, joined by a comma.
 */
export const headerValues = (headers: HeadersLike, name: string): readonly string[] => {
  if (typeof headers.get === 'function') {
    const value: unknown = headers.get(name);
    return typeof value === 'string' ? [value] : [];
  }
  const wanted = name.toLowerCase();
  return Object.entries(headers).flatMap(([key, value]) =>
    key.toLowerCase() === wanted && (typeof value === 'string' || Array.isArray(value)) ? value : [],
  );
};

/** The first value of a header; null when it is absent or empty. */
export const header = (headers: HeadersLike, name: string): string | null =>
  headerValues(headers, name)[0] || null;

/** The value of a header that came once; '' when it is absent. */
export const singleHeader = (headers: HeadersLike, name: string): string | Refused => {
  const [value = '', ...more] = headerValues(headers, name);
  return more.length > 0 ? repeated(name) : value;
};

/**
 * Like {@link singleHeader}, for values that never hold `, `: with it in, they were joined out of
 * two.
 */
export const onlyHeader = (headers: HeadersLike, name: string): string | Refused => {
  const value = singleHeader(headers, name);
  return typeof value === 'string' && value.includes(', ') ? repeated(name) : value;
};

const repeated = (name: string): Refused =>
  refuse('duplicate_header', `The header ${name} came more than once.`, name);

/** Like {@link onlyHeader}, and refuses an absent or empty one. */
export const requiredHeader = (headers: HeadersLike, name: string): string | Refused => {
  const value = onlyHeader(headers, name);
  return value === '' ? refuse('missing_header', `The header ${name} is missing.`, name) : value;
};
