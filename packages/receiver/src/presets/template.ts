import { type Bytes, concat } from '../bytes.ts';
import type { HeadersLike } from '../contract.ts';
import { header } from '../headers.ts';

/** What a template can be filled with. */
export type Parts = {
  readonly method: string;
  readonly url: string;
  readonly headers: HeadersLike;
  readonly body: Uint8Array;
  readonly timestamp: string;
};

const PLACEHOLDER = /(\{[^}]*\})/;
const KNOWN = /^\{(body|timestamp|url|method|header:[\w-]+)\}$/;

/**
 * Reads a description of what is signed: text with `{body}`, `{timestamp}`, `{url}`, `{method}`
 * and `{header:name}` in it. The body goes in as bytes.
 *
 * @throws TypeError at an unknown placeholder.
 */
export const template = (text: string): ((parts: Parts) => Bytes) => {
  const pieces = text.split(PLACEHOLDER);
  for (const piece of pieces)
    if (piece.startsWith('{') && !KNOWN.test(piece))
      throw new TypeError(
        `unknown ${piece} in '${text}': expected {body}, {timestamp}, {url}, {method} or {header:name}`,
      );
  return (parts) => concat(...pieces.map((piece) => (KNOWN.test(piece) ? fill(piece, parts) : piece)));
};

const fill = (piece: string, parts: Parts): Uint8Array | string => {
  const name = piece.slice(1, -1);
  if (name.startsWith('header:')) return header(parts.headers, name.slice(7)) ?? '';
  return parts[name as 'body' | 'timestamp' | 'url' | 'method'];
};
