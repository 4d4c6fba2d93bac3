import { type Bytes, bytesOf, concat, encodeBase64, type RawBody } from './bytes.ts';
import { ed25519PrivateKey, hmac, hmacKey } from './keys.ts';
import { foundIn, parseSecret, type Secret, secretList } from './secrets.ts';

export type SignOptions = {
  /** The message's id; no dot in it. */
  readonly id: string;
  /** Unix time in milliseconds. @default the machine's clock */
  readonly nowMs?: number;
  /** Header names to make. @default 'webhook' */
  readonly headerPrefix?: 'webhook' | 'svix';
};

/**
 * Signs a body as a sender would, for tests of a receiver. Every secret signs: `whsec_` makes
 * `v1`, `whsk_` makes `v1a`.
 *
 * @returns The three signature headers.
 * @throws TypeError when a secret cannot sign or the id has a dot.
 */
export const sign = async (
  rawBody: RawBody,
  secrets: Secret | readonly Secret[],
  { id, nowMs = Date.now(), headerPrefix = 'webhook' }: SignOptions,
): Promise<Record<string, string>> => {
  if (id === '' || id.includes('.')) throw new TypeError(`expected an id without a dot, got '${id}'`);
  const timestamp = String(Math.floor(nowMs / 1_000));
  const content = concat(`${id}.${timestamp}.`, bytesOf(rawBody));
  const entries: string[] = [];
  for (const secret of secretList(secrets)) entries.push(await signatureEntry(secret, content));
  return {
    [`${headerPrefix}-id`]: id,
    [`${headerPrefix}-timestamp`]: timestamp,
    [`${headerPrefix}-signature`]: entries.join(' '),
  };
};

const signatureEntry = async (secret: Secret, content: Bytes): Promise<string> => {
  const key = parseSecret(secret);
  if (key?.kind === 'hmac') return `v1,${encodeBase64(await hmac(await hmacKey(key.bytes), content))}`;
  if (key?.kind === 'ed25519' && key.seed !== null) {
    const bytes = await crypto.subtle.sign('Ed25519', await ed25519PrivateKey(key.seed), content);
    return `v1a,${encodeBase64(new Uint8Array(bytes))}`;
  }
  const found = key === null ? foundIn(secret) : 'a public key, which verifies only';
  throw new TypeError(`expected a secret to sign with (whsec_, whsk_, or its bytes), found ${found}`);
};
