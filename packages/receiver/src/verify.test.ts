import { generateKeyPairSync, sign as signWithNode, verify as verifyWithNode } from 'node:crypto';
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { Webhook as StandardWebhook } from 'standardwebhooks';
import { Webhook as SvixWebhook } from 'svix';
import { Webhook as SvixV1Webhook } from 'svix-v1';
import { describe, expect, it } from 'vitest';
import { sign, standardWebhooks, verify, verifyOrThrow, WebhookVerificationError } from './index.ts';

type Vectors = {
  readonly sign: readonly {
    readonly name: string;
    readonly secret: string;
    readonly id: string;
    readonly timestamp: number;
    readonly bodyBase64: string;
    readonly signature: string;
  }[];
  readonly verify: readonly {
    readonly name: string;
    readonly secrets: string[];
    readonly nowMs: number;
    readonly headers: Record<string, string | string[]>;
    readonly bodyBase64: string;
    readonly expect: Record<string, unknown>;
  }[];
};

const vectors = JSON.parse(
  readFileSync(new URL('../../../conformance/signature.json', import.meta.url), 'utf8'),
) as Vectors;

const secret = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';
const nowMs = 1_614_265_330_000;

describe('the vectors', () => {
  it.each(vectors.verify)(
    'verify: $name',
    async ({ secrets, nowMs: at, headers, bodyBase64, expect: wanted }) => {
      const body = Buffer.from(bodyBase64, 'base64');
      const result = await verify(body, headers, secrets, { nowMs: at });
      const { timestamp, ...rest } = wanted;
      expect(result).toMatchObject(
        wanted['ok'] === true ? { ...rest, timestampMs: Number(timestamp) * 1_000 } : rest,
      );
    },
  );

  it.each(vectors.sign)('sign: $name', async ({ secret: key, id, timestamp, bodyBase64, signature }) => {
    const body = Buffer.from(bodyBase64, 'base64');
    const headers = await sign(body, key, { id, nowMs: timestamp * 1_000 + 999 });
    expect(headers).toEqual({
      'webhook-id': id,
      'webhook-timestamp': String(timestamp),
      'webhook-signature': signature,
    });
  });
});

describe('verify', () => {
  it('takes bytes, an ArrayBuffer and text, and fetch headers as well as plain ones', async () => {
    const text = '{"städte":["Zürich"]}';
    const bytes = new TextEncoder().encode(text);
    const headers = await sign(text, secret, { id: 'msg_1', nowMs });
    for (const body of [text, bytes, bytes.buffer, Buffer.from(bytes)])
      for (const form of [headers, new Headers(headers), new Map(Object.entries(headers))])
        expect(await verify(body, form as Headers, secret, { nowMs })).toMatchObject({
          ok: true,
          id: 'msg_1',
        });
  });

  it('judges a view by its own window, not by the buffer behind it', async () => {
    const whole = new TextEncoder().encode('xx{"a":1}yy');
    const headers = await sign('{"a":1}', secret, { id: 'msg_1', nowMs });
    expect(await verify(whole.subarray(2, 9), headers, secret, { nowMs })).toMatchObject({ ok: true });
  });

  it('uses the clock of the machine and 300 s when nothing else is said', async () => {
    const fresh = await sign('x', secret, { id: 'msg_1' });
    const stale = await sign('x', secret, { id: 'msg_1', nowMs: Date.now() - 302_000 });
    expect(await verify('x', fresh, secret)).toMatchObject({ ok: true });
    expect(await verify('x', stale, secret)).toMatchObject({ ok: false, code: 'timestamp_too_old' });
    expect(await verify('x', stale, secret, { toleranceSeconds: 600 })).toMatchObject({ ok: true });
  });

  it('a tolerance or clock that is no number does not open the door', async () => {
    const headers = await sign('x', secret, { id: 'msg_1', nowMs: nowMs - 86_400_000 });
    for (const options of [{ toleranceSeconds: Number.NaN }, { nowMs: Number.NaN }])
      expect(await verify('x', headers, secret, { nowMs, ...options })).toMatchObject({ ok: false });
  });

  it('never takes a body, id or timestamp other than the signed one', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ minLength: 1, maxLength: 200 }), fc.nat(), async (body, at) => {
        const headers = await sign(body, secret, { id: 'msg_1', nowMs });
        expect(await verify(body, headers, secret, { nowMs })).toMatchObject({ ok: true });
        const changed = body.slice();
        const index = at % body.length;
        changed[index] = (changed[index] ?? 0) ^ (1 << (at % 8));
        expect(await verify(changed, headers, secret, { nowMs })).toMatchObject({
          code: 'signature_mismatch',
        });
      }),
      { numRuns: 100 },
    );
  });

  it('never takes a signature with one bit changed, and does not mind the order of headers', async () => {
    const headers = await sign('x', [secret, new Uint8Array([1, 2, 3])], { id: 'msg_1', nowMs });
    const entry = headers['webhook-signature']?.split(' ')[0] ?? '';
    for (const order of [Object.entries(headers), Object.entries(headers).reverse()])
      expect(await verify('x', Object.fromEntries(order), secret, { nowMs })).toMatchObject({ ok: true });
    for (let bit = 0; bit < entry.length * 7; bit += 1) {
      const at = Math.floor(bit / 7);
      const changed = String.fromCharCode(entry.charCodeAt(at) ^ (1 << (bit % 7)));
      const signature = entry.slice(0, at) + changed + entry.slice(at + 1);
      const result = await verify('x', { ...headers, 'webhook-signature': signature }, secret, { nowMs });
      expect([signature, result.ok]).toEqual([signature, false]);
    }
  });

  it('takes secrets as bytes, alone and beside text', async () => {
    const bytes = crypto.getRandomValues(new Uint8Array(32));
    const headers = await sign('x', bytes, { id: 'msg_1', nowMs });
    expect(await verify('x', headers, bytes, { nowMs })).toMatchObject({ ok: true, secretIndex: 0 });
    const text = `whsec_${Buffer.from(bytes).toString('base64')}`;
    expect(await verify('x', headers, [secret, text], { nowMs })).toMatchObject({ ok: true, secretIndex: 1 });
    expect(await verify('x', headers, new Uint8Array(), { nowMs })).toMatchObject({ code: 'bad_secret' });
  });

  it('finds a header that was joined out of two, and names it', async () => {
    const headers = await sign('x', secret, { id: 'msg_1', nowMs });
    for (const [name, value] of Object.entries(headers)) {
      const joined = new Headers(headers);
      joined.append(name, value);
      const result = await verify('x', joined, secret, { nowMs });
      expect(result).toMatchObject({ ok: false, code: 'duplicate_header', field: name });
    }
  });

  it('refuses what is no secret, wherever it stands, before it looks at the request', async () => {
    const missing = undefined as unknown as string;
    for (const secrets of [missing, [secret, missing], [secret, 'whsec_%'], 7 as unknown as string])
      expect(await verify('x', {}, secrets)).toMatchObject({ ok: false, code: 'bad_secret' });
    for (const secrets of [missing, [], [secret, ''], 'whpk_AAAA'])
      expect(() => standardWebhooks(secrets)).toThrow(TypeError);
  });

  it('as a source has its own clock, name and tolerance', async () => {
    const headers = await sign('x', secret, { id: 'msg_1', nowMs });
    const request = { method: 'POST', url: '/', headers, body: new TextEncoder().encode('x') };
    const at = (ms: number) => ({ nowMs: () => nowMs + ms, toleranceSeconds: 10, name: 'own' });
    const source = standardWebhooks(secret, at(10_000));
    expect(source.name).toBe('own');
    expect(await source.check(request)).toEqual({
      ok: true,
      id: 'msg_1',
      timestampMs: nowMs,
      secretIndex: 0,
    });
    expect(await standardWebhooks(secret, at(11_000)).check(request)).toMatchObject({
      code: 'timestamp_too_old',
    });
  });

  it('does not reject for any headers', async () => {
    const value = fc.oneof(fc.string(), fc.array(fc.string()), fc.constant(undefined));
    const names = ['webhook-id', 'webhook-timestamp', 'webhook-signature', 'svix-id', 'get', '__proto__'];
    await fc.assert(
      fc.asyncProperty(fc.dictionary(fc.constantFrom(...names), value), fc.string(), async (headers, key) => {
        const result = await verify('x', headers, key, { nowMs });
        expect(result.ok).toBe(false);
      }),
      { numRuns: 200 },
    );
  });

  it('throws with the code where asked to', async () => {
    const headers = await sign('x', secret, { id: 'msg_1', nowMs });
    await expect(verifyOrThrow('x', headers, secret, { nowMs })).resolves.toMatchObject({ id: 'msg_1' });
    const failure = verifyOrThrow('y', headers, secret, { nowMs });
    await expect(failure).rejects.toBeInstanceOf(WebhookVerificationError);
    await expect(failure).rejects.toMatchObject({ code: 'signature_mismatch' });
  });
});

describe('beside the official libraries', () => {
  const body = '{"test": 2432232314, "name": "Grüße"}';

  it('accepts what they sign', async () => {
    const at = new Date();
    const standard = new StandardWebhook(secret).sign('msg_1', at, body);
    const svix = new SvixWebhook(secret).sign('msg_1', at, body);
    const timestamp = String(Math.floor(at.getTime() / 1_000));
    const common = { 'webhook-id': 'msg_1', 'webhook-timestamp': timestamp };
    expect(await verify(body, { ...common, 'webhook-signature': standard }, secret)).toMatchObject({
      ok: true,
    });
    const named = { 'svix-id': 'msg_1', 'svix-timestamp': timestamp, 'svix-signature': svix };
    expect(await verify(body, named, secret)).toMatchObject({ ok: true });
  });

  it('signs what they accept', async () => {
    const standard = await sign(body, secret, { id: 'msg_1' });
    expect(new StandardWebhook(secret).verify(body, standard)).toEqual(JSON.parse(body));
    const svix = await sign(body, secret, { id: 'msg_1', headerPrefix: 'svix' });
    expect(new SvixV1Webhook(secret).verify(body, svix)).toEqual(JSON.parse(body));
    expect(() => new SvixWebhook(secret).verify(body, svix)).not.toThrow();
    expect(() => new SvixWebhook(secret).verify(`${body} `, svix)).toThrow('signature');
  });
});

describe('beside node:crypto', () => {
  it('v1a with new keys fits both ways', async () => {
    for (let round = 0; round < 20; round += 1) {
      const { publicKey, privateKey } = generateKeyPairSync('ed25519');
      const point = publicKey.export({ type: 'spki', format: 'der' }).subarray(-32);
      const seed = privateKey.export({ type: 'pkcs8', format: 'der' }).subarray(-32);
      const whpk = `whpk_${point.toString('base64')}`;
      const ours = await sign('x', `whsk_${Buffer.concat([seed, point]).toString('base64')}`, {
        id: 'a',
        nowMs,
      });
      const content = Buffer.from(`a.${nowMs / 1_000}.x`);
      const signature = Buffer.from(ours['webhook-signature']?.slice('v1a,'.length) ?? '', 'base64');
      expect(verifyWithNode(null, content, publicKey, signature)).toBe(true);
      const theirs = `v1a,${signWithNode(null, content, privateKey).toString('base64')}`;
      const headers = { ...ours, 'webhook-signature': theirs };
      expect(await verify('x', headers, whpk, { nowMs })).toMatchObject({ ok: true });
      expect(await verify('y', headers, whpk, { nowMs })).toMatchObject({ code: 'signature_mismatch' });
    }
  });
});

describe('sign', () => {
  it('refuses what cannot sign', async () => {
    await expect(sign('x', 'whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4=', { id: 'a' })).rejects.toThrow(
      TypeError,
    );
    await expect(sign('x', secret, { id: 'a.b' })).rejects.toThrow(TypeError);
  });
});
