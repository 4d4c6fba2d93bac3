/** How full the disk of the database can be looked up: by a directory on it, or by its size. */
export type Disk =
  | { readonly kind: 'directory'; readonly path: string }
  | { readonly kind: 'size'; readonly bytes: number };

/** From `filling` on somebody should make room; at `nearly_full` soon: a full disk takes no messages. */
export type DiskLevel = 'fine' | 'filling' | 'nearly_full';

const FILLING = 0.85;
const NEARLY_FULL = 0.95;
const SIZE = /^(\d+(?:\.\d+)?)\s*([KMGT])(i?)B$/;
const POWERS = 'KMGT';

/** Reads a directory (absolute) or a size such as `200GB` or `1.5TiB`; null: it is neither. */
export const parseDisk = (text: string): Disk | null => {
  if (text.startsWith('/')) return { kind: 'directory', path: text };
  const match = SIZE.exec(text);
  if (match === null) return null;
  const [, amount = '', power = '', binary = ''] = match;
  const bytes = Number(amount) * (binary === '' ? 1000 : 1024) ** (POWERS.indexOf(power) + 1);
  return bytes > 0 ? { kind: 'size', bytes } : null;
};

/** @param share How much of it is in use; above 1 where the database is larger than was said. */
export const diskLevel = (share: number): DiskLevel =>
  share >= NEARLY_FULL ? 'nearly_full' : share >= FILLING ? 'filling' : 'fine';
