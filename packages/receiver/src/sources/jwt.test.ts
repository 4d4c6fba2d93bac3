import { createHash } from 'node:crypto';
import fc from 'fast-check';
import {
  base64url,
  CompactSign,
  exportJWK,
  exportSPKI,
  generateKeyPair,
  type JWTPayload,
  SignJWT,
} from 'jose';
import { describe, expect, it } from 'vitest';
import type { IncomingRequest, Refused, Verified } from '../contract.ts';
import type { Jwk, JwtKeys } from './jwk.ts';
import { jwt, type JwtOptions } from './jwt.ts';

const nowMs = 1_700_000_000_000;
const now = nowMs / 1_000;
const secret = new TextEncoder().encode('a secret of thirty-two bytes, ok');
const body = new TextEncoder().encode('{"a":1}');

const pairs = {
  RS256: await generateKeyPair('RS256', { extractable: true }),
  ES256: await generateKeyPair('ES256', { extractable: true }),
  EdDSA: await generateKeyPair('EdDSA', { extractable: true }),
};
type Asymmetric = keyof typeof pairs;
const algorithms = Object.keys(pairs) as Asymmetric[];
const jwk = async (algorithm: Asymmetric, more: object = {}): Promise<Jwk> => ({
  ...((await exportJWK(pairs[algorithm].publicKey)) as Jwk),
  ...more,
});
const signed = (
  algorithm: Asymmetric,
  claims: JWTPayload = { exp: now + 60 },
  more: object = {},
): Promise<string> =>
  new SignJWT(claims).setProtectedHeader({ alg: algorithm, ...more }).sign(pairs[algorithm].privateKey);
const shared = (claims: JWTPayload, header: object = {}): Promise<string> =>
  new SignJWT(claims).setProtectedHeader({ alg: 'HS256', ...header }).sign(secret);

const ask = (
  token: string,
  options: JwtOptions,
  more: Partial<IncomingRequest> = {},
): Promise<Verified | Refused> =>
  jwt({ nowMs: () => nowMs, ...options }).check({
    method: 'POST',
    url: '/',
    headers: { authorization: `Bearer ${token}` },
    body,
    ...more,
  });
const code = (expected: string): object => ({ ok: false, code: expected });

describe('tokens that jose made', () => {
  it.each(algorithms)('%s is taken with a JWK and with a PEM', async (algorithm) => {
    const token = await signed(algorithm);
    const pem = await exportSPKI(pairs[algorithm].publicKey);
    for (const keys of [{ jwks: [await jwk(algorithm)] }, { pem, algorithm }] satisfies JwtKeys[])
      expect(await ask(token, { keys })).toEqual({ ok: true, id: null, timestampMs: null });
  });

  it('HS256 is taken with the secret, as text, bytes and JWK', async () => {
    const token = await shared({ exp: now + 60, iat: now - 5 });
    const forms: JwtKeys[] = [
      { secret },
      { secret: new TextDecoder().decode(secret) },
      { jwks: [{ kty: 'oct', k: base64url.encode(secret) }] },
    ];
    for (const keys of forms)
      expect(await ask(token, { keys })).toMatchObject({ ok: true, timestampMs: nowMs - 5_000 });
  });

  it('the key is found by its kid, and of all without one', async () => {
    const keys = { jwks: [await jwk('RS256', { kid: 'a' }), await jwk('ES256', { kid: 'b' })] };
    expect(await ask(await signed('ES256', undefined, { kid: 'b' }), { keys })).toMatchObject({ ok: true });
    expect(await ask(await signed('ES256'), { keys })).toMatchObject({ ok: true });
    expect(await ask(await signed('ES256', undefined, { kid: 'c' }), { keys })).toMatchObject(
      code('signature_mismatch'),
    );
    expect(await ask(await signed('ES256', undefined, { kid: 'a' }), { keys })).toMatchObject(
      code('token_algorithm'),
    );
  });
});

describe('algorithm confusion', () => {
  it('a public key is no shared secret', async () => {
    for (const algorithm of algorithms) {
      const pem = await exportSPKI(pairs[algorithm].publicKey);
      const { x, n } = await jwk(algorithm);
      for (const material of [pem, pem.trim(), String(n ?? x)]) {
        const forged = await new SignJWT({ exp: now + 60 })
          .setProtectedHeader({ alg: 'HS256' })
          .sign(new TextEncoder().encode(material));
        expect(await ask(forged, { keys: { pem, algorithm } })).toMatchObject(code('token_algorithm'));
      }
    }
  });

  it('none is none, in every spelling', async () => {
    const claims = base64url.encode(JSON.stringify({ exp: now + 60 }));
    for (const alg of ['none', 'None', 'NONE', 'nOnE', '', null, undefined])
      for (const signature of ['', 'AA', (await shared({})).split('.')[2] ?? '']) {
        const token = `${base64url.encode(JSON.stringify({ alg }))}.${claims}.${signature}`;
        expect(await ask(token, { keys: { secret } })).toMatchObject({
          ok: false,
          code: signature === '' ? 'bad_token' : 'token_algorithm',
        });
      }
  });

  it('a key that says another algorithm, or that is for encryption, is not taken', async () => {
    for (const more of [{ alg: 'RS512' }, { use: 'enc' }])
      await expect(jwk('RS256', more).then((one) => jwt({ keys: { jwks: [one] } }))).rejects.toThrow(
        TypeError,
      );
  });

  it('keys that are too weak, or none, do not start', async () => {
    const weak = await crypto.subtle.generateKey(
      {
        name: 'RSASSA-PKCS1-v1_5',
        modulusLength: 1024,
        publicExponent: new Uint8Array([1, 0, 1]),
        hash: 'SHA-256',
      },
      true,
      ['sign', 'verify'],
    );
    const keys: JwtKeys[] = [
      { secret: 'short' },
      { jwks: [] },
      { jwks: [{ kty: 'oct', k: 'c2hvcnQ' }] },
      { jwks: [(await crypto.subtle.exportKey('jwk', weak.publicKey)) as Jwk] },
      { jwks: [{ kty: 'EC', crv: 'secp256k1', x: 'AA', y: 'AA' }] },
      { pem: 'no PEM', algorithm: 'RS256' },
    ];
    for (const one of keys) expect(() => jwt({ keys: one })).toThrow(TypeError);
  });

  it('a critical extension is not ignored', async () => {
    const token = await new CompactSign(new TextEncoder().encode(JSON.stringify({ exp: now + 60 })))
      .setProtectedHeader({ alg: 'HS256', crit: ['b64'], b64: true })
      .sign(secret);
    expect(await ask(token, { keys: { secret } })).toMatchObject(code('bad_token'));
  });
});

describe('claims', () => {
  const keys: JwtKeys = { secret };
  const cases: readonly (readonly [string, JWTPayload, Partial<JwtOptions>, string | null])[] = [
    ['expired within the slack', { exp: now - 59 }, {}, null],
    ['expired', { exp: now - 60 }, {}, 'token_expired'],
    ['expired without slack', { exp: now }, { clockToleranceSeconds: 0 }, 'token_expired'],
    ['no exp', {}, {}, 'bad_token'],
    ['no exp, and only an age given', {}, { maxAgeSeconds: 300 }, 'bad_token'],
    ['iat in place of exp', { iat: now - 300 }, { maxAgeSeconds: 300 }, null],
    ['iat too old', { iat: now - 361 }, { maxAgeSeconds: 300 }, 'token_expired'],
    [
      'iat too old beside a good exp',
      { iat: now - 361, exp: now + 9 },
      { maxAgeSeconds: 300 },
      'token_expired',
    ],
    ['iat ahead', { iat: now + 61, exp: now + 99 }, {}, 'token_not_yet_valid'],
    ['nbf ahead', { nbf: now + 61, exp: now + 99 }, {}, 'token_not_yet_valid'],
    ['nbf within the slack', { nbf: now + 60, exp: now + 99 }, {}, null],
    ['issuer', { iss: 'a', exp: now }, { issuer: 'a' }, null],
    ['other issuer', { iss: 'ab', exp: now }, { issuer: 'a' }, 'token_issuer'],
    ['no issuer', { exp: now }, { issuer: 'a' }, 'token_issuer'],
    ['audience', { aud: 'a', exp: now }, { audience: ['b', 'a'] }, null],
    ['one audience of two', { aud: ['x', 'a'], exp: now }, { audience: 'a' }, null],
    ['other audience', { aud: ['x'], exp: now }, { audience: 'a' }, 'token_audience'],
    ['no audience', { exp: now }, { audience: 'a' }, 'token_audience'],
    ['further claim', { email: 'a@b', exp: now }, { claims: { email: 'a@b' } }, null],
    ['other further claim', { email: 'b@b', exp: now }, { claims: { email: 'a@b' } }, 'bad_credentials'],
    ['claim that objects inherit', { exp: now }, { claims: { toString: 'a' } }, 'bad_credentials'],
    [
      'body',
      { h: createHash('sha256').update(body).digest('hex'), exp: now },
      { bodySha256Claim: 'h' },
      null,
    ],
    [
      'other body',
      { h: createHash('sha256').digest('hex'), exp: now },
      { bodySha256Claim: 'h' },
      'signature_mismatch',
    ],
    ['no body claim', { exp: now }, { bodySha256Claim: 'h' }, 'signature_mismatch'],
  ];
  it.each(cases)('%s', async (_name, claims, options, refusal) => {
    const result = await ask(await shared(claims), { keys, ...options });
    expect(result).toMatchObject(refusal === null ? { ok: true } : code(refusal));
  });

  it('an option that is no number does not open the door', async () => {
    const token = await shared({ exp: now - 3_600, iat: now - 7_200 });
    for (const options of [
      { clockToleranceSeconds: Number.NaN },
      { clockToleranceSeconds: Number.NaN, maxAgeSeconds: Number.NaN },
    ])
      expect(await ask(token, { keys, ...options })).toMatchObject(code('token_expired'));
    const fresh = await shared({ exp: now + 60, iat: now });
    expect(await ask(fresh, { keys, maxAgeSeconds: Number.NaN })).toMatchObject(code('token_expired'));
  });

  it('an expectation that is undefined or empty does not start', () => {
    for (const name of ['issuer', 'audience', 'bodySha256Claim'])
      for (const value of [undefined, '']) expect(() => jwt({ keys, [name]: value })).toThrow(name);
  });

  it('times that are none', async () => {
    for (const text of ['{"exp":"9999999999"}', '{"exp":1e999}', '{"exp":null}', '{"exp":[9999999999]}']) {
      const token = await new CompactSign(new TextEncoder().encode(text))
        .setProtectedHeader({ alg: 'HS256' })
        .sign(secret);
      expect(await ask(token, { keys })).toMatchObject(code('bad_token'));
    }
  });
});

describe('the token', () => {
  const keys: JwtKeys = { secret };

  it('may come in a header of its own, and not twice', async () => {
    const token = await shared({ exp: now });
    const options = { keys, header: 'Plaid-Verification' };
    expect(await ask('', options, { headers: { 'plaid-verification': token } })).toMatchObject({ ok: true });
    expect(await ask(token, options)).toMatchObject(code('missing_credentials'));
    expect(await ask('', { keys }, { headers: { authorization: token } })).toMatchObject(
      code('missing_credentials'),
    );
    const twice = { headers: { authorization: [`Bearer ${token}`, `Bearer ${token}`] } };
    expect(await ask('', { keys }, twice)).toMatchObject(code('duplicate_header'));
  });

  it('with one character changed is refused, wherever', async () => {
    const good = await shared({ exp: now + 60, sub: 'x' });
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.=+/ ';
    await fc.assert(
      fc.asyncProperty(
        fc.nat(good.length - 1),
        fc.constantFrom(...alphabet.split('')),
        async (at, character) => {
          fc.pre(good[at] !== character);
          const result = await ask(good.slice(0, at) + character + good.slice(at + 1), { keys });
          expect(result.ok).toBe(false);
        },
      ),
      { numRuns: 300 },
    );
  });

  it('with another last character is refused, even where it stands for the same bytes', async () => {
    const good = await shared({ exp: now + 60 });
    for (const character of 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_')
      expect((await ask(good.slice(0, -1) + character, { keys })).ok).toBe(good.endsWith(character));
  });

  it('of nonsense is refused without an exception', async () => {
    const part = fc.oneof(
      fc.base64String(),
      fc.json().map((text) => base64url.encode(text)),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(part, { maxLength: 5 }), async (parts) => {
        expect((await ask(parts.join('.'), { keys })).ok).toBe(false);
      }),
      { numRuns: 200 },
    );
    expect(await ask('a'.repeat(20_000), { keys })).toMatchObject(code('bad_token'));
  });
});

describe('a JWKS document', () => {
  const document = (keys: readonly Jwk[]): Response => Response.json({ keys });
  const token = (): Promise<string> => signed('ES256', undefined, { kid: 'new' });

  it('is fetched once for many, again for a key that it does not have, and not for everybody who asks', async () => {
    let at = nowMs;
    let fetches = 0;
    let keys: readonly Jwk[] = [
      await jwk('ES256', { kid: 'new' }),
      { kty: 'oct', k: base64url.encode(secret) },
    ];
    const source = jwt({
      nowMs: () => nowMs,
      keys: {
        jwksUrl: 'https://example.com/jwks',
        nowMs: () => at,
        fetch: async () => {
          fetches += 1;
          return document(keys);
        },
      },
    });
    const check = async (text: string): Promise<string> => {
      const result = await source.check({
        method: 'POST',
        url: '/',
        headers: { authorization: `Bearer ${text}` },
        body,
      });
      return result.ok ? 'ok' : result.code;
    };
    const good = await token();
    expect(await Promise.all(Array.from({ length: 20 }, () => check(good)))).toEqual(Array(20).fill('ok'));
    expect(fetches).toBe(1);
    // A shared secret in a public document is nobody's.
    expect(await check(await shared({ exp: now + 9 }))).toBe('token_algorithm');

    const later = await signed('EdDSA', undefined, { kid: 'later' });
    expect(await check(later)).toBe('signature_mismatch');
    expect(fetches).toBe(1);
    keys = [await jwk('EdDSA', { kid: 'later' })];
    at += 30_000;
    expect(await check(later)).toBe('ok');
    expect(fetches).toBe(2);
    expect(await check(good)).toBe('signature_mismatch');
  });

  it('that cannot be had refuses with 503', async () => {
    for (const answer of [
      async () => Promise.reject(new Error('down')),
      async () => new Response('{}', { status: 500 }),
      async () => new Response('no JSON'),
      async () => Response.json({}),
      async () => new Response(`{"keys":[],"x":"${'x'.repeat(1_100_000)}"}`),
    ])
      expect(
        await ask(await token(), { keys: { jwksUrl: 'https://x.example', fetch: answer } }),
      ).toMatchObject(code('keys_unavailable'));
  });
});
