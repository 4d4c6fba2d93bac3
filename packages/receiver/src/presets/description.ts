import { type Bytes, decodeBase64, decodeHex, utf8 } from '../bytes.ts';
import { type CryptoKey, hmacKey } from '../keys.ts';
import type { Identity } from '../place.ts';
import { foundIn, type Secret, secretList } from '../secrets.ts';
import { type Parts, template } from './template.ts';

/** How a sender signs with HMAC, as data. */
export type HmacDescription = Identity & {
  readonly name: string;
  /** The header that holds the signature. */
  readonly header: string;
  /** @default 'sha256' */
  readonly algorithm?: 'sha1' | 'sha256' | 'sha512';
  /** @default 'hex' */
  readonly encoding?: 'hex' | 'base64';
  /** What stands before the signature, `sha256=` for instance. */
  readonly prefix?: string;
  /** The header holds pairs: `t=1,v1=ab,v1=cd` has the separator `,` and the names `t` and `v1`. */
  readonly pairs?: {
    readonly separator: string;
    readonly signature: string;
    readonly timestamp?: string;
  };
  /**
   * What is signed: text with `{body}`, `{timestamp}`, `{url}`, `{method}`, `{header:name}`.
   * @default '{body}'
   */
  readonly signed?: string;
  /** The header that holds the time, in whole seconds since 1970, where no pair does. */
  readonly timestampHeader?: string;
  /** How far that time may be from now, in seconds. @default 300 */
  readonly toleranceSeconds?: number;
  /** How a secret given as text becomes bytes. @default 'text', its UTF-8 */
  readonly secretEncoding?: 'text' | 'base64' | 'hex';
};

const HASHES = { sha1: 'SHA-1', sha256: 'SHA-256', sha512: 'SHA-512' } as const;
export const DIGEST_BYTES = { sha1: 20, sha256: 32, sha512: 64 } as const;

const READ = { text: utf8, base64: decodeBase64, hex: decodeHex } as const;

/**
 * What a description says is signed.
 *
 * @throws TypeError when it would not protect: the body is not signed, or a time that is checked
 * is not.
 */
export const signedContent = (description: HmacDescription): ((parts: Parts) => Bytes) => {
  const { name, signed = '{body}', timestampHeader, pairs } = description;
  const timed = timestampHeader !== undefined || pairs?.timestamp !== undefined;
  if (!signed.includes('{body}'))
    throw new TypeError(`${name}: '${signed}' leaves out {body}, so anybody can change it`);
  if (timed !== signed.includes('{timestamp}'))
    throw new TypeError(
      timed
        ? `${name}: '${signed}' leaves out {timestamp}, so an old webhook can be given a new time`
        : `${name}: '${signed}' has a {timestamp}; say where it is with timestampHeader or pairs.timestamp`,
    );
  return template(signed);
};

/**
 * The keys of a description's secrets, imported once, at the first use.
 *
 * @throws TypeError at once when there is no secret or one cannot be read.
 */
export const keysOf = (
  {
    name,
    algorithm = 'sha256',
    secretEncoding = 'text',
  }: Pick<HmacDescription, 'name' | 'algorithm' | 'secretEncoding'>,
  secrets: Secret | readonly Secret[],
): (() => Promise<readonly CryptoKey[]>) => {
  const all = secretList(secrets).map((secret) => {
    const bytes = typeof secret === 'string' ? READ[secretEncoding](secret) : secret;
    if (!(bytes instanceof Uint8Array) || bytes.length === 0)
      throw new TypeError(
        `${name}: expected a secret as ${secretEncoding}, or its bytes; found ${bytes === null ? `text that is not ${secretEncoding}` : foundIn(secret)}. Copy it whole from the sender.`,
      );
    return new Uint8Array(bytes);
  });
  if (all.length === 0)
    throw new TypeError(`${name}: expected at least one secret, found an empty list. Pass the sender’s.`);
  let keys: Promise<readonly CryptoKey[]> | undefined;
  return () => (keys ??= Promise.all(all.map((bytes) => hmacKey(bytes, HASHES[algorithm]))));
};
