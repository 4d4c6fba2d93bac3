import { type Bytes, decodeBase64, decodeBase64Url, utf8 } from '../bytes.ts';
import { fetched, type FetchOptions } from '../fetched.ts';
import type { CryptoKey } from '../keys.ts';

export type JwtAlgorithm = 'HS256' | 'RS256' | 'ES256' | 'EdDSA';

/** A public key as RFC 7517 writes it (or with `oct` a shared secret). */
export type Jwk = { readonly kty: string; readonly [member: string]: unknown };

/** Keys for a JWT: of one shared secret, of a PEM or JWKs at hand, or of a JWKS document. */
export type JwtKeys =
  | { readonly secret: string | Uint8Array }
  | { readonly pem: string; readonly algorithm: 'RS256' | 'ES256' | 'EdDSA' }
  | { readonly jwks: readonly Jwk[] }
  | ({ readonly jwksUrl: string } & FetchOptions);

/** A key knows its one algorithm, so that no token can choose another for it. */
export type VerifyKey = {
  readonly algorithm: JwtAlgorithm;
  readonly kid: string | null;
  /** Imported at the first use; null when that is impossible. */
  readonly key: () => Promise<CryptoKey | null>;
};

const IMPORT = {
  HS256: { name: 'HMAC', hash: 'SHA-256' },
  RS256: { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' },
  ES256: { name: 'ECDSA', namedCurve: 'P-256' },
  EdDSA: { name: 'Ed25519' },
} as const;

/** What `subtle.verify` takes for each; a JWS holds ECDSA's signature in its raw form. */
export const VERIFY = {
  HS256: { name: 'HMAC' },
  RS256: { name: 'RSASSA-PKCS1-v1_5' },
  ES256: { name: 'ECDSA', hash: 'SHA-256' },
  EdDSA: { name: 'Ed25519' },
} as const;

/** RFC 7518 asks for 2048 bits of RSA and for 256 of a shared secret. */
const LEAST_RSA_BYTES = 256;
const LEAST_SECRET_BYTES = 32;

type KeyRing = {
  /** Those that may have made a token with this `kid`; null when they cannot be fetched. */
  readonly keysFor: (kid: string | null) => Promise<readonly VerifyKey[] | null>;
  /** Why they cannot be fetched. */
  readonly problem: () => string | null;
};

/**
 * The keys that tokens are checked with.
 *
 * @throws TypeError at once for keys that cannot be used.
 */
export const keyRing = (keys: JwtKeys): KeyRing => {
  if ('jwksUrl' in keys) {
    const document = fetched(keys.jwksUrl, readDocument, keys);
    const keysFor: KeyRing['keysFor'] = async (kid) => {
      const known = await document.get();
      if (known === null || kid === null || known.some((key) => key.kid === kid)) return known;
      // A key that was changed just now: look again.
      await document.renew();
      return document.get();
    };
    return { keysFor, problem: document.problem };
  }
  const fixed =
    'secret' in keys ? [secretKey(keys.secret)] : 'pem' in keys ? [pemKey(keys)] : keys.jwks.map(jwkKey);
  const usable = fixed.filter((key) => key !== null);
  if (usable.length === 0 || usable.length < fixed.length)
    throw new TypeError(
      'jwt: expected keys for HS256 (32 bytes or more), RS256 (2048 bits or more), ES256 or EdDSA',
    );
  return { keysFor: async () => usable, problem: () => null };
};

/** Keys of other kinds are left out: a document may hold them too. */
const readDocument = (json: unknown): readonly VerifyKey[] => {
  const { keys } = json as { readonly keys?: unknown };
  if (!Array.isArray(keys)) throw new TypeError('expected a JWKS document');
  // A shared secret has no place in a document that anybody can fetch.
  return (keys as Jwk[])
    .filter(({ kty }) => kty !== 'oct')
    .map(jwkKey)
    .filter((key) => key !== null);
};

const verifyKey = (
  algorithm: JwtAlgorithm,
  kid: unknown,
  format: 'raw' | 'spki' | 'jwk',
  material: Bytes | Jwk,
): VerifyKey => {
  let key: Promise<CryptoKey | null> | undefined;
  const load = (): Promise<CryptoKey | null> =>
    crypto.subtle
      .importKey(format as 'raw', material as Bytes, IMPORT[algorithm], false, ['verify'])
      .catch(() => null);
  return { algorithm, kid: typeof kid === 'string' ? kid : null, key: () => (key ??= load()) };
};

const secretKey = (secret: string | Uint8Array): VerifyKey | null => {
  const bytes = typeof secret === 'string' ? utf8(secret) : new Uint8Array(secret);
  return bytes.length < LEAST_SECRET_BYTES ? null : verifyKey('HS256', null, 'raw', bytes);
};

const pemKey = ({
  pem,
  algorithm,
}: {
  readonly pem: string;
  readonly algorithm: JwtAlgorithm;
}): VerifyKey | null => {
  const body = /-----BEGIN PUBLIC KEY-----([^-]+)-----END PUBLIC KEY-----/.exec(pem)?.[1];
  const der = decodeBase64(body?.replace(/\s+/g, '') ?? '');
  return der === null ? null : verifyKey(algorithm, null, 'spki', der);
};

const jwkKey = (jwk: Jwk): VerifyKey | null => {
  const algorithm = algorithmOf(jwk);
  if (algorithm === null || (jwk['alg'] ?? algorithm) !== algorithm || (jwk['use'] ?? 'sig') !== 'sig')
    return null;
  if (algorithm === 'RS256' && bytesIn(jwk['n']) < LEAST_RSA_BYTES) return null;
  if (algorithm === 'HS256' && bytesIn(jwk['k']) < LEAST_SECRET_BYTES) return null;
  const { kty, crv, n, e, x, y, k } = jwk;
  return verifyKey(algorithm, jwk['kid'], 'jwk', { kty, crv, n, e, x, y, k });
};

const bytesIn = (member: unknown): number => decodeBase64Url(String(member))?.length ?? 0;

const algorithmOf = ({ kty, crv }: Jwk): JwtAlgorithm | null => {
  if (kty === 'RSA') return 'RS256';
  if (kty === 'oct') return 'HS256';
  if (kty === 'EC') return crv === 'P-256' ? 'ES256' : null;
  return kty === 'OKP' && crv === 'Ed25519' ? 'EdDSA' : null;
};
