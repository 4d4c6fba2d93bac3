import { describe, expect, it } from 'vitest';
import { diskLevel, parseDisk } from './disk.ts';

describe('a disk', () => {
  it.each([
    ['/var/lib/postgresql', { kind: 'directory', path: '/var/lib/postgresql' }],
    ['200GB', { kind: 'size', bytes: 200_000_000_000 }],
    ['1.5TiB', { kind: 'size', bytes: 1.5 * 1024 ** 4 }],
    ['512 MiB', { kind: 'size', bytes: 512 * 1024 ** 2 }],
  ])('is read from %s', (text, disk) => {
    expect(parseDisk(text)).toEqual(disk);
  });

  it.each(['', 'var/lib', '200', '200 gb', 'GB', '0GB', '-1GB'])('is not "%s"', (text) => {
    expect(parseDisk(text)).toBeNull();
  });

  it('fills up', () => {
    expect([0, 0.849, 0.85, 0.949, 0.95, 1, 2].map(diskLevel)).toEqual([
      'fine',
      'fine',
      'filling',
      'filling',
      'nearly_full',
      'nearly_full',
      'nearly_full',
    ]);
  });
});
