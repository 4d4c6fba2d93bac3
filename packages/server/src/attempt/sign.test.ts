import { readFileSync } from 'node:fs';
import { Webhook } from 'standardwebhooks';
import { verify } from '@posthorn/receiver';
import { describe, expect, it } from 'vitest';
import type { EndpointKey, SigningKey } from '../domain/configuration.ts';
import { signatureOf } from './sign.ts';

type SignVector = {
  readonly name: string;
  readonly secret: string;
  readonly id: string;
  readonly timestamp: number;
  readonly bodyBase64: string;
  readonly signature: string;
};
const vectors = JSON.parse(
  readFileSync(new URL('../../../../conformance/signature.json', import.meta.url), 'utf8'),
) as { readonly sign: readonly SignVector[] };

const keyOf = (secret: string): SigningKey => {
  const bytes = Buffer.from(secret.slice(secret.indexOf('_') + 1), 'base64');
  return secret.startsWith('whsk_')
    ? { kind: 'ed25519', seed: bytes.subarray(0, 32), publicKey: bytes.subarray(32) }
    : { kind: 'hmac256', key: bytes };
};
const lasting = (secret: string): EndpointKey => ({ key: keyOf(secret), expiresAtMs: null });

const current = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';
const old = 'whsec_plJ3nmyCDGBKInavdOK15jsl';

describe('signatureOf', () => {
  it.each(vectors.sign)('$name', ({ secret, id, timestamp, bodyBase64, signature }) => {
    expect(signatureOf([lasting(secret)], id, timestamp, Buffer.from(bodyBase64, 'base64'))).toBe(signature);
  });

  it('signs with the current key first and with old ones until they expire', async () => {
    const keys = [lasting(current), { key: keyOf(old), expiresAtMs: 2_000_000 }];
    const body = Buffer.from('{"a":1}');
    const during = signatureOf(keys, 'msg_1', 1_999, body);
    const after = signatureOf(keys, 'msg_1', 2_000, body);
    expect(during.split(' ')).toHaveLength(2);
    expect(after).toBe(signatureOf([lasting(current)], 'msg_1', 2_000, body));
    const headers = { 'webhook-id': 'msg_1', 'webhook-timestamp': '1999', 'webhook-signature': during };
    for (const secret of [current, old])
      expect(await verify(body, headers, secret, { nowMs: 1_999_000 })).toMatchObject({ ok: true });
    expect(await verify(body, headers, [current, old], { nowMs: 1_999_000 })).toMatchObject({
      secretIndex: 0,
    });
  });

  it('makes what the official library accepts', () => {
    const seconds = Math.floor(Date.now() / 1_000);
    const body = '{"name":"Grüße"}';
    const headers = {
      'webhook-id': 'msg_1',
      'webhook-timestamp': String(seconds),
      'webhook-signature': signatureOf([lasting(current)], 'msg_1', seconds, Buffer.from(body)),
    };
    expect(new Webhook(current).verify(body, headers)).toEqual({ name: 'Grüße' });
  });
});
