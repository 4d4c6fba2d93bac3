import { createHmac, createPrivateKey, createPublicKey, randomBytes, sign, verify } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { makeSecret, parseSecret, showSecret } from './secrets.ts';

describe('secrets', () => {
  it('makes keys that read back', () => {
    const made = makeSecret('hmac256', randomBytes);
    expect(parseSecret(showSecret(made))).toEqual({ kind: 'key', key: made });
    expect(
      createHmac('sha256', (made as { key: Uint8Array }).key)
        .update('x')
        .digest(),
    ).toHaveLength(32);
  });

  it('makes ed25519 pairs whose halves belong together', () => {
    const made = makeSecret('ed25519', randomBytes);
    if (made.kind !== 'ed25519') throw new Error('another kind');
    const text = `whsk_${Buffer.concat([made.seed, made.publicKey]).toString('base64')}`;
    expect(parseSecret(text)).toEqual({ kind: 'key', key: made });
    expect(showSecret(made)).toBe(`whpk_${Buffer.from(made.publicKey).toString('base64')}`);
    const head = Buffer.from('302e020100300506032b657004220420', 'hex');
    const key = createPrivateKey({ key: Buffer.concat([head, made.seed]), format: 'der', type: 'pkcs8' });
    expect(verify(null, Buffer.from('x'), createPublicKey(key), sign(null, Buffer.from('x'), key))).toBe(
      true,
    );
  });

  it.each([
    '',
    'whsec_',
    'whsec_!!!!',
    `whsec_${'a'.repeat(31)}`,
    `whsec_${randomBytes(24).toString('base64')} `,
    'whpk_x',
    'whsk_x',
  ])('refuses %j', (text) => {
    expect(parseSecret(text).kind).toBe('bad');
  });
});
