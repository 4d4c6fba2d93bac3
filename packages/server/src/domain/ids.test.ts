import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createIdSource, idFloor, idTimeMs } from './ids.ts';

const lowest = 1_400_000_000_000;
const highest = lowest + 0xffffffff * 1000;
const moment = fc.integer({ min: lowest, max: highest });

describe('ids', () => {
  it('carry their time in steps of 4 ms', () => {
    fc.assert(
      fc.property(moment, (timeMs) => {
        const make = createIdSource(
          () => timeMs,
          (count) => new Uint8Array(count).fill(0xab),
        );
        const id = make('message');
        expect(id).toMatch(/^msg_[0-9A-Za-z]{27}$/);
        expect(idTimeMs(id)).toBe(Math.floor(timeMs / 4) * 4);
      }),
    );
  });

  it('agree with a KSUID made elsewhere', () => {
    // Computed with big integers in another language; all ones is KSUID's aWgEPTl1tmebfsQzFP4bxwgy80V
    // but for the tick, of which a second has 250.
    expect(idFloor('message', 0)).toBe(`msg_${'0'.repeat(27)}`);
    const make = createIdSource(
      () => highest + 999,
      (count) => new Uint8Array(count).fill(0xff),
    );
    expect(make('message')).toBe('msg_aWgEPTZhwdcloT2H1F9kxliFgLP');
  });

  it('sort by time as text, and rise within a tick and when the clock jumps back', () => {
    fc.assert(
      fc.property(
        fc.array(moment, { minLength: 2 }),
        fc.uint8Array({ minLength: 15, maxLength: 15 }),
        (times, random) => {
          random[0] = 0;
          let timeMs = 0;
          const make = createIdSource(
            () => timeMs,
            () => random,
          );
          let previous = '';
          for (timeMs of times) {
            const id = make('attempt');
            expect(id > previous).toBe(true);
            previous = id;
          }
        },
      ),
    );
  });

  it('count up as one number, also where the last characters overflow', () => {
    // 15 random bytes whose number ends just below a multiple of 62^5.
    const base = 62n ** 5n * 123_456_789n - 3n;
    const random = new Uint8Array(15);
    for (let i = 0, rest = base; i < 15; i++, rest >>= 8n) random[14 - i] = Number(rest & 255n);
    const make = createIdSource(
      () => lowest,
      () => random,
    );
    const asNumber = (id: string): bigint =>
      id
        .slice(4)
        .split('')
        .reduce(
          (value, digit) =>
            value * 62n +
            BigInt('0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'.indexOf(digit)),
          0n,
        );
    const numbers = Array.from({ length: 10 }, () => asNumber(make('message')));
    expect(numbers).toEqual(Array.from({ length: 10 }, (_, index) => base + BigInt(index)));
  });

  it('do not repeat', () => {
    const make = createIdSource(
      () => lowest,
      (count) => new Uint8Array(count).fill(0xff),
    );
    const ids = new Set(Array.from({ length: 100_000 }, () => make('message')));
    expect(ids.size).toBe(100_000);
  });

  it('tell their time one after another, also around a tick and with nonsense in between', () => {
    let timeMs = lowest + 3_999;
    const make = createIdSource(
      () => timeMs,
      (count) => new Uint8Array(count).fill(0x5a),
    );
    for (let i = 0; i < 2_000; i++) {
      timeMs += i % 3;
      const id = make('attempt');
      expect(idTimeMs(id)).toBe(Math.floor(timeMs / 4) * 4);
      expect(idTimeMs(`${id.slice(0, -1)}-`)).toBeNull();
    }
  });

  it('have a floor that no id of the moment or later is below', () => {
    fc.assert(
      fc.property(moment, moment, (since, timeMs) => {
        const id = createIdSource(
          () => timeMs,
          (count) => new Uint8Array(count),
        )('endpoint');
        const sameTick = Math.floor(since / 4) === Math.floor(timeMs / 4);
        if (!sameTick) expect(id >= idFloor('endpoint', since)).toBe(timeMs >= since);
        else expect(id >= idFloor('endpoint', since)).toBe(true);
      }),
    );
  });

  it.each(['', 'msg_', 'msg_short', `msg_${'z'.repeat(27)}`, `msg_${'-'.repeat(27)}`])(
    'are not %j',
    (text) => {
      expect(idTimeMs(text)).toBeNull();
    },
  );
});
