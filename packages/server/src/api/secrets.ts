import { createPrivateKey, createPublicKey } from 'node:crypto';
import type { SigningKey } from '../domain/configuration.ts';

const SYMMETRIC = 'whsec_';
const PRIVATE = 'whsk_';
const PUBLIC = 'whpk_';

/** Bytes of a symmetric key: 24 to 75; new ones have 24, as in the reference. */
const MIN_BYTES = 24;
const MAX_BYTES = 75;
const NEW_BYTES = 24;
const SEED_BYTES = 32;
const PAIR_BYTES = 64;

/** Standard Base64 in the one spelling that its bytes have; anything else would name another key. */
const strictBase64 = (text: string): Buffer | null => {
  const bytes = Buffer.from(text, 'base64');
  return bytes.toString('base64') === text ? bytes : null;
};

// RFC 8410: what stands before the seed in a PKCS #8 Ed25519 key, and before the key in a SPKI one.
const PKCS8_HEAD = Buffer.from('302e020100300506032b657004220420', 'hex');
const SPKI_HEAD_BYTES = 12;

const publicKeyOf = (seed: Uint8Array): Buffer => {
  const key = createPrivateKey({
    key: Buffer.concat([PKCS8_HEAD, seed]),
    format: 'der',
    type: 'pkcs8',
  });
  return createPublicKey(key).export({ format: 'der', type: 'spki' }).subarray(SPKI_HEAD_BYTES);
};

export type SecretReading =
  | { readonly kind: 'key'; readonly key: SigningKey }
  | { readonly kind: 'bad'; readonly why: string };

const bad = (why: string): SecretReading => ({ kind: 'bad', why });

/** Reads `whsec_…` or `whsk_…` (Standard Webhooks). */
export const parseSecret = (text: string): SecretReading => {
  if (text.startsWith(SYMMETRIC)) {
    const key = strictBase64(text.slice(SYMMETRIC.length));
    if (key === null) return bad('The secret is not valid Base64 after `whsec_`.');
    return key.length < MIN_BYTES || key.length > MAX_BYTES
      ? bad(`The secret must be ${MIN_BYTES} to ${MAX_BYTES} bytes, in Base64 after \`whsec_\`.`)
      : { kind: 'key', key: { kind: 'hmac256', key } };
  }
  if (text.startsWith(PRIVATE)) {
    const pair = strictBase64(text.slice(PRIVATE.length));
    if (pair === null || pair.length !== PAIR_BYTES) {
      return bad('The secret must be 32 bytes of seed and 32 of public key, in Base64 after `whsk_`.');
    }
    const seed = pair.subarray(0, SEED_BYTES);
    const publicKey = pair.subarray(SEED_BYTES);
    return publicKeyOf(seed).equals(publicKey)
      ? { kind: 'key', key: { kind: 'ed25519', seed, publicKey } }
      : bad('The public key in the secret does not belong to its seed.');
  }
  return bad('The secret must begin with `whsec_` (symmetric) or `whsk_` (ed25519).');
};

/** What the receiver is given to verify with: the shared secret, or the public key alone. */
export const showSecret = (key: SigningKey): string =>
  key.kind === 'hmac256'
    ? SYMMETRIC + Buffer.from(key.key).toString('base64')
    : PUBLIC + Buffer.from(key.publicKey).toString('base64');

/** A new key from random bytes. */
export const makeSecret = (
  kind: SigningKey['kind'],
  randomBytes: (count: number) => Uint8Array,
): SigningKey => {
  if (kind === 'hmac256') return { kind, key: randomBytes(NEW_BYTES) };
  const seed = randomBytes(SEED_BYTES);
  return { kind, seed, publicKey: publicKeyOf(seed) };
};
