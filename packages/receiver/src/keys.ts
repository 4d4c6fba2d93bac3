import type { Bytes } from './bytes.ts';

/** WebCrypto's key, whichever library of types the program has. */
export type CryptoKey = Awaited<ReturnType<typeof crypto.subtle.importKey>>;

export type HmacHash = 'SHA-1' | 'SHA-256' | 'SHA-512';

export const hmacKey = (bytes: Bytes, hash: HmacHash = 'SHA-256'): Promise<CryptoKey> =>
  crypto.subtle.importKey('raw', bytes, { name: 'HMAC', hash }, false, ['sign', 'verify']);

export const hmac = async (key: CryptoKey, content: Bytes): Promise<Bytes> =>
  new Uint8Array(await crypto.subtle.sign('HMAC', key, content));

/**
 * Whether two secrets are the same, in a time that tells neither how much of them fits nor how
 * long they are: both go through an HMAC under a random key, and WebCrypto compares.
 */
export const sameSecret = async (given: Bytes, expected: Bytes): Promise<boolean> => {
  const key = await hmacKey(crypto.getRandomValues(new Uint8Array(32)));
  return crypto.subtle.verify('HMAC', key, await hmac(key, expected), given);
};

/** Index of the expected secret that was given, or -1. Always looks at all of them. */
export const secretIndexOf = async (given: Bytes, expected: readonly Bytes[]): Promise<number> => {
  const same = await Promise.all(expected.map((secret) => sameSecret(given, secret)));
  return same.indexOf(true);
};

export const ed25519PublicKey = (bytes: Bytes): Promise<CryptoKey> =>
  crypto.subtle.importKey('raw', bytes, { name: 'Ed25519' }, false, ['verify']);

// RFC 8410: the fixed head of an Ed25519 private key in PKCS #8, before its 32 bytes of seed.
const PKCS8_ED25519 = [48, 46, 2, 1, 0, 48, 5, 6, 3, 43, 101, 112, 4, 34, 4, 32];

export const ed25519PrivateKey = (seed: Bytes): Promise<CryptoKey> =>
  crypto.subtle.importKey('pkcs8', Uint8Array.from([...PKCS8_ED25519, ...seed]), { name: 'Ed25519' }, false, [
    'sign',
  ]);
