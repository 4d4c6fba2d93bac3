import { REDACTED } from '../domain/attempt.ts';

/** Fewer bytes of a secret at the end of what was cut are no loss. */
const LEAST_BEGINNING = 4;

/**
 * What a receiver answered without the secrets that it repeats, byte for byte as they were sent. A
 * secret that was cut at the end goes as well.
 *
 * @param text Bytes as latin1 characters.
 */
export const redactText = (text: string, secrets: readonly string[], isCut: boolean): string => {
  let clean = text;
  for (const secret of secrets) {
    clean = clean.replaceAll(secret, REDACTED);
    if (!isCut) continue;
    for (let length = Math.min(secret.length - 1, clean.length); length >= LEAST_BEGINNING; length--)
      if (clean.endsWith(secret.slice(0, length))) {
        clean = clean.slice(0, -length) + REDACTED;
        break;
      }
  }
  return clean;
};

/** The same of a body; the very bytes where there is nothing to take out. */
export const redactBody = (body: Uint8Array, secrets: readonly string[], isCut: boolean): Uint8Array => {
  if (secrets.length === 0 || body.length === 0) return body;
  const text = Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString('latin1');
  const clean = redactText(text, secrets, isCut);
  return clean === text ? body : Buffer.from(clean, 'latin1');
};
