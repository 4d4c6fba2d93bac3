import { type Bytes, encodings } from '../bytes.ts';
import type { HeadersLike, Refused } from '../contract.ts';
import { refuse } from '../errors.ts';
import { requiredHeader, singleHeader } from '../headers.ts';
import { DIGEST_BYTES, type HmacDescription } from './description.ts';

const MOST_SIGNATURES = 10;

/** The signatures of a request and the time they cover ('' where the sender gives none). */
export const readSignatures = (
  description: HmacDescription,
  headers: HeadersLike,
): { readonly timestamp: string; readonly signatures: readonly Bytes[] } | Refused => {
  const { header, pairs, prefix = '', encoding = 'hex', algorithm = 'sha256', timestampHeader } = description;
  const read = pairs ? readPairs(headers, header, pairs) : readSingle(headers, header);
  if ('ok' in read) return read;
  if (read.texts.length > MOST_SIGNATURES)
    return refuse('too_many_signatures', `More than ${MOST_SIGNATURES} signatures came.`, header);
  const signatures = read.texts.flatMap((text) => {
    const bytes = text.startsWith(prefix) ? encodings[encoding].decode(text.slice(prefix.length)) : null;
    return bytes?.length === DIGEST_BYTES[algorithm] ? [bytes] : [];
  });
  if (signatures.length === 0)
    return refuse(
      'no_usable_signature',
      `The header ${header} holds no signature as ${algorithm} in ${encoding}.`,
      header,
    );
  const timestamp = timestampHeader === undefined ? read.timestamp : requiredHeader(headers, timestampHeader);
  return typeof timestamp === 'string' ? { timestamp, signatures } : timestamp;
};

type Texts = { readonly texts: readonly string[]; readonly timestamp: string };

const readSingle = (headers: HeadersLike, name: string): Texts | Refused => {
  const value = requiredHeader(headers, name);
  return typeof value === 'string' ? { texts: [value], timestamp: '' } : value;
};

const readPairs = (
  headers: HeadersLike,
  name: string,
  { separator, signature, timestamp }: NonNullable<HmacDescription['pairs']>,
): Texts | Refused => {
  const value = singleHeader(headers, name);
  if (typeof value !== 'string') return value;
  if (value === '') return refuse('missing_header', `The header ${name} is missing.`, name);
  const pairs = value.split(separator).map((pair) => pair.trim());
  const named = (key: string): string[] =>
    pairs.flatMap((pair) => (pair.startsWith(`${key}=`) ? pair.slice(key.length + 1) : []));
  const [time = '', ...times] = timestamp === undefined ? [] : named(timestamp);
  if (times.length > 0) return refuse('duplicate_header', `The header ${name} came more than once.`, name);
  return { texts: named(signature), timestamp: time };
};
