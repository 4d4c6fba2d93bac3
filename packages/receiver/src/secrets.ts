import { type Bytes, decodeBase64 } from './bytes.ts';

/** `whsec_…`, `whpk_…` (to verify) and `whsk_…` (to sign) as text, or the bytes of an HMAC key. */
export type Secret = string | Uint8Array;

/** A secret as the keys that WebCrypto takes. */
export type Key =
  | { readonly kind: 'hmac'; readonly bytes: Bytes }
  | { readonly kind: 'ed25519'; readonly publicKey: Bytes; readonly seed: Bytes | null };

const EXPECTED =
  'expected whsec_ and base64, whpk_ and a public key of 32 bytes in base64, or the bytes themselves';
const NEXT = 'Copy the endpoint’s secret whole, from where endpoints are shown.';

/** Why secrets cannot be used, in words that hold nothing of them; null when they can. */
export const secretsProblem = (secrets: readonly unknown[]): string | null => {
  if (secrets.length === 0) return `There is no secret: the list is empty; ${EXPECTED}. ${NEXT}`;
  const index = secrets.findIndex((secret) => parseSecret(secret) === null);
  if (index < 0) return null;
  const which = secrets.length === 1 ? 'The secret' : `Secret ${index + 1} of ${secrets.length}`;
  return `${which} cannot be used: ${EXPECTED}, found ${foundIn(secrets[index])}. ${NEXT}`;
};

/** What stands where a secret should, without anything of it. */
export const foundIn = (secret: unknown): string => {
  if (secret === undefined || secret === null)
    return `${String(secret)} (is the environment variable set where this runs?)`;
  if (secret === '') return 'an empty text (is the environment variable set where this runs?)';
  if (secret instanceof Uint8Array) return secret.length === 0 ? 'no bytes' : 'bytes';
  if (typeof secret !== 'string') return `something of type ${typeof secret}`;
  if (/^[\s'"]|[\s'"]$/.test(secret)) return 'a space, a line end or a quotation mark around it';
  const [prefix = ''] = /^wh(sec|pk|sk)_/.exec(secret) ?? [];
  const rest = secret.slice(prefix.length);
  const where = prefix === '' ? 'text without such a beginning that' : `text that after ${prefix}`;
  if (rest === '') return `nothing after ${prefix}`;
  const bytes = decodeBase64(rest);
  return bytes === null ? `${where} is not base64` : `${bytes.length} bytes after ${prefix}`;
};

const SEED_BYTES = 32;
const PUBLIC_BYTES = 32;

/** One or several secrets as a list; what is neither text nor bytes stays in it, to be refused. */
export const secretList = <T extends Secret>(secrets: T | readonly T[]): readonly T[] =>
  Array.isArray(secrets) ? secrets : [secrets as T];

/**
 * Reads a secret: `whsec_` and base64 (the prefix may be missing) or bytes for `v1`; for `v1a`
 * `whpk_` and a public key of 32 bytes, or `whsk_` and a private key of 64 (seed and public key).
 * null for anything else.
 */
export const parseSecret = (secret: unknown): Key | null => {
  if (secret instanceof Uint8Array)
    return secret.length === 0 ? null : { kind: 'hmac', bytes: new Uint8Array(secret) };
  if (typeof secret !== 'string') return null;
  const bytes = decodeBase64(/^wh(sec|pk|sk)_/.test(secret) ? secret.slice(secret.indexOf('_') + 1) : secret);
  if (bytes === null) return null;
  if (secret.startsWith('whpk_'))
    return bytes.length === PUBLIC_BYTES ? { kind: 'ed25519', publicKey: bytes, seed: null } : null;
  if (secret.startsWith('whsk_'))
    return bytes.length === SEED_BYTES + PUBLIC_BYTES
      ? { kind: 'ed25519', seed: bytes.slice(0, SEED_BYTES), publicKey: bytes.slice(SEED_BYTES) }
      : null;
  return { kind: 'hmac', bytes };
};
