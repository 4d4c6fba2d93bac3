import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Source } from '../contract.ts';
import {
  github,
  GITHUB,
  hmacSource,
  type HmacDescription,
  type HmacOptions,
  paddle,
  PADDLE,
  shopify,
  SHOPIFY,
  signHmac,
  signTwilio,
  slack,
  SLACK,
  stripe,
  STRIPE,
  svix,
  twilio,
} from './index.ts';

type Vector = {
  readonly name: string;
  readonly preset: string;
  readonly secrets: readonly string[];
  readonly nowMs: number;
  readonly options?: { readonly publicOrigin?: string };
  readonly description?: HmacDescription;
  readonly request: {
    readonly method: string;
    readonly url: string;
    readonly headers: Readonly<Record<string, string | readonly string[]>>;
    readonly bodyBase64: string;
  };
  readonly expect: Readonly<Record<string, unknown>>;
};

const conformance = (name: string): string =>
  fileURLToPath(new URL(`../../../../conformance/${name}`, import.meta.url));
const { vectors } = JSON.parse(readFileSync(conformance('presets.json'), 'utf8')) as {
  readonly vectors: readonly Vector[];
};

type Make = (secrets: readonly string[], options: HmacOptions, vector: Vector) => Source;
const PRESETS: Readonly<Record<string, Make>> = {
  github,
  stripe,
  shopify,
  slack,
  paddle,
  svix,
  twilio: (secrets, _options, vector) => twilio(secrets, vector.options),
  generic: (secrets, options, { description }) =>
    hmacSource(description ?? expect.fail('no description'), secrets, options),
};

describe('the vectors', () => {
  it.each(vectors)('$name', async (vector) => {
    const { preset, secrets, nowMs, request } = vector;
    const make = PRESETS[preset] ?? expect.fail(`unknown preset ${preset}`);
    const source = make(secrets, { nowMs: () => nowMs }, vector);
    const body = Buffer.from(request.bodyBase64, 'base64');
    expect(source.name).toBe(preset);
    const result = await source.check({ ...request, body });
    if (vector.expect['ok'] === true) expect(result).toEqual(vector.expect);
    else expect(result).toMatchObject(vector.expect);
  });

  it('are what the script makes, which knows nothing of this code', () => {
    const made = execFileSync('python3', [conformance('presets.py')], { encoding: 'utf8' });
    expect(made).toBe(readFileSync(conformance('presets.json'), 'utf8'));
  });

  it('are there for every preset, accepted and refused', () => {
    for (const preset of Object.keys(PRESETS))
      expect(new Set(vectors.filter((one) => one.preset === preset).map((one) => one.expect['ok']))).toEqual(
        new Set([true, false]),
      );
  });
});

const DESCRIPTIONS: readonly HmacDescription[] = [
  GITHUB,
  STRIPE,
  SHOPIFY,
  SLACK,
  PADDLE,
  {
    name: 'own',
    header: 'X-Own',
    algorithm: 'sha512',
    encoding: 'base64',
    signed: '{method} {url} {header:x-a} {timestamp}.{body}',
    timestampHeader: 'X-Time',
  },
];
const nowMs = 1_614_265_330_000;
const description = fc.constantFrom(...DESCRIPTIONS);
const bytes = fc.uint8Array({ minLength: 1, maxLength: 100 });
const secret = fc.oneof(fc.string({ minLength: 1 }), fc.uint8Array({ minLength: 1, maxLength: 64 }));

describe('any description', () => {
  it('takes what it signs, whatever the order of the headers, and nothing with one bit changed', async () => {
    await fc.assert(
      fc.asyncProperty(description, secret, bytes, fc.nat(), async (how, key, body, at) => {
        const source = hmacSource(how, key, { nowMs: () => nowMs });
        const request = { method: 'POST', url: 'https://example.com/a?b=c', headers: { 'x-a': 'a' } };
        const headers: Record<string, string> = {
          ...request.headers,
          ...(await signHmac(how, key, body, { ...request, nowMs })),
        };
        const reversed = Object.fromEntries(Object.entries(headers).reverse());
        for (const form of [headers, reversed, new Headers(headers)])
          expect(await source.check({ ...request, headers: form, body })).toMatchObject({ ok: true });

        const flipped = body.slice();
        const index = at % body.length;
        flipped[index] = (flipped[index] ?? 0) ^ (1 << (at % 8));
        expect(await source.check({ ...request, headers, body: flipped })).toMatchObject({
          code: 'signature_mismatch',
        });

        const signature = headers[how.header] ?? '';
        const place = at % signature.length;
        const flippedText =
          signature.slice(0, place) +
          String.fromCharCode(signature.charCodeAt(place) ^ 1) +
          signature.slice(place + 1);
        const result = await source.check({
          ...request,
          headers: { ...headers, [how.header]: flippedText },
          body,
        });
        expect(result.ok).toBe(false);
      }),
      { numRuns: 200 },
    );
  });

  it('never rejects, whatever a sender writes', async () => {
    const headers = fc.dictionary(
      fc.constantFrom(
        ...DESCRIPTIONS.map((how) => how.header),
        'x-twilio-signature',
        'x-time',
        'get',
        '__proto__',
      ),
      fc.oneof(fc.string(), fc.array(fc.string()), fc.constant(undefined)),
    );
    await fc.assert(
      fc.asyncProperty(description, headers, fc.uint8Array(), fc.webUrl(), async (how, given, body, url) => {
        const request = { method: 'POST', url, headers: given, body };
        for (const source of [hmacSource(how, 's'), twilio('s')])
          expect((await source.check(request)).ok).toBe(false);
      }),
      { numRuns: 200 },
    );
  });
});

describe('a description that would not protect', () => {
  const own = { name: 'own', header: 'x-own' };

  it('is refused at once', () => {
    for (const [more, message] of [
      [{ signed: '{timestamp}', timestampHeader: 'x-time' }, 'leaves out {body}'],
      [{ timestampHeader: 'x-time' }, 'leaves out {timestamp}'],
      [{ pairs: { separator: ',', signature: 'v1', timestamp: 't' } }, 'leaves out {timestamp}'],
      [{ signed: '{timestamp}{body}' }, 'say where it is'],
      [{ signed: '{body}{nonce}' }, 'unknown {nonce}'],
    ] as const)
      expect(() => hmacSource({ ...own, ...more }, 's')).toThrow(message);
  });

  it('so are secrets that are none', () => {
    for (const secrets of ['', [], ['a', ''], new Uint8Array(), undefined as unknown as string])
      for (const make of [
        (): Source => hmacSource(own, secrets),
        (): Source => github(secrets),
        (): Source => twilio(secrets),
        (): Source => svix(secrets),
      ])
        expect(make).toThrow(TypeError);
    expect(() => hmacSource({ ...own, secretEncoding: 'hex' }, 'xyz')).toThrow('secret as hex');
  });
});

describe('what a program may change', () => {
  const body = Buffer.from('{"data":{"object":{"id":7}}}');
  const request = { method: 'POST', url: '/', body };

  it('name, id, type, tolerance and retry window', async () => {
    const source = stripe('s', {
      name: 'billing',
      id: { json: 'data.object.id' },
      eventType: () => 'mine',
      toleranceSeconds: 600,
      retryWindowMs: 1,
      nowMs: () => nowMs + 600_000,
    });
    expect(source).toMatchObject({ name: 'billing', retryWindowMs: 1 });
    const headers = await signHmac(STRIPE, 's', body, { nowMs });
    expect(await source.check({ ...request, headers })).toEqual({
      ok: true,
      id: '7',
      eventType: 'mine',
      timestampMs: nowMs,
      secretIndex: 0,
    });
  });

  it('an id that is no text, or that JSON does not have, is none', async () => {
    for (const path of [
      'data',
      'data.object',
      'nothing',
      '__proto__',
      'data.object.id.toString',
      'constructor.name',
    ]) {
      const source = github('s', { id: { json: path } });
      const headers = await signHmac(GITHUB, 's', body);
      expect(await source.check({ ...request, headers })).toMatchObject({ ok: true, id: null });
    }
  });
});

describe('an option that is undefined or no number', () => {
  const body = new TextEncoder().encode('{}');
  const old = async (options: object) => {
    const headers = await signHmac(STRIPE, 's', body, { nowMs: nowMs - 301_000 });
    return stripe('s', { nowMs: () => nowMs, ...options }).check({ method: 'POST', url: '/', headers, body });
  };

  it('does not open the door', async () => {
    for (const toleranceSeconds of [undefined, Number.NaN])
      expect(await old({ toleranceSeconds })).toMatchObject({ code: 'timestamp_too_old' });
    expect(await old({ nowMs: undefined })).toMatchObject({ code: 'timestamp_too_old' });
    const headers = await signHmac(STRIPE, 's', body, { nowMs });
    const fresh = stripe('s', { nowMs: () => nowMs, toleranceSeconds: undefined as unknown as number });
    expect(await fresh.check({ method: 'POST', url: '/', headers, body })).toMatchObject({ ok: true });
  });
});

describe('signTwilio', () => {
  it('signs what the preset takes: forms, JSON, GET', async () => {
    const form = { 'content-type': 'application/x-www-form-urlencoded' };
    const json = { 'content-type': 'application/json' };
    for (const [headers, text] of [
      [form, 'b=2&a=1&a=0'],
      [json, '{"a":1}'],
      [{}, ''],
    ] as const) {
      const body = Buffer.from(text);
      const signed = await signTwilio('token', { url: 'https://example.com/x?y=z', headers, body });
      const request = { method: 'POST', url: signed.url, headers: { ...headers, ...signed.headers }, body };
      expect(await twilio('token').check(request)).toMatchObject({ ok: true });
      expect(await twilio('other').check(request)).toMatchObject({ code: 'signature_mismatch' });
    }
  });

  it('refuses an origin that is none', () => {
    for (const publicOrigin of ['example.com', 'https://example.com/', 'https://example.com/path'])
      expect(() => twilio('token', { publicOrigin })).toThrow('publicOrigin');
  });
});
