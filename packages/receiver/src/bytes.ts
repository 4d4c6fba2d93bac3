/** The body exactly as it came over the wire; a string counts as its UTF-8 bytes. */
export type RawBody = Uint8Array | ArrayBuffer | string;

/** Bytes that WebCrypto takes: never a view of shared memory. */
export type Bytes = Uint8Array<ArrayBuffer>;

const encoder = new TextEncoder();

export const utf8 = (text: string): Bytes => encoder.encode(text);

export const bytesOf = (body: RawBody): Uint8Array =>
  typeof body === 'string' ? utf8(body) : body instanceof Uint8Array ? body : new Uint8Array(body);

export const concat = (...parts: readonly (Uint8Array | string)[]): Bytes => {
  const all = parts.map((part) => (typeof part === 'string' ? utf8(part) : part));
  const whole = new Uint8Array(all.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of all) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
};

const BASE64 = /^[A-Za-z0-9+/]+={0,2}$/;

/** Bytes of standard base64 with or without padding; null when it is something else or empty. */
export const decodeBase64 = (text: string): Bytes | null => {
  const unpadded = text.replace(/=+$/, '');
  if (!BASE64.test(text) || unpadded.length % 4 === 1) return null;
  if (text !== unpadded && text.length % 4 !== 0) return null;
  return Uint8Array.from(atob(unpadded), (character) => character.charCodeAt(0));
};

export const encodeBase64 = (bytes: Uint8Array): string => {
  let binary = '';
  for (const byte of bytes) binary += String.fromCharCode(byte);
  return btoa(binary);
};

/** Bytes of hexadecimal digits in either case; null when it is something else or empty. */
export const decodeHex = (text: string): Bytes | null =>
  /^([\da-f]{2})+$/i.test(text)
    ? Uint8Array.from(text.match(/../g) ?? [], (digits) => Number.parseInt(digits, 16))
    : null;

export const encodeHex = (bytes: Uint8Array): string =>
  Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');

/** Several spellings decode to the same bytes; only the one that a sender prints is taken. */
const decodePrinted = (text: string): Bytes | null => {
  const bytes = decodeBase64(text);
  return bytes !== null && encodeBase64(bytes).startsWith(text) ? bytes : null;
};

/** Bytes of base64url without padding; null when it is something else or empty. */
export const decodeBase64Url = (text: string): Bytes | null =>
  /^[\w-]+$/.test(text) ? decodePrinted(text.replaceAll('-', '+').replaceAll('_', '/')) : null;

/** How signatures are written. */
export const encodings = {
  hex: { decode: decodeHex, encode: encodeHex },
  base64: { decode: decodePrinted, encode: encodeBase64 },
} as const;

export const sha256 = async (bytes: Bytes): Promise<Bytes> =>
  new Uint8Array(await crypto.subtle.digest('SHA-256', bytes));
