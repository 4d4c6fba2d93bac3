import {
  createHmac,
  createPrivateKey,
  createSecretKey,
  type KeyObject,
  sign as signBytes,
} from 'node:crypto';
import type { EndpointKey, SigningKey } from '../domain/configuration.ts';

/** Signs `prefix` followed by the body's bytes; answers with one entry of the signature header. */
type Signer = (prefix: string, body: Uint8Array) => string;

// RFC 8410: the fixed head of an Ed25519 private key in PKCS #8, before its 32 bytes of seed.
const PKCS8_ED25519 = Buffer.from('302e020100300506032b657004220420', 'hex');

// A KeyObject that is kept makes an HMAC five times cheaper than raw key bytes.
const signers = new WeakMap<SigningKey, Signer>();

/**
 * The value of the signature header, after Standard Webhooks: every key that has not expired
 * signs `id.timestamp.body`, the current one first, separated by spaces.
 *
 * @param timestampSeconds Unix time of this attempt, whole seconds; expiry is judged by it too.
 */
export const signatureOf = (
  keys: readonly EndpointKey[],
  messageId: string,
  timestampSeconds: number,
  body: Uint8Array,
): string => {
  const prefix = `${messageId}.${timestampSeconds}.`;
  let signature = '';
  for (const { key, expiresAtMs } of keys) {
    if (expiresAtMs !== null && expiresAtMs <= timestampSeconds * 1_000) continue;
    const entry = signerOf(key)(prefix, body);
    signature = signature === '' ? entry : `${signature} ${entry}`;
  }
  return signature;
};

const signerOf = (key: SigningKey): Signer => {
  let signer = signers.get(key);
  if (signer === undefined) {
    signer = createSigner(key);
    signers.set(key, signer);
  }
  return signer;
};

const createSigner = (key: SigningKey): Signer => {
  switch (key.kind) {
    case 'hmac256':
      return hmacSigner(createSecretKey(key.key));
    case 'ed25519':
      return ed25519Signer(
        createPrivateKey({ key: Buffer.concat([PKCS8_ED25519, key.seed]), format: 'der', type: 'pkcs8' }),
      );
    default:
      return key satisfies never;
  }
};

const hmacSigner =
  (key: KeyObject): Signer =>
  (prefix, body) =>
    `v1,${createHmac('sha256', key).update(prefix).update(body).digest('base64')}`;

const ed25519Signer =
  (key: KeyObject): Signer =>
  (prefix, body) =>
    `v1a,${signBytes(null, Buffer.concat([Buffer.from(prefix), body]), key).toString('base64')}`;
