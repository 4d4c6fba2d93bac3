import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { RetryPolicy } from '../domain/policy.ts';
import {
  formatRetryPolicy,
  parseRetryPolicy,
  retryBounds,
  validateRetryPolicy,
} from './retry-policy-input.ts';
import { attemptsOf, retryPresets, retryWindowSeconds } from './retry-policy.ts';

const list = (...waitsSeconds: number[]): RetryPolicy => ({ kind: 'list', waitsSeconds });
const exponential: RetryPolicy = {
  kind: 'exponential',
  baseSeconds: 1,
  factor: 2,
  ceilingSeconds: 3600,
  retries: 20,
};

describe('parseRetryPolicy', () => {
  it.each([
    ['', list()],
    ['  \n', list()],
    ['default', retryPresets.default],
    [' svix ', retryPresets.svix],
    ['standard-webhooks', retryPresets['standard-webhooks']],
    ['1,5,12', list(1, 5, 12)],
    ['1 5 12', list(1, 5, 12)],
    [' 1 , 5,\t12 ', list(1, 5, 12)],
    ['0', list(0)],
    ['0.05,0.1', list(0.05, 0.1)],
    ['0.0004', list(0)],
    ['604800', list(604_800)],
    ['exponential:base=1,factor=2,ceiling=3600,retries=20', exponential],
    ['exponential: retries=20, ceiling=3600, factor=2, base=1', exponential],
    [
      'exponential:base=0.25,factor=1.5,ceiling=60,retries=0',
      { kind: 'exponential', baseSeconds: 0.25, factor: 1.5, ceilingSeconds: 60, retries: 0 },
    ],
  ] satisfies [string, RetryPolicy][])('reads %j', (text, policy) => {
    expect(parseRetryPolicy(text)).toEqual({ ok: true, policy });
  });

  it.each([
    ['Default', '"Default" is no retry policy. Use a preset (default, standard-webhooks, svix)'],
    ['constructor', 'is no retry policy'],
    ['__proto__', 'is no retry policy'],
    [',1', 'is no retry policy'],
    ['1,five', 'Wait 2 of the retry policy is "five"'],
    ['1,,5', 'Wait 2 of the retry policy is ""'],
    ['1,5,', 'Wait 3 of the retry policy is ""'],
    ['-1', 'Wait 1 of the retry policy is "-1"'],
    ['1e3', 'Wait 1 of the retry policy is "1e3"'],
    ['0x10', 'Wait 1 of the retry policy is "0x10"'],
    ['5s', 'Wait 1 of the retry policy is "5s"'],
    ['604801', 'from 0 to 604800 (7 days)'],
    [Array.from({ length: 101 }, () => '1').join(), 'at most 100'],
    ['604800 604800 604800 604800 604800', 'at most 2592000 (30 days)'],
    ['exponential:', 'unknown or repeated'],
    ['exponential:base=1', 'needs base, factor, ceiling and retries'],
    ['exponential:base=1,base=2', '"base=2" is unknown or repeated'],
    ['exponential:base=1,factor=2,ceiling=9,retries=3,jitter=1', '"jitter=1" is unknown'],
    ['exponential:base=1=2,factor=2,ceiling=9,retries=3', '"base=1=2" is unknown'],
    ['exponential:base=0,factor=2,ceiling=9,retries=3', "policy's base is 0"],
    ['exponential:base=x,factor=2,ceiling=9,retries=3', 'base is "x"'],
    ['exponential:base=1,factor=0.5,ceiling=9,retries=3', 'factor is 0.5'],
    ['exponential:base=5,factor=2,ceiling=4,retries=3', 'from the base (5)'],
    ['exponential:base=1,factor=2,ceiling=9,retries=1.5', 'a whole number from 0 to 100'],
    ['exponential:base=1,factor=2,ceiling=9,retries=101', 'number of retries is 101'],
  ])('refuses %j and says why', (text, part) => {
    expect(parseRetryPolicy(text)).toEqual({ ok: false, message: expect.stringContaining(part) });
  });
});

describe('validateRetryPolicy', () => {
  it.each([
    ['an array', [1, 0.5], list(1, 0.5)],
    ['an empty array', [], list()],
    ['a list object', { kind: 'list', waitsSeconds: [1] }, list(1)],
    ['an exponential object', exponential, exponential],
    ['unknown fields', { ...exponential, colour: 'red' }, exponential],
    ['float dust', [0.1 + 0.2], list(0.3)],
    ['minus zero', [-0], list(0)],
  ])('takes %s', (_what, input, policy) => {
    expect(validateRetryPolicy(input)).toEqual({ ok: true, policy });
  });

  it.each([
    ['null', null],
    ['a number', 5],
    ['text', 'default'],
    ['an empty object', {}],
    ['an unknown kind', { kind: 'linear', waitsSeconds: [1] }],
    ['a list without waits', { kind: 'list' }],
    ['an array of text', ['1']],
    ['an array with null', [null]],
    ['a nested array', [[1]]],
    ['NaN', [Number.NaN]],
    ['Infinity', [Number.POSITIVE_INFINITY]],
    ['a negative wait', [-1]],
    ['an exponential without base', { ...exponential, baseSeconds: undefined }],
    ['an infinite factor', { ...exponential, factor: Number.POSITIVE_INFINITY }],
    ['waits too long together', Array.from({ length: 100 }, () => 86_400)],
  ])('refuses %s', (_what, input) => {
    expect(validateRetryPolicy(input)).toEqual({ ok: false, message: expect.any(String) });
  });

  it('lets only bounded policies through, whatever JSON comes, and gives them back unchanged', () => {
    const numbers = fc.oneof(fc.double(), fc.integer({ min: -1, max: 1000 }));
    const inputs = fc.oneof(
      fc.jsonValue(),
      fc.array(numbers, { maxLength: 120 }),
      fc.record({
        kind: fc.constant('exponential'),
        baseSeconds: numbers,
        factor: numbers,
        ceilingSeconds: numbers,
        retries: numbers,
      }),
    );
    fc.assert(
      fc.property(inputs, (input) => {
        const result = validateRetryPolicy(input);
        if (!result.ok) {
          expect(result.message.length).toBeLessThan(300);
          return;
        }
        expect(attemptsOf(result.policy)).toBeLessThanOrEqual(retryBounds.retries + 1);
        expect(retryWindowSeconds(result.policy)).toBeLessThanOrEqual(retryBounds.windowSeconds);
        expect(validateRetryPolicy(JSON.parse(JSON.stringify(result.policy)))).toEqual(result);
      }),
    );
  });
});

describe('formatRetryPolicy', () => {
  const seconds = (max: number): fc.Arbitrary<number> =>
    fc.integer({ min: 1, max: max * 1000 }).map((ms) => ms / 1000);
  const lists = fc
    .array(seconds(20_000), { maxLength: 100 })
    .map((waitsSeconds): RetryPolicy => ({ kind: 'list', waitsSeconds }));
  const exponentials = fc
    .record({
      baseSeconds: seconds(10),
      factor: fc.double({ min: 1, max: 100, noNaN: true }),
      ceilingSeconds: seconds(20_000).map((ceiling) => ceiling + 10),
      retries: fc.integer({ min: 0, max: 100 }),
    })
    .map((fields): RetryPolicy => ({
      kind: 'exponential',
      ...fields,
      ceilingSeconds: Math.round(fields.ceilingSeconds * 1000) / 1000,
    }));

  it('writes what parseRetryPolicy reads', () => {
    fc.assert(
      fc.property(fc.oneof(lists, exponentials), (policy) => {
        expect(parseRetryPolicy(formatRetryPolicy(policy))).toEqual({ ok: true, policy });
      }),
    );
  });
});
