import { createHash, createSecretKey, timingSafeEqual } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { SignJWT, jwtVerify } from 'jose';
import type { JWTPayload } from 'jose';
import { refused } from './answers.ts';
import type { Refusal } from './answers.ts';
import type { RevocableToken } from './revocations.ts';

/** Whose data is asked for. `subject` names the token's holder, for the scope of idempotency keys. */
export type Tenant =
  | {
      readonly kind: 'org';
      readonly orgId: string;
      readonly subject: string;
      /** Of the token; the same however its text is spelled. */
      readonly digest: string;
    }
  | {
      readonly kind: 'app';
      readonly orgId: string;
      readonly applicationId: string;
      /** null: may see every event type. */
      readonly featureFlags: readonly string[] | null;
      /** null: may do all that an application's token may. */
      readonly capabilities: readonly string[] | null;
      readonly token: RevocableToken & { readonly expiresAtMs: number | null };
      readonly subject: string;
    };

/** Who asks: somebody of a tenant, or whoever runs the server, who sees nobody's data. */
export type Principal = Tenant | { readonly kind: 'operator' };

export type AuthResult =
  | { readonly kind: 'principal'; readonly principal: Principal }
  | { readonly kind: 'refusal'; readonly refusal: Refusal };

export type Authenticator = {
  /** The holder of a header's token that was verified before and still holds; never waits. */
  readonly cached: (header: string | null | undefined) => Principal | undefined;
  /** Verifies a header's token. Never rejects. */
  readonly authenticate: (header: string | null | undefined) => Promise<AuthResult>;
};

/** Clocks of those who sign and those who verify may differ by this much. */
const TOLERANCE_SECONDS = 900;
/** The subject of an operator's token: no id of anything can be this. */
const OPERATOR = 'operator';
const CACHED_TOKENS = 10_000;
const BEARER = /^bearer +(\S+) *$/i;
const ID_BODY = /^[A-Za-z0-9\-_.]{1,256}$/;

const unauthorized = (detail: string): AuthResult => ({
  kind: 'refusal',
  refusal: refused(401, 'authentication_failed', detail),
});

const badToken = (code: string, detail: string): AuthResult => ({
  kind: 'refusal',
  refusal: refused(400, code, detail),
});

const invalidToken = unauthorized('Invalid token');

const isId = (prefix: string, value: string): boolean => value.startsWith(prefix) && ID_BODY.test(value);

const textsOf = (claim: unknown): readonly string[] | null =>
  Array.isArray(claim) ? claim.filter((one) => typeof one === 'string') : null;

/** To the millisecond in tokens of ours, so that one made just after a revocation is not taken for older. */
const issuedAtMsOf = (claims: JWTPayload): number | null => {
  const exact = claims['issued_ms'];
  if (typeof exact === 'number') return exact;
  return claims.iat === undefined ? null : claims.iat * 1000;
};

/** Of what is signed: the signature has several spellings. */
const digestOf = (token: string): string =>
  digest(token.slice(0, token.lastIndexOf('.'))).toString('base64url');

const principalOf = (claims: JWTPayload, token: string): AuthResult => {
  const { sub } = claims;
  const org = claims['org'];
  if (typeof sub !== 'string') return unauthorized('Invalid token (missing `sub`).');
  if (sub === OPERATOR) return { kind: 'principal', principal: { kind: 'operator' } };
  if (org === undefined || org === null) {
    return isId('org_', sub)
      ? { kind: 'principal', principal: { kind: 'org', orgId: sub, subject: sub, digest: digestOf(token) } }
      : badToken('bad_token', "`sub' is not a valid organization id.");
  }
  if (typeof org !== 'string' || !isId('org_', org)) {
    return badToken('bad token', '`org` is not a valid organization id');
  }
  if (!isId('app_', sub)) return badToken('bad token', '`sub` is not a valid application id');
  return {
    kind: 'principal',
    principal: {
      kind: 'app',
      orgId: org,
      applicationId: sub,
      featureFlags: textsOf(claims['feature_flags']),
      capabilities: textsOf(claims['capabilities']),
      token: {
        applicationId: sub,
        issuedAtMs: issuedAtMsOf(claims),
        sessionId: typeof claims['session'] === 'string' ? claims['session'] : null,
        digest: digestOf(token),
        expiresAtMs: claims.exp === undefined ? null : (claims.exp + TOLERANCE_SECONDS) * 1000,
      },
      subject: sub,
    },
  };
};

const digest = (value: string | Uint8Array): Buffer => createHash('sha256').update(value).digest();

type Verified = { readonly principal: Principal; readonly untilMs: number };

/**
 * Verifies bearer tokens: JWTs signed with HS256 by the raw bytes of one of the secrets.
 *
 * @param secrets Accepted keys, the one that signs first. Several for rotation.
 * @param isRevoked Whether an application's token was taken back; asked at every use, so it must not wait.
 */
export const createAuthenticator = (
  secrets: readonly Uint8Array[],
  nowMs: () => number,
  isRevoked: (token: RevocableToken) => boolean = () => false,
): Authenticator => {
  const keys: readonly KeyObject[] = secrets.map((secret) => createSecretKey(secret));
  const secretDigests = secrets.map(digest);
  const verified = new Map<string, Verified>();

  const remember = (header: string, entry: Verified): void => {
    if (verified.size >= CACHED_TOKENS) {
      const oldest = verified.keys().next();
      if (oldest.done !== true) verified.delete(oldest.value);
    }
    verified.set(header, entry);
  };

  const claimsOf = async (token: string): Promise<JWTPayload | null> => {
    for (const key of keys) {
      try {
        const { payload } = await jwtVerify(token, key, {
          algorithms: ['HS256'],
          clockTolerance: TOLERANCE_SECONDS,
          currentDate: new Date(nowMs()),
        });
        return payload;
      } catch {
        // Another key may have signed it; why this one did not fit is no business of the caller.
      }
    }
    return null;
  };

  const cached = (header: string | null | undefined): Principal | undefined => {
    if (header === null || header === undefined) return undefined;
    const entry = verified.get(header);
    if (entry === undefined) return undefined;
    const { principal, untilMs } = entry;
    if (untilMs > nowMs() && (principal.kind !== 'app' || !isRevoked(principal.token))) return principal;
    verified.delete(header);
    return undefined;
  };

  const authenticate = async (header: string | null | undefined): Promise<AuthResult> => {
    const known = cached(header);
    if (known !== undefined) return { kind: 'principal', principal: known };
    const token = BEARER.exec(header ?? '')?.[1];
    if (header === null || header === undefined || token === undefined) return invalidToken;
    const tokenDigest = digest(token);
    if (secretDigests.some((secret) => timingSafeEqual(secret, tokenDigest))) {
      return unauthorized(
        'Invalid token: this is the secret that signs tokens, not a token. Make one with `posthorn token create`.',
      );
    }
    const claims = await claimsOf(token);
    if (claims === null) return invalidToken;
    const result = principalOf(claims, token);
    if (result.kind === 'principal') {
      const { principal } = result;
      if (principal.kind === 'app' && isRevoked(principal.token)) return invalidToken;
      const { exp } = claims;
      const untilMs = exp === undefined ? Infinity : (exp + TOLERANCE_SECONDS) * 1000;
      remember(header, { principal, untilMs });
    }
    return result;
  };

  return { cached, authenticate };
};

export type TokenRequest = {
  /** The key that signs. */
  readonly secret: Uint8Array;
  readonly orgId: string;
  /** Set: the token is good for this application only. */
  readonly applicationId: string | null;
  readonly featureFlags?: readonly string[] | undefined;
  /** What it is good for; absent: all that an application's token may do. */
  readonly capabilities?: readonly string[] | undefined;
  /** By which it can be taken back together with others. */
  readonly sessionId?: string | undefined;
  readonly nowMs: number;
  /** Default: 10 years for an organisation, 28 days for an application. */
  readonly lifetimeSeconds?: number | undefined;
};

const DAY_SECONDS = 24 * 3600;

/** Makes a token that {@link createAuthenticator} accepts. */
export const mintToken = async (request: TokenRequest): Promise<string> => {
  const { applicationId, orgId } = request;
  const lifetime = request.lifetimeSeconds ?? (applicationId === null ? 3650 : 28) * DAY_SECONDS;
  const issuedAt = Math.floor(request.nowMs / 1000);
  const claims = {
    ...(applicationId === null ? {} : { org: orgId, issued_ms: Math.floor(request.nowMs) }),
    ...(request.featureFlags === undefined ? {} : { feature_flags: request.featureFlags }),
    ...(request.capabilities === undefined ? {} : { capabilities: request.capabilities }),
    ...(request.sessionId === undefined ? {} : { session: request.sessionId }),
  };
  return new SignJWT(claims)
    .setProtectedHeader({ alg: 'HS256', typ: 'JWT' })
    .setIssuer('posthorn')
    .setSubject(applicationId ?? orgId)
    .setIssuedAt(issuedAt)
    .setNotBefore(issuedAt)
    .setExpirationTime(issuedAt + lifetime)
    .sign(createSecretKey(request.secret));
};
