import { concat, encodeBase64, encodeHex, encodings, sha256 } from '../bytes.ts';
import type { IncomingRequest, Refused, Source } from '../contract.ts';
import { refuse } from '../errors.ts';
import { header, requiredHeader } from '../headers.ts';
import { type CryptoKey, hmac } from '../keys.ts';
import { type Identity, identify } from '../place.ts';
import type { Secret } from '../secrets.ts';
import { keysOf } from './description.ts';
import { mismatch, signerOf } from './hmac.ts';

export type TwilioOptions = Identity & {
  /**
   * Scheme and host that Twilio calls, `https://example.com`, where the request's own URL is
   * another one: behind a proxy that ends TLS, for instance. The whole URL is signed.
   */
  readonly publicOrigin?: string;
};

const DEFAULTS = {
  name: 'twilio',
  id: { header: 'i-twilio-idempotency-token' },
  // All its attempts fall within 15 seconds.
  retryWindowMs: 60_000,
} as const;
const HEADER = 'x-twilio-signature';
const ORIGIN = /^https?:\/\/[^/?#]*/i;
const KEY = { name: 'twilio', algorithm: 'sha1' } as const;
const SHARED_KEY = { name: 'twilio', algorithm: 'sha256' } as const;

/**
 * Twilio: the account's auth token (HMAC-SHA1), or a shared key's secret (HMAC-SHA256). Signed are the whole URL and either the fields of a form, or
 * by `bodySHA256` in the URL the body. Twilio signs no time.
 *
 * @throws TypeError at once when there is no token or the origin is none.
 */
export const twilio = (authTokens: Secret | readonly Secret[], options: TwilioOptions = {}): Source => {
  const all = { ...DEFAULTS, ...options };
  const { publicOrigin } = options;
  if (publicOrigin !== undefined && ORIGIN.exec(publicOrigin)?.[0] !== publicOrigin)
    throw new TypeError(`twilio: expected publicOrigin as https://example.com, got '${publicOrigin}'`);
  const byLength = new Map([
    [20, keysOf(KEY, authTokens)],
    [32, keysOf(SHARED_KEY, authTokens)],
  ]);
  return {
    name: all.name,
    retryWindowMs: all.retryWindowMs,
    check: async (request) => {
      const text = requiredHeader(request.headers, HEADER);
      if (typeof text !== 'string') return text;
      const signature = encodings.base64.decode(text);
      const keys = byLength.get(signature?.length ?? 0);
      if (signature === null || keys === undefined)
        return refuse('no_usable_signature', `The header ${HEADER} holds no HMAC in base64.`, HEADER);
      const url = publicUrl(request.url, publicOrigin);
      const fields = await signedFields(request, url);
      if (typeof fields !== 'string') return fields;
      for (const spelling of portSpellings(url)) {
        const secretIndex = await signerOf(await keys(), [signature], concat(spelling, fields));
        if (secretIndex >= 0) return { ok: true, timestampMs: null, secretIndex, ...identify(request, all) };
      }
      return mismatch(HEADER);
    },
  };
};

/** Signs a request as Twilio would, for tests of a receiver: the header to add, and the URL to call. */
export const signTwilio = async (
  authToken: Secret,
  request: Pick<IncomingRequest, 'url' | 'headers' | 'body'>,
): Promise<{ readonly url: string; readonly headers: Record<string, string> }> => {
  const form = isForm(request);
  const url =
    form || request.body.length === 0
      ? request.url
      : `${request.url}${request.url.includes('?') ? '&' : '?'}bodySHA256=${await bodyHash(request.body)}`;
  const [key] = await keysOf(KEY, authToken)();
  const content = concat(url, form ? printForm(request.body) : '');
  return { url, headers: { [HEADER]: encodeBase64(await hmac(key as CryptoKey, content)) } };
};

const bodyHash = async (body: Uint8Array): Promise<string> => encodeHex(await sha256(new Uint8Array(body)));

const publicUrl = (url: string, origin: string | undefined): string =>
  origin === undefined ? url : origin + url.replace(ORIGIN, '');

/** What follows the URL in the signed content; a body that nothing covers is refused. */
const signedFields = async (request: IncomingRequest, url: string): Promise<string | Refused> => {
  const claimed = /[?&]bodySHA256=([^&#]*)/.exec(url)?.[1];
  if (claimed !== undefined)
    return claimed.toLowerCase() === (await bodyHash(request.body)) ? '' : mismatch('bodySHA256');
  if (isForm(request)) return printForm(request.body);
  return request.body.length === 0
    ? ''
    : refuse(
        'signature_mismatch',
        'The body is no form and the URL has no bodySHA256, so nothing covers it.',
        HEADER,
      );
};

const isForm = ({ headers }: Pick<IncomingRequest, 'headers'>): boolean =>
  /^application\/x-www-form-urlencoded\b/i.test(header(headers, 'content-type') ?? '');

/** Names and values without anything between, sorted, each once. */
const printForm = (body: Uint8Array): string => {
  const form = new URLSearchParams(new TextDecoder().decode(body));
  return [...new Set(form.keys())]
    .sort()
    .flatMap((name) => [...new Set(form.getAll(name))].sort().map((value) => name + value))
    .join('');
};

/** Twilio signs the URL with or without its port, depending on the product. */
const portSpellings = (url: string): readonly string[] => {
  const origin = ORIGIN.exec(url)?.[0] ?? '';
  const other = /:\d+$/.test(origin)
    ? origin.replace(/:\d+$/, '')
    : `${origin}:${/^https/i.test(origin) ? 443 : 80}`;
  return [url, other + url.slice(origin.length)];
};
