import type { HeaderMap } from './records.ts';

/** Names that HTTP or Posthorn itself sets. */
const FORBIDDEN: ReadonlySet<string> = new Set([
  'accept-encoding',
  'connection',
  'content-encoding',
  'content-length',
  'content-type',
  'date',
  'expect',
  'forwarded',
  'host',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'user-agent',
  'via',
]);

const FORBIDDEN_PREFIXES = [
  'x-amz-',
  'x-amzn-',
  'x-google',
  'x-goog-',
  'x-gfe',
  'x-azure-',
  'x-fd-',
  'x-svix-',
  'svix-',
  'webhook-',
  'posthorn-',
];

const SENSITIVE: ReadonlySet<string> = new Set([
  'authorization',
  'cookie',
  'www-authenticate',
  'x-api-key',
  'x-auth-token',
]);

const NAME = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,256}$/;
// Visible ASCII, blanks and tabs: what every receiver reads the same way.
const VALUE = /^[\t\x20-\x7e]*$/;
const MAX_VALUE = 4096;
const MAX_HEADERS = 100;
const MAX_TOTAL = 32 * 1024;

/** Why an endpoint may not have a header, or null if it may. */
export const headerProblem = (name: string, value: string): string | null => {
  const lower = name.toLowerCase();
  if (!NAME.test(name)) return 'Invalid header name.';
  if (FORBIDDEN.has(lower)) return `The header \`${lower}\` cannot be set.`;
  const prefix = FORBIDDEN_PREFIXES.find((start) => lower.startsWith(start));
  if (prefix !== undefined) return `Headers that begin with \`${prefix}\` cannot be set.`;
  if (value.length > MAX_VALUE) return `Header values must be at most ${MAX_VALUE} characters.`;
  if (!VALUE.test(value)) return 'Header values may hold visible ASCII characters only.';
  return null;
};

/** Why a set of headers is too much, or null. */
export const headerSetProblem = (headers: HeaderMap): string | null => {
  const entries = Object.entries(headers);
  if (entries.length > MAX_HEADERS) return `At most ${MAX_HEADERS} headers are allowed.`;
  const total = entries.reduce((sum, [name, value]) => sum + name.length + value.length, 0);
  if (total > MAX_TOTAL) return `Headers must be at most ${MAX_TOTAL} characters in all.`;
  return null;
};

/** Two spellings of one name are one header: the later wins. */
const without = (headers: HeaderMap, name: string): HeaderMap =>
  Object.fromEntries(Object.entries(headers).filter(([key]) => key.toLowerCase() !== name.toLowerCase()));

/** Headers with some set (text) and some removed (null). */
export const mergeHeaders = (
  headers: HeaderMap,
  changes: Readonly<Record<string, string | null>>,
): HeaderMap => {
  let merged = headers;
  for (const [name, value] of Object.entries(changes)) {
    merged = without(merged, name);
    if (value !== null) merged = { ...merged, [name]: value };
  }
  return merged;
};

/** Headers as shown: of those that carry credentials only the names. */
export const showHeaders = (
  headers: HeaderMap,
): { readonly headers: HeaderMap; readonly sensitive: readonly string[] } => {
  const isSensitive = (name: string): boolean => SENSITIVE.has(name.toLowerCase());
  const entries = Object.entries(headers);
  return {
    headers: Object.fromEntries(entries.filter(([name]) => !isSensitive(name))),
    sensitive: entries.map(([name]) => name).filter(isSensitive),
  };
};
