/**
 * A strict JSON scanner over bytes (RFC 8259). It finds where the values of a top-level object lie
 * without making them, so that a payload can be taken out of a request exactly as it was posted:
 * key order, duplicate keys, `1.0`, `\u0000` and lone surrogate escapes survive.
 */

/** One member of the top-level object; offsets are bytes, `end` exclusive. */
export type Member = { readonly key: string; readonly start: number; readonly end: number };

export type ScanResult =
  | { readonly kind: 'object'; readonly members: readonly Member[] }
  | { readonly kind: 'empty' }
  | { readonly kind: 'not_object' }
  | { readonly kind: 'too_deep'; readonly offset: number; readonly limit: number }
  | { readonly kind: 'invalid'; readonly offset: number };

/** Values nested deeper than this are refused: consumers' parsers recurse. */
export const DEPTH_LIMIT = 128;

const SPACE = 0x20;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const COLON = 0x3a;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;
const MINUS = 0x2d;
const POINT = 0x2e;
const ZERO = 0x30;

// A failed scan returns -1 - offset; TOO_DEEP apart, for it has a message of its own.
const TOO_DEEP = Number.MIN_SAFE_INTEGER;

const isDigit = (byte: number | undefined): boolean => byte !== undefined && byte >= 0x30 && byte <= 0x39;

const isHex = (byte: number | undefined): boolean =>
  byte !== undefined &&
  ((byte >= 0x30 && byte <= 0x39) || (byte >= 0x41 && byte <= 0x46) || (byte >= 0x61 && byte <= 0x66));

const skipSpace = (bytes: Uint8Array, from: number): number => {
  let at = from;
  for (;;) {
    const byte = bytes[at];
    if (byte === undefined || byte > SPACE) return at;
    if (byte !== SPACE && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) return at;
    at++;
  }
};

/** 1 for bytes that mean nothing in a string. */
const isPlain = Uint8Array.from({ length: 256 }, (_, byte) =>
  Number(byte >= 0x20 && byte !== QUOTE && byte !== BACKSLASH),
);

const skipString = (bytes: Uint8Array, from: number): number => {
  const length = bytes.length;
  let at = from + 1;
  while (at < length) {
    const byte = bytes[at]!;
    if (isPlain[byte] === 1) {
      at++;
      continue;
    }
    if (byte === QUOTE) return at + 1;
    if (byte !== BACKSLASH) return -1 - at;
    switch (bytes[at + 1]) {
      case QUOTE:
      case BACKSLASH:
      case 0x2f: // /
      case 0x62: // b
      case 0x66: // f
      case 0x6e: // n
      case 0x72: // r
      case 0x74: // t
        at += 2;
        break;
      case 0x75: // u
        for (let i = 2; i < 6; i++) if (!isHex(bytes[at + i])) return -1 - (at + i);
        at += 6;
        break;
      default:
        return -1 - (at + 1);
    }
  }
  return -1 - length;
};

const skipNumber = (bytes: Uint8Array, from: number): number => {
  let at = from;
  if (bytes[at] === MINUS) at++;
  if (!isDigit(bytes[at])) return -1 - at;
  if (bytes[at] === ZERO) at++;
  else while (isDigit(bytes[at])) at++;
  if (bytes[at] === POINT) {
    at++;
    if (!isDigit(bytes[at])) return -1 - at;
    while (isDigit(bytes[at])) at++;
  }
  if (bytes[at] === 0x65 || bytes[at] === 0x45) {
    at++;
    if (bytes[at] === 0x2b || bytes[at] === MINUS) at++;
    if (!isDigit(bytes[at])) return -1 - at;
    while (isDigit(bytes[at])) at++;
  }
  return at;
};

const words: ReadonlyMap<number, string> = new Map([
  [0x74, 'true'],
  [0x66, 'false'],
  [0x6e, 'null'],
]);

const skipWord = (bytes: Uint8Array, from: number): number => {
  const word = words.get(bytes[from] ?? -1);
  if (word === undefined) return -1 - from;
  for (let i = 1; i < word.length; i++) {
    if (bytes[from + i] !== word.charCodeAt(i)) return -1 - (from + i);
  }
  return from + word.length;
};

const skipMembers = (
  bytes: Uint8Array,
  from: number,
  depth: number,
  onMember: ((keyStart: number, keyEnd: number, start: number, end: number) => void) | null,
): number => {
  let at = skipSpace(bytes, from + 1);
  if (bytes[at] === CLOSE_BRACE) return at + 1;
  for (;;) {
    if (bytes[at] !== QUOTE) return -1 - at;
    const keyStart = at;
    const keyEnd = skipString(bytes, at);
    if (keyEnd < 0) return keyEnd;
    at = skipSpace(bytes, keyEnd);
    if (bytes[at] !== COLON) return -1 - at;
    at = skipSpace(bytes, at + 1);
    const start = at;
    at = skipValue(bytes, at, depth + 1);
    if (at < 0) return at;
    onMember?.(keyStart, keyEnd, start, at);
    at = skipSpace(bytes, at);
    if (bytes[at] === CLOSE_BRACE) return at + 1;
    if (bytes[at] !== COMMA) return -1 - at;
    at = skipSpace(bytes, at + 1);
  }
};

const skipElements = (
  bytes: Uint8Array,
  from: number,
  depth: number,
  onElement: ((start: number, end: number) => void) | null,
): number => {
  let at = skipSpace(bytes, from + 1);
  if (bytes[at] === CLOSE_BRACKET) return at + 1;
  for (;;) {
    const start = at;
    at = skipValue(bytes, at, depth + 1);
    if (at < 0) return at;
    onElement?.(start, at);
    at = skipSpace(bytes, at);
    if (bytes[at] === CLOSE_BRACKET) return at + 1;
    if (bytes[at] !== COMMA) return -1 - at;
    at = skipSpace(bytes, at + 1);
  }
};

const skipValue = (bytes: Uint8Array, from: number, depth: number): number => {
  if (depth > DEPTH_LIMIT) return TOO_DEEP;
  switch (bytes[from]) {
    case QUOTE:
      return skipString(bytes, from);
    case OPEN_BRACE:
      return skipMembers(bytes, from, depth, null);
    case OPEN_BRACKET:
      return skipElements(bytes, from, depth, null);
    case 0x74:
    case 0x66:
    case 0x6e:
      return skipWord(bytes, from);
    default:
      return skipNumber(bytes, from);
  }
};

const keyText = (bytes: Buffer, start: number, end: number): string => {
  const inner = bytes.toString('utf8', start + 1, end - 1);
  return inner.includes('\\') ? (JSON.parse(`"${inner}"`) as string) : inner;
};

const failure = (at: number): ScanResult =>
  at === TOO_DEEP
    ? { kind: 'too_deep', offset: 0, limit: DEPTH_LIMIT }
    : { kind: 'invalid', offset: -1 - at };

/**
 * Scans a whole text whose top level must be an object. UTF-8 validity is the caller's check.
 *
 * @param bytes The text, or a part of a larger buffer (offsets are relative to it).
 */
export const scanObject = (bytes: Buffer): ScanResult => {
  const first = skipSpace(bytes, 0);
  if (first >= bytes.length) return { kind: 'empty' };
  if (bytes[first] !== OPEN_BRACE) {
    const end = skipValue(bytes, first, 0);
    return end < 0 ? failure(end) : { kind: 'not_object' };
  }
  const members: Member[] = [];
  const end = skipMembers(bytes, first, 0, (keyStart, keyEnd, start, stop) => {
    members.push({ key: keyText(bytes, keyStart, keyEnd), start, end: stop });
  });
  if (end < 0) return failure(end);
  const rest = skipSpace(bytes, end);
  return rest < bytes.length ? { kind: 'invalid', offset: rest } : { kind: 'object', members };
};

/** An element of a list that is an object, its members' offsets counted from its own start. */
export type ScannedElement = {
  readonly start: number;
  readonly end: number;
  readonly members: readonly Member[];
};

/**
 * Scans, once, a text that is nothing but a list of objects, or an object with such a list as its only member.
 * Each element may nest as deep as a text of its own.
 *
 * @param key Name of that member.
 * @returns null for every other text, valid or not.
 */
export const scanList = (bytes: Buffer, key: string): readonly ScannedElement[] | null => {
  let at = skipSpace(bytes, 0);
  const isBare = bytes[at] === OPEN_BRACKET;
  if (!isBare) {
    if (bytes[at] !== OPEN_BRACE) return null;
    const keyStart = skipSpace(bytes, at + 1);
    if (bytes[keyStart] !== QUOTE) return null;
    const keyEnd = skipString(bytes, keyStart);
    if (keyEnd < 0 || keyText(bytes, keyStart, keyEnd) !== key) return null;
    at = skipSpace(bytes, keyEnd);
    if (bytes[at] !== COLON) return null;
    at = skipSpace(bytes, at + 1);
    if (bytes[at] !== OPEN_BRACKET) return null;
  }
  const elements: ScannedElement[] = [];
  do {
    const start = skipSpace(bytes, at + 1);
    if (bytes[start] !== OPEN_BRACE) return null;
    const members: Member[] = [];
    const end = skipMembers(bytes, start, 0, (keyStart, keyEnd, from, to) => {
      members.push({ key: keyText(bytes, keyStart, keyEnd), start: from - start, end: to - start });
    });
    if (end < 0) return null;
    elements.push({ start, end, members });
    at = skipSpace(bytes, end);
  } while (bytes[at] === COMMA);
  if (bytes[at] !== CLOSE_BRACKET) return null;
  if (!isBare) {
    at = skipSpace(bytes, at + 1);
    if (bytes[at] !== CLOSE_BRACE) return null;
  }
  return skipSpace(bytes, at + 1) === bytes.length ? elements : null;
};

/** Where the elements of an array lie; `bytes` must hold one valid JSON array and nothing else. */
export const scanArray = (bytes: Buffer): readonly { readonly start: number; readonly end: number }[] => {
  const elements: { start: number; end: number }[] = [];
  skipElements(bytes, skipSpace(bytes, 0), 0, (start, end) => elements.push({ start, end }));
  return elements;
};

/**
 * The same text with nothing in what lies as deep as a value may: spaces instead, so that all else is where it was.
 * What a scan found too deep can so be told from the rest, which is scanned as ever.
 */
export const withoutDepths = (bytes: Buffer): Buffer => {
  const shallow = Buffer.from(bytes);
  let open = 0;
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at]!;
    const isString = byte === QUOTE;
    const end = isString ? skipString(bytes, at) : at + 1;
    // Of a string that does not end the scan will say where.
    if (end < 0) return shallow;
    if (byte === CLOSE_BRACE || byte === CLOSE_BRACKET) open--;
    if (open > DEPTH_LIMIT) shallow.fill(SPACE, at, end);
    if (byte === OPEN_BRACE || byte === OPEN_BRACKET) open++;
    if (isString) at = end - 1;
  }
  return shallow;
};
