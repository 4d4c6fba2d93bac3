import { decodeBase64Url, encodeHex, sha256, utf8 } from '../bytes.ts';
import type { IncomingRequest, Refused, Source } from '../contract.ts';
import { refuse } from '../errors.ts';
import { onlyHeader } from '../headers.ts';
import { sameSecret } from '../keys.ts';
import type { Identity } from '../place.ts';
import { identified } from './credentials.ts';
import { type JwtKeys, keyRing, VERIFY } from './jwk.ts';

export type JwtOptions = Identity & {
  readonly keys: JwtKeys;
  /** The header that holds the token; in `authorization` after `Bearer`. @default 'authorization' */
  readonly header?: string;
  /** Who must have made it (`iss`). */
  readonly issuer?: string;
  /** Whom it must be for (`aud`): one of these. */
  readonly audience?: string | readonly string[];
  /** Further claims and what they must be, `{ email: 'sender@example.com' }` for instance. */
  readonly claims?: Readonly<Record<string, string>>;
  /** The claim with the body's SHA-256 in hexadecimal. Without it the token does not cover the body. */
  readonly bodySha256Claim?: string;
  /** How old `iat` may be, in seconds; needed for tokens without `exp`. */
  readonly maxAgeSeconds?: number;
  /** How much clocks may differ, in seconds. @default 60 */
  readonly clockToleranceSeconds?: number;
  /** Unix time in milliseconds. @default the machine's clock */
  readonly nowMs?: () => number;
};

type Claims = Readonly<Record<string, unknown>>;
type Token = {
  readonly header: Claims;
  readonly claims: Claims;
  readonly signed: Uint8Array<ArrayBuffer>;
  readonly signature: Uint8Array<ArrayBuffer>;
};

const MOST_CHARACTERS = 16_384;

/**
 * A sender with a JSON Web Token (RFC 7519; HS256, RS256, ES256, EdDSA). Each key is for the one
 * algorithm of its kind, so `none` and a public key taken for a shared secret are refused.
 *
 * A token is no id of an event: say with `id` what to deduplicate by.
 *
 * @throws TypeError at once for keys that cannot be used, or an expectation that is undefined.
 */
export const jwt = (options: JwtOptions): Source => {
  const keys = keyRing(options.keys);
  // An environment variable that is not set must not switch a check off.
  for (const expected of ['issuer', 'audience', 'bodySha256Claim'] as const)
    if (expected in options && !options[expected])
      throw new TypeError(`jwt: ${expected} is ${options[expected] === '' ? 'empty' : 'undefined'}`);
  const { header: name = 'authorization', nowMs = Date.now } = options;
  return identified('jwt', options, async (request) => {
    const value = onlyHeader(request.headers, name);
    if (typeof value !== 'string') return value;
    const text = name.toLowerCase() === 'authorization' ? (/^bearer +(\S+)$/i.exec(value)?.[1] ?? '') : value;
    if (text === '') return refuse('missing_credentials', `Send a token in the header ${name}.`, name);
    const token = parseToken(text);
    if (token === null) return refuse('bad_token', 'The token is no JWT.', name);
    const { alg, kid } = token.header;
    const ring = await keys.keysFor(typeof kid === 'string' ? kid : null);
    if (ring === null)
      return {
        ...refuse('keys_unavailable', 'The keys to check the token with cannot be fetched now.'),
        log: `the keys of tokens cannot be fetched: ${keys.problem() ?? 'no reason known'}`,
      };
    const candidates = ring.filter((key) => key.kid === null || kid === undefined || key.kid === kid);
    const fitting = candidates.filter((key) => key.algorithm === alg);
    if (candidates.length > 0 && fitting.length === 0)
      return refuse('token_algorithm', 'The token’s algorithm is not the one that its key is for.', name);
    for (const { algorithm, key } of fitting) {
      const imported = await key();
      if (
        imported &&
        (await crypto.subtle.verify(VERIFY[algorithm], imported, token.signature, token.signed))
      )
        return checkClaims(token.claims, request, options, nowMs());
    }
    return refuse('signature_mismatch', 'The token was not signed with a key of its issuer.', name);
  });
};

const parseToken = (text: string): Token | null => {
  const [head = '', body = '', mac = '', ...more] = text.length > MOST_CHARACTERS ? [] : text.split('.');
  const header = parsePart(head);
  const claims = parsePart(body);
  const signature = decodeBase64Url(mac);
  if (more.length > 0 || header === null || claims === null || signature === null) return null;
  // RFC 7515 4.1.11: what a critical extension says must be understood, and none is.
  return 'crit' in header ? null : { header, claims, signature, signed: utf8(`${head}.${body}`) };
};

const parsePart = (text: string): Claims | null => {
  try {
    const bytes = decodeBase64Url(text) ?? new Uint8Array();
    const value: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Claims) : null;
  } catch {
    return null;
  }
};

const checkClaims = async (
  claims: Claims,
  request: IncomingRequest,
  options: JwtOptions,
  nowMs: number,
): Promise<Refused | { readonly timestampMs: number | null }> => {
  const { issuer, audience, maxAgeSeconds, bodySha256Claim, clockToleranceSeconds: slack = 60 } = options;
  const { exp, nbf, iat, iss, aud } = claims;
  const now = nowMs / 1_000;
  for (const [name, value] of Object.entries({ exp, nbf, iat }))
    if (value !== undefined && !Number.isFinite(value))
      return refuse('bad_token', `The claim ${name} is no time.`, name);
  if (typeof exp !== 'number' && (maxAgeSeconds === undefined || typeof iat !== 'number'))
    return refuse('bad_token', 'The token never expires: it needs the claim exp.', 'exp');
  if (typeof exp === 'number' && !(now < exp + slack))
    return refuse('token_expired', 'The token has expired.', 'exp');
  if (typeof iat === 'number' && maxAgeSeconds !== undefined && !(now <= iat + maxAgeSeconds + slack))
    return refuse('token_expired', `The token is older than ${maxAgeSeconds} seconds.`, 'iat');
  for (const [name, value] of Object.entries({ nbf, iat }))
    if (typeof value === 'number' && !(now >= value - slack))
      return refuse('token_not_yet_valid', 'The token is of the future. Look at this machine’s clock.', name);
  if (issuer !== undefined && iss !== issuer)
    return refuse('token_issuer', 'The token was made by somebody else.', 'iss');
  if (audience !== undefined && !overlaps(aud, audience))
    return refuse('token_audience', 'The token is for somebody else.', 'aud');
  for (const [name, wanted] of Object.entries(options.claims ?? {}))
    if (!Object.hasOwn(claims, name) || claims[name] !== wanted)
      return refuse('bad_credentials', `The token’s claim ${name} is not the expected one.`, name);
  if (bodySha256Claim !== undefined) {
    const actual = encodeHex(await sha256(new Uint8Array(request.body)));
    if (!(await sameSecret(utf8(String(claims[bodySha256Claim]).toLowerCase()), utf8(actual))))
      return refuse('signature_mismatch', 'The token is for another body.', bodySha256Claim);
  }
  return { timestampMs: typeof iat === 'number' ? Math.floor(iat * 1_000) : null };
};

const overlaps = (claimed: unknown, wanted: string | readonly string[]): boolean =>
  [claimed].flat().some((one) => [wanted].flat().includes(one as string));
