/** What reading a JSON body came to. `path` leads to the offending string, if it is about one. */
export type JsonReading =
  | { readonly kind: 'value'; readonly value: unknown }
  | { readonly kind: 'malformed'; readonly why: string; readonly path: readonly string[] };

const malformed = (why: string, path: readonly string[] = []): JsonReading => ({
  kind: 'malformed',
  why,
  path,
});

const QUOTE = 0x22;
const BACKSLASH = 0x5c;

const isTooDeep = (bytes: Uint8Array, most: number): boolean => {
  let depth = 0;
  let inString = false;
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i];
    if (inString) {
      if (byte === BACKSLASH) i++;
      else if (byte === QUOTE) inString = false;
    } else if (byte === QUOTE) inString = true;
    else if (byte === 0x7b || byte === 0x5b) {
      if (++depth > most) return true;
    } else if (byte === 0x7d || byte === 0x5d) depth--;
  }
  return false;
};

/** Postgres stores neither NUL nor half a surrogate pair; a name with either is a mistake or an attack. */
const textProblem = (text: string): string | null => {
  if (text.includes('\u0000')) return 'Control characters 0x00-0x08 not allowed.';
  if (!text.isWellFormed()) return 'The text holds a lone surrogate, which is not valid Unicode.';
  return null;
};

const findProblem = (value: unknown, path: readonly string[]): JsonReading | null => {
  if (typeof value === 'string') {
    const why = textProblem(value);
    return why === null ? null : malformed(why, path);
  }
  if (Array.isArray(value)) {
    for (const [index, item] of value.entries()) {
      const problem = findProblem(item, [...path, `[${index}]`]);
      if (problem !== null) return problem;
    }
    return null;
  }
  if (typeof value === 'object' && value !== null) {
    for (const [key, item] of Object.entries(value)) {
      const why = textProblem(key);
      if (why !== null) return malformed(why, path);
      if (key === '__proto__') return malformed('The key `__proto__` is not allowed.', path);
      const problem = findProblem(item, [...path, key]);
      if (problem !== null) return problem;
    }
  }
  return null;
};

/**
 * Reads a JSON body of the control API: valid UTF-8, at most `depth` levels (parsers and databases break on far
 * less than they accept), no NUL, no lone surrogates, no `__proto__`. Message payloads do not come this way; they
 * are bytes.
 */
export const readJson = (bytes: Uint8Array, depth: number): JsonReading => {
  if (isTooDeep(bytes, depth)) return malformed(`recursion limit of ${depth} levels exceeded`);
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return malformed('The body is not valid UTF-8.');
  }
  if (text.trim() === '') return malformed('EOF while parsing a value at line 1 column 0');
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    return malformed(error instanceof Error ? error.message : 'The body is not valid JSON.');
  }
  return findProblem(value, []) ?? { kind: 'value', value };
};
