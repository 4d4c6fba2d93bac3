import { encodeHex, sha256 } from '../bytes.ts';

const PLAIN = /^[\x21-\x7e]{1,512}$/;

/**
 * A key as every store can keep it: short printable ASCII as it is, anything else (NUL, lone
 * surrogates, kilobytes) as the hash of its UTF-16 code units, which UTF-8 would mix up.
 */
export const storedKey = async (key: string): Promise<string> => {
  if (PLAIN.test(key) && !key.startsWith('sha256:')) return key;
  const units = Uint8Array.from({ length: key.length * 2 }, (_, index) => {
    const unit = key.charCodeAt(index >> 1);
    return index % 2 === 0 ? unit >> 8 : unit & 255;
  });
  return `sha256:${encodeHex(await sha256(units))}`;
};
