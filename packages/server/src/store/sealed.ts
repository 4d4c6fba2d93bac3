import { createCipheriv, createDecipheriv, hkdfSync } from 'node:crypto';

/**
 * Secrets at rest: AES-256-GCM under a key derived (HKDF-SHA256) from the deployment's main secret.
 *
 * Format: version byte (1) · 4 bytes naming the key · 12 bytes nonce · ciphertext · 16 bytes tag.
 * Version, key name and the caller's context are authenticated, so that a sealed value moved to
 * another row does not open.
 */
export type Sealer = {
  readonly seal: (plain: Uint8Array, context: string) => Buffer;
  /** Throws SealBroken when no main secret fits, the bytes were changed or the context is another. */
  readonly open: (sealed: Uint8Array, context: string) => Buffer;
  /** Whether it is sealed under the main secret that seals now, and so needs no earlier one to open. */
  readonly isCurrent: (sealed: Uint8Array) => boolean;
};

export class SealBroken extends Error {
  override readonly name = 'SealBroken';
}

const VERSION = 1;
const KEY_NAME_BYTES = 4;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const NONCE_AT = 1 + KEY_NAME_BYTES;
const BODY_AT = NONCE_AT + NONCE_BYTES;

const derive = (secret: string, purpose: string, bytes: number): Buffer =>
  Buffer.from(hkdfSync('sha256', Buffer.from(secret, 'utf8'), 'posthorn', purpose, bytes));

/**
 * @param mainSecrets The first seals, all open: put a new one first and keep the old until nothing
 *   is sealed under it. At least one.
 * @param randomBytes As many random bytes as asked for.
 */
export const createSealer = (
  mainSecrets: readonly string[],
  randomBytes: (count: number) => Uint8Array,
): Sealer => {
  const keys = mainSecrets.map((secret) => ({
    name: derive(secret, 'sealed v1 key name', KEY_NAME_BYTES),
    key: derive(secret, 'sealed v1 key', 32),
  }));
  const sealing = keys[0];
  if (sealing === undefined) throw new Error('at least one main secret is needed');
  const currentHead = Buffer.concat([Buffer.of(VERSION), sealing.name]);
  return {
    isCurrent: (sealed) => currentHead.equals(sealed.subarray(0, NONCE_AT)),
    seal: (plain, context) => {
      const head = currentHead;
      const nonce = randomBytes(NONCE_BYTES);
      const cipher = createCipheriv('aes-256-gcm', sealing.key, nonce);
      cipher.setAAD(Buffer.concat([head, Buffer.from(context, 'utf8')]));
      return Buffer.concat([head, nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
    },
    open: (sealed, context) => {
      const bytes = Buffer.from(sealed.buffer, sealed.byteOffset, sealed.byteLength);
      if (bytes.length < BODY_AT + TAG_BYTES || bytes[0] !== VERSION) {
        throw new SealBroken('a stored secret has a format that this version does not know');
      }
      const head = bytes.subarray(0, NONCE_AT);
      const found = keys.find(({ name }) => name.equals(head.subarray(1)));
      if (found === undefined) {
        throw new SealBroken(
          'a stored secret was sealed under another main secret: add the earlier value to POSTHORN_MAIN_SECRET_OLD',
        );
      }
      const decipher = createDecipheriv('aes-256-gcm', found.key, bytes.subarray(NONCE_AT, BODY_AT));
      decipher.setAAD(Buffer.concat([head, Buffer.from(context, 'utf8')]));
      decipher.setAuthTag(bytes.subarray(bytes.length - TAG_BYTES));
      try {
        return Buffer.concat([
          decipher.update(bytes.subarray(BODY_AT, bytes.length - TAG_BYTES)),
          decipher.final(),
        ]);
      } catch {
        throw new SealBroken('a stored secret was changed or belongs to another row');
      }
    },
  };
};
