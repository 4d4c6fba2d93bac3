import { createHmac, hkdfSync, timingSafeEqual } from 'node:crypto';

/**
 * What one node tells another: ids of endpoints that have work and of applications whose messages are to be
 * unfolded, a line each. Its code is an HMAC-SHA256 over who is meant and what is said. Hearing a call twice does
 * no more than hearing it once, so it carries no time.
 */
export type Call = { readonly body: string; readonly mac: string };

/** The keys of all nodes of a deployment: one for each of its main secrets, the current one first. */
export const callKeys = (mainSecrets: readonly string[]): readonly Uint8Array[] =>
  mainSecrets.map(
    (secret) => new Uint8Array(hkdfSync('sha256', secret, 'posthorn', 'calls between nodes v1', 32)),
  );

const macOf = (key: Uint8Array, to: string, body: string): string =>
  createHmac('sha256', key).update(`${to}\n${body}`).digest('hex');

export const signCall = (key: Uint8Array, to: string, ids: Iterable<string>): Call => {
  const body = [...ids].join('\n');
  return { body, mac: macOf(key, to, body) };
};

/** The ids of a call to `me`; null when its code is not by one of the keys. */
export const openCall = (
  keys: readonly Uint8Array[],
  me: string,
  { body, mac }: Call,
): readonly string[] | null => {
  const given = Buffer.from(mac);
  const fits = keys.some((key) => {
    const right = Buffer.from(macOf(key, me, body));
    return right.length === given.length && timingSafeEqual(right, given);
  });
  if (!fits) return null;
  return body === '' ? [] : body.split('\n');
};
