import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { redactBody, redactText } from './redact.ts';

const bytes = (text: string): Uint8Array => Buffer.from(text, 'latin1');
const textOf = (body: Uint8Array): string => Buffer.from(body).toString('latin1');

describe('what a receiver repeats', () => {
  it('is kept without the secrets, and the rest byte for byte', () => {
    const body = redactBody(
      bytes('\xffa: Bearer s3cret-token, again s3cret-token\0'),
      ['s3cret-token'],
      false,
    );
    expect(textOf(body)).toBe('\xffa: Bearer [redacted], again [redacted]\0');
  });

  it('is the very object where there is nothing to take out', () => {
    const body = bytes('nothing here');
    expect(redactBody(body, [], false)).toBe(body);
    expect(redactBody(body, ['s3cret-token'], true)).toBe(body);
  });

  it('is kept without the beginning of a secret at which it was cut', () => {
    expect(redactText('key=s3cret-to', ['s3cret-token'], true)).toBe('key=[redacted]');
    expect(redactText('key=s3cret-to', ['s3cret-token'], false)).toBe('key=s3cret-to');
    expect(redactText('key=s3c', ['s3cret-token'], true)).toBe('key=s3c');
  });

  it('never holds a secret, wherever it stands and wherever it was cut', () => {
    const secret = fc.stringMatching(/^[a-z0-9]{8,20}$/);
    fc.assert(
      fc.property(secret, fc.string(), fc.string(), fc.nat(60), (hidden, before, after, cut) => {
        const whole = `${before}${hidden}${after}`;
        const shown = redactText(whole.slice(0, cut), [hidden], cut < whole.length);
        expect(shown).not.toContain(hidden);
        expect(shown.endsWith(hidden.slice(0, 4)) && cut < whole.length).toBe(false);
      }),
    );
  });
});
