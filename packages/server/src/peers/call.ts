import { createHmac, hkdfSync, timingSafeEqual } from 'node:crypto';
import { priorities, type Line } from '../domain/delivery.ts';

/**
 * What one node tells another: endpoints that have work and applications whose messages are to be
 * unfolded, a line each (see {@link writeNews}). Its code is an HMAC-SHA256 over who is meant and what is said. Hearing a call twice does
 * no more than hearing it once, so it carries no time.
 */
export type Call = { readonly body: string; readonly mac: string };

/**
 * A line of a call: an id, and where the work of an endpoint waits, as far as that is known: a tab and its class, or a
 * blank and its ordering key (which has no control characters, and may be empty).
 */
export const writeNews = (id: string, line?: Line): string => {
  if (line === undefined) return id;
  return typeof line === 'number' ? `${id}\t${line}` : `${id} ${line}`;
};

/** The opposite of {@link writeNews}. */
export const readNews = (news: string): { readonly id: string; readonly line?: Line } => {
  const end = news.search(/[ \t]/);
  if (end < 0) return { id: news };
  const id = news.slice(0, end);
  const rest = news.slice(end + 1);
  if (news[end] === ' ') return { id, line: rest };
  const priority = Object.values(priorities).find((one) => String(one) === rest);
  return priority === undefined ? { id } : { id, line: priority };
};

/** The keys of all nodes of a deployment: one for each of its main secrets, the current one first. */
export const callKeys = (mainSecrets: readonly string[]): readonly Uint8Array[] =>
  mainSecrets.map(
    (secret) => new Uint8Array(hkdfSync('sha256', secret, 'posthorn', 'calls between nodes v1', 32)),
  );

const macOf = (key: Uint8Array, to: string, body: string): string =>
  createHmac('sha256', key).update(`${to}\n${body}`).digest('hex');

export const signCall = (key: Uint8Array, to: string, lines: Iterable<string>): Call => {
  const body = [...lines].join('\n');
  return { body, mac: macOf(key, to, body) };
};

/** The lines of a call to `me`; null when its code is not by one of the keys. */
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
