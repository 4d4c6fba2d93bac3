import { describe, expect, it } from 'vitest';
import { prefersStrict } from './prefer.ts';

describe('the wish to be strict', () => {
  it.each([
    ['handling=strict', true],
    ['respond-async, handling=strict', true],
    ['return=minimal; handling="strict"', true],
    ['Handling = strict', true],
    ['handling=lenient', false],
    ['handling=stricter', false],
    ['mishandling=strict', false],
    [undefined, false],
  ])('%j: %s', (prefer, strict) => expect(prefersStrict(prefer)).toBe(strict));
});
