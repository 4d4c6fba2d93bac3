import { type Bytes, bytesOf, concat, encodings, type RawBody } from './bytes.ts';
import type { HeadersLike, Refused, Verified } from './contract.ts';
import { refuse, WebhookVerificationError } from './errors.ts';
import { onlyHeader } from './headers.ts';
import { ed25519PublicKey, hmacKey } from './keys.ts';
import { type Key, parseSecret, type Secret, secretList, secretsProblem } from './secrets.ts';
import { checkTimestamp } from './timestamp.ts';

export type VerifyOptions = {
  /** How far the timestamp may be from now, in seconds. @default 300 */
  readonly toleranceSeconds?: number;
  /** Unix time in milliseconds. @default the machine's clock */
  readonly nowMs?: number;
};

/** A webhook whose signature fits. `id` is the same in every attempt: deduplicate by it. */
export type VerifiedWebhook = Verified & {
  readonly id: string;
  /** Unix time of this attempt, in milliseconds. */
  readonly timestampMs: number;
  readonly secretIndex: number;
};

export type VerifyResult = VerifiedWebhook | Refused;

const DEFAULT_TOLERANCE_SECONDS = 300;
const MOST_SIGNATURES = 10;
const NO_POINT =
  'A public key (whpk_) is none: its 32 bytes are no point of Ed25519’s curve. Copy it whole from the sender.';
const PREFIXES = ['webhook-', 'svix-'] as const;

/**
 * Verifies a webhook after the Standard Webhooks specification: `v1` (HMAC-SHA256) and `v1a`
 * (Ed25519), under `webhook-*` or `svix-*` header names.
 *
 * Give it the raw body: parsing and printing JSON again makes other bytes, and the signature
 * no longer fits. Several secrets are all tried, for rotation. Never rejects for what a sender
 * does.
 *
 * ```ts
 * const result = await verify(await request.arrayBuffer(), request.headers, process.env.WEBHOOK_SECRET);
 * if (!result.ok) return new Response(result.message, { status: 400 });
 * ```
 */
export const verify = async (
  rawBody: RawBody,
  headers: HeadersLike,
  secrets: Secret | readonly Secret[],
  { toleranceSeconds = DEFAULT_TOLERANCE_SECONDS, nowMs = Date.now() }: VerifyOptions = {},
): Promise<VerifyResult> => {
  const list = secretList(secrets);
  const problem = secretsProblem(list);
  if (problem !== null) return refuse('bad_secret', problem);
  const keys = list.map(parseSecret);

  const found = signatureHeaders(headers);
  if ('ok' in found) return found;
  const { prefix, id, timestamp } = found;
  if (id.includes('.'))
    return refuse('bad_id', 'The id holds a dot, which the specification forbids.', `${prefix}id`);
  const timestampMs = checkTimestamp(timestamp, toleranceSeconds, nowMs, `${prefix}timestamp`);
  if (typeof timestampMs !== 'number') return timestampMs;
  const signatures = parseSignatures(found.signature, `${prefix}signature`);
  if ('ok' in signatures) return signatures;

  const content = concat(`${id}.${timestamp}.`, bytesOf(rawBody));
  for (const [secretIndex, key] of keys.entries()) {
    const checked = await isSignedBy(key, signatures, content);
    if (checked === null) return { ...refuse('bad_secret', NO_POINT), log: NO_POINT };
    if (checked) return { ok: true, id, timestampMs, secretIndex };
  }
  return refuse(
    'signature_mismatch',
    'No signature fits. Either the secret is another endpoint’s, or the body was changed (parsed and printed again?) before it was verified.',
    `${prefix}signature`,
  );
};

/** Like {@link verify}, for those who prefer exceptions. @throws WebhookVerificationError */
export const verifyOrThrow = async (...args: Parameters<typeof verify>): Promise<VerifiedWebhook> => {
  const result = await verify(...args);
  if (!result.ok) throw new WebhookVerificationError(result.code, result.message);
  return result;
};

type Found = {
  readonly prefix: string;
  readonly id: string;
  readonly timestamp: string;
  readonly signature: string;
};

const signatureHeaders = (headers: HeadersLike): Found | Refused => {
  let refused: Refused | null = null;
  for (const prefix of PREFIXES) {
    const values: string[] = [];
    for (const name of ['id', 'timestamp', 'signature']) {
      const value = onlyHeader(headers, `${prefix}${name}`);
      if (typeof value !== 'string') return value;
      if (value !== '') values.push(value);
      else
        refused ??= refuse(
          'missing_header',
          `The header webhook-${name} (or svix-${name}) is missing.`,
          `webhook-${name}`,
        );
    }
    const [id, timestamp, signature] = values;
    if (id !== undefined && timestamp !== undefined && signature !== undefined)
      return { prefix, id, timestamp, signature };
  }
  return refused ?? refuse('missing_header', 'The signature headers are missing.');
};

type Signature = { readonly version: 'v1' | 'v1a'; readonly bytes: Bytes };

const parseSignatures = (value: string, field: string): readonly Signature[] | Refused => {
  const entries = value.split(' ').filter((entry) => entry !== '');
  if (entries.length > MOST_SIGNATURES)
    return refuse('too_many_signatures', `More than ${MOST_SIGNATURES} signatures came.`, field);
  const signatures = entries.map(parseSignature).filter((entry) => entry !== null);
  return signatures.length > 0
    ? signatures
    : refuse('no_usable_signature', 'No signature of a known kind (v1, v1a) came.', field);
};

const parseSignature = (entry: string): Signature | null => {
  const [version, text = '', ...more] = entry.split(',');
  if ((version !== 'v1' && version !== 'v1a') || more.length > 0) return null;
  const bytes = encodings.base64.decode(text);
  return bytes?.length === (version === 'v1' ? 32 : 64) ? { version, bytes } : null;
};

/** null: the key is none, or no point of the curve. subtle.verify compares in constant time. */
const isSignedBy = async (
  key: Key | null,
  signatures: readonly Signature[],
  content: Bytes,
): Promise<boolean | null> => {
  if (key === null) return null;
  const hmac = key.kind === 'hmac';
  const imported = await (hmac ? hmacKey(key.bytes) : ed25519PublicKey(key.publicKey)).catch(() => null);
  if (imported === null) return null;
  for (const { version, bytes } of signatures)
    if (
      (version === 'v1') === hmac &&
      (await crypto.subtle.verify(hmac ? 'HMAC' : 'Ed25519', imported, bytes, content))
    )
      return true;
  return false;
};
