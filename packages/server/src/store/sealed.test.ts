import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { SealBroken, createSealer } from './sealed.ts';

const main = 'the main secret of this deployment, long enough';
const next = 'the next main secret of this deployment, long enough';
const plain = Buffer.from('whsec bytes');

describe('a sealer', () => {
  it('opens what it sealed, and never seals the same way twice', () => {
    const sealer = createSealer([main], randomBytes);
    const sealed = sealer.seal(plain, 'endpoint ep_1');
    expect(sealer.open(sealed, 'endpoint ep_1')).toEqual(plain);
    expect(sealer.seal(plain, 'endpoint ep_1')).not.toEqual(sealed);
    expect(sealed.includes(plain)).toBe(false);
  });
  it('opens under an earlier main secret after a rotation, and seals under the new one', () => {
    const sealed = createSealer([main], randomBytes).seal(plain, 'c');
    const rotated = createSealer([next, main], randomBytes);
    expect(rotated.open(sealed, 'c')).toEqual(plain);
    expect(createSealer([next], randomBytes).open(rotated.seal(plain, 'c'), 'c')).toEqual(plain);
    expect([rotated.isCurrent(sealed), rotated.isCurrent(rotated.seal(plain, 'c'))]).toEqual([false, true]);
  });
  it('does not open under another secret or context, or with any byte changed', () => {
    const sealer = createSealer([main], randomBytes);
    const sealed = sealer.seal(plain, 'c');
    expect(() => createSealer([next], randomBytes).open(sealed, 'c')).toThrow(SealBroken);
    expect(() => sealer.open(sealed, 'd')).toThrow(SealBroken);
    for (let index = 0; index < sealed.length; index++) {
      const changed = Buffer.from(sealed);
      changed[index]! ^= 1;
      expect(() => sealer.open(changed, 'c')).toThrow(SealBroken);
    }
  });
});
