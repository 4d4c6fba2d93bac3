import { describe, expect, it } from 'vitest';
import { memoryDedup } from './memory.ts';

const time = (nowMs: number) => ({ ttlMs: 1_000, leaseMs: 100, nowMs });

describe('the bound of the memory', () => {
  it('lets the oldest handled key go and tells it', async () => {
    const evicted: string[] = [];
    const store = memoryDedup({ maxKeys: 2, onEvicted: (key) => evicted.push(key) });
    for (const key of ['a', 'b', 'c']) {
      const claim = await store.claim(key, time(0));
      if (claim.kind === 'first') await store.done(key, claim.token);
    }
    expect(evicted).toEqual(['a']);
    expect(await store.claim('b', time(1))).toEqual({ kind: 'done' });
    expect(await store.claim('a', time(1))).toMatchObject({ kind: 'first' });
  });

  it('never lets go of what is being handled', async () => {
    const store = memoryDedup({ maxKeys: 1 });
    expect(await store.claim('a', time(0))).toMatchObject({ kind: 'first' });
    expect(await store.claim('b', time(50))).toMatchObject({ kind: 'busy' });
    expect(await store.claim('a', time(50))).toEqual({ kind: 'busy', retryAfterMs: 50 });
    expect(await store.claim('b', time(100))).toMatchObject({ kind: 'first' });
  });

  it('tells nothing of a key whose time was over', async () => {
    const evicted: string[] = [];
    const store = memoryDedup({ maxKeys: 1, onEvicted: (key) => evicted.push(key) });
    const claim = await store.claim('a', time(0));
    if (claim.kind === 'first') await store.done('a', claim.token);
    await store.claim('b', time(1_000));
    expect(evicted).toEqual([]);
  });
});
