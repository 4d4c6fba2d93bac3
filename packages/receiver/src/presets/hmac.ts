import { type Bytes, bytesOf, encodings, type RawBody } from '../bytes.ts';
import type { IncomingRequest, Refused, Source } from '../contract.ts';
import { refuse } from '../errors.ts';
import { type CryptoKey, hmac } from '../keys.ts';
import { type Identity, identify } from '../place.ts';
import type { Secret } from '../secrets.ts';
import { checkTimestamp } from '../timestamp.ts';
import { type HmacDescription, keysOf, signedContent } from './description.ts';
import { readSignatures } from './signature-header.ts';

/** What overrides a description. */
export type HmacOptions = Identity & {
  /** How far the signed time may be from now, in seconds. */
  readonly toleranceSeconds?: number;
  /** Unix time in milliseconds. @default the machine's clock */
  readonly nowMs?: () => number;
};

/**
 * A source for any sender that signs with HMAC. All secrets are tried, for rotation; WebCrypto
 * compares, in constant time.
 *
 * @throws TypeError at once for a description that would not protect, or a secret that cannot be
 * read.
 */
export const hmacSource = (
  description: HmacDescription,
  secrets: Secret | readonly Secret[],
  options: HmacOptions = {},
): Source => {
  const all = { ...description, ...options };
  const toleranceSeconds = options.toleranceSeconds ?? description.toleranceSeconds ?? 300;
  const nowMs = options.nowMs ?? Date.now;
  const content = signedContent(description);
  const keys = keysOf(description, secrets);
  const timed = (description.timestampHeader ?? description.pairs?.timestamp) !== undefined;
  return {
    name: all.name,
    ...(all.retryWindowMs === undefined ? {} : { retryWindowMs: all.retryWindowMs }),
    check: async (request) => {
      const found = readSignatures(description, request.headers);
      if ('ok' in found) return found;
      const { timestamp, signatures } = found;
      const timestampMs = timed
        ? checkTimestamp(timestamp, toleranceSeconds, nowMs(), description.timestampHeader ?? all.header)
        : null;
      if (typeof timestampMs === 'object' && timestampMs !== null) return timestampMs;
      const secretIndex = await signerOf(await keys(), signatures, content({ ...request, timestamp }));
      return secretIndex < 0
        ? mismatch(all.header)
        : { ok: true, timestampMs, secretIndex, ...identify(request, all) };
    },
  };
};

/** Index of the key that made one of the signatures, or -1. */
export const signerOf = async (
  keys: readonly CryptoKey[],
  signatures: readonly Bytes[],
  content: Bytes,
): Promise<number> => {
  for (const [index, key] of keys.entries())
    for (const signature of signatures)
      if (await crypto.subtle.verify('HMAC', key, signature, content)) return index;
  return -1;
};

export const mismatch = (field: string): Refused =>
  refuse(
    'signature_mismatch',
    'The signature does not fit. Either the secret is another one, or the body was changed (parsed and printed again?) before it was verified.',
    field,
  );

/**
 * Signs a request as such a sender would, for tests of a receiver.
 *
 * @returns The headers to add to the request.
 */
export const signHmac = async (
  description: HmacDescription,
  secret: Secret,
  rawBody: RawBody,
  request: Partial<Pick<IncomingRequest, 'method' | 'url' | 'headers'>> & { readonly nowMs?: number } = {},
): Promise<Record<string, string>> => {
  const { header, pairs, timestampHeader, prefix = '', encoding = 'hex' } = description;
  const { method = 'POST', url = '', headers = {}, nowMs = Date.now() } = request;
  const timestamp = String(Math.floor(nowMs / 1_000));
  const content = signedContent(description)({ method, url, headers, body: bytesOf(rawBody), timestamp });
  const [key] = await keysOf(description, secret)();
  const signature = prefix + encodings[encoding].encode(await hmac(key as CryptoKey, content));
  const time = pairs?.timestamp === undefined ? [] : [`${pairs.timestamp}=${timestamp}`];
  return {
    [header]: pairs ? [...time, `${pairs.signature}=${signature}`].join(pairs.separator) : signature,
    ...(timestampHeader === undefined ? {} : { [timestampHeader]: timestamp }),
  };
};
