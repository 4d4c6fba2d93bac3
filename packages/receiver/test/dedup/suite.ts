// What every store promises. A unit of time is an hour where the clock is handed in, and some
// milliseconds where the store has its own.
import { randomUUID } from 'node:crypto';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { Claim, DedupStore } from '../../src/contract.ts';
import { eventually } from '../eventually.ts';

export type Subject = {
  readonly store: () => DedupStore;
  /** The store follows the `nowMs` of its callers. */
  readonly handedClock: boolean;
};

const HOUR_MS = 3_600_000;

export const dedupSuite = ({ store, handedClock }: Subject): void => {
  const unitMs = handedClock ? HOUR_MS : 10;
  let passedMs = 0;
  /** Lets time pass; where the clock is the store's own, the caller waits for what that brings. */
  const pass = (units: number): void => {
    passedMs += handedClock ? units * unitMs : 0;
  };
  const claim = (key: string, leaseUnits = 10_000, ttlUnits = 20_000): Promise<Claim> =>
    store().claim(key, {
      leaseMs: leaseUnits * unitMs,
      ttlMs: ttlUnits * unitMs,
      nowMs: Date.now() + passedMs,
    });
  const first = async (key: string, leaseUnits?: number, ttlUnits?: number): Promise<string> => {
    const got = await eventually(
      () => claim(key, leaseUnits, ttlUnits),
      ({ kind }) => kind === 'first' || handedClock,
    );
    if (got.kind !== 'first') throw new Error(`expected to be first, got ${got.kind}`);
    return got.token;
  };
  const key = (): string => `test:${randomUUID()}`;
  const race = (name: string): Promise<Claim[]> =>
    Promise.all(Array.from({ length: 200 }, () => claim(name)));
  const kinds = (claims: readonly Claim[]): Record<string, number> => {
    const count: Record<string, number> = {};
    for (const { kind } of claims) count[kind] = (count[kind] ?? 0) + 1;
    return count;
  };

  it('gives a key once, then says busy, then done', async () => {
    const name = key();
    const token = await first(name);
    const busy = await claim(name);
    expect(busy).toEqual({ kind: 'busy', retryAfterMs: expect.any(Number) });
    expect(busy.kind === 'busy' && busy.retryAfterMs).toBeGreaterThan(0);
    expect(await store().done(name, token)).toBe('kept');
    expect(await claim(name)).toEqual({ kind: 'done' });
  });

  it('takes the same done twice, from a client that sends it again', async () => {
    const name = key();
    const token = await first(name);
    expect(await store().done(name, token)).toBe('kept');
    expect(await store().done(name, token)).toBe('kept');
  });

  it('gives a key again that was forgotten', async () => {
    const name = key();
    await store().forget(name, await first(name));
    await first(name);
  });

  it('forgets nothing that is done', async () => {
    const name = key();
    const token = await first(name);
    await store().done(name, token);
    await store().forget(name, token);
    expect(await claim(name)).toEqual({ kind: 'done' });
  });

  it('gives one of 200 that come at once', async () => {
    const name = key();
    const claims = await race(name);
    expect(kinds(claims)).toEqual({ first: 1, busy: 199 });
    const winner = claims.find((one) => one.kind === 'first');
    await store().done(name, winner?.token ?? '');
    expect(kinds(await race(name))).toEqual({ done: 200 });
  });

  it('gives one of 200 after a lease that ran out', async () => {
    const name = key();
    await first(name, 2);
    pass(3);
    // The others may come before the store's own clock is there; nobody comes twice.
    const claims: Claim[] = [];
    await eventually(
      async () => claims.push(...(await race(name))),
      () => claims.some(({ kind }) => kind === 'first'),
    );
    expect(kinds(claims)['first']).toBe(1);
  });

  it('has the effect once, with 200 that try again and a handler that fails', async () => {
    const name = key();
    const ran: string[] = [];
    const attempt = async (): Promise<boolean> => {
      const got = await claim(name);
      if (got.kind !== 'first') return got.kind === 'done';
      ran.push(got.token);
      if (ran.length <= 3) {
        await store().forget(name, got.token);
        return false;
      }
      return (await store().done(name, got.token)) === 'kept';
    };
    await Promise.all(Array.from({ length: 200 }, () => eventually(attempt, Boolean, 25_000)));
    expect(ran).toHaveLength(4);
  });

  it('tells a slow holder that another has taken over, and keeps the other’s claim', async () => {
    const name = key();
    const slow = await first(name, 2);
    pass(3);
    const second = await first(name);
    expect(await store().done(name, slow)).toBe('lost');
    await store().forget(name, slow);
    expect((await claim(name)).kind).toBe('busy');
    expect(await store().done(name, second)).toBe('kept');
    expect(await store().done(name, slow)).toBe('lost');
    expect((await claim(name)).kind).toBe('done');
  });

  it('believes a late holder whom nobody has overtaken', async () => {
    const name = key();
    const token = await first(name, 1);
    pass(2);
    expect(await store().done(name, token)).toBe('kept');
    expect((await claim(name)).kind).toBe('done');
  });

  it('forgets what is done when its time is over, and not before', async () => {
    const name = key();
    await store().done(name, await first(name, 1, 48));
    expect((await claim(name)).kind).toBe('done');
    pass(47.9);
    if (handedClock) expect((await claim(name)).kind).toBe('done');
    pass(0.2);
    await first(name);
  });

  it('keeps every two keys apart', async () => {
    const odd = fc.constantFrom('\0', '\ud800', '\udfff', 'sha256:', 'é', ' ', 'x'.repeat(3_000));
    const text = fc.array(fc.oneof(odd, fc.string({ unit: 'binary' })), { maxLength: 3 });
    await fc.assert(
      fc.asyncProperty(
        fc.uniqueArray(
          text.map((parts) => parts.join('')),
          { maxLength: 4 },
        ),
        async (keys) => {
          const salt = randomUUID();
          for (const name of keys) expect((await claim(name + salt)).kind).toBe('first');
          for (const name of keys) expect((await claim(name + salt)).kind).toBe('busy');
        },
      ),
      { numRuns: 15 },
    );
  });
};
