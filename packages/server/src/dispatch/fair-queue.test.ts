import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createFairQueue } from './fair-queue.ts';

const everybody = (): boolean => true;
const take = <T>(queue: ReturnType<typeof createFairQueue<T>>, cost = 1): T | undefined => {
  const item = queue.peek(everybody);
  if (item !== undefined) queue.shift(cost);
  return item;
};

describe('a fair queue', () => {
  it('gives each key its turn, however much the others have', () => {
    const queue = createFairQueue<string>();
    for (let n = 0; n < 1_000; n++) queue.push('flood', `flood ${n}`);
    queue.push('single', 'single');
    expect([take(queue), take(queue), take(queue)]).toEqual(['flood 0', 'single', 'flood 1']);
  });

  it('lets who took what costs several turns pass for as many rounds, also when it was all it had', () => {
    const queue = createFairQueue<string>();
    queue.push('large', 'large 0');
    for (let n = 0; n < 10; n++) queue.push('small', `small ${n}`);
    expect(take(queue, 4)).toBe('large 0');
    queue.push('large', 'large 1');
    expect(Array.from({ length: 6 }, () => take(queue))).toEqual([
      'small 0',
      'small 1',
      'small 2',
      'small 3',
      'large 1',
      'small 4',
    ]);
  });

  it('asks nobody to pay who is alone', () => {
    const queue = createFairQueue<string>();
    queue.push('a', 'first');
    queue.push('a', 'second');
    expect(take(queue, 100)).toBe('first');
    expect(take(queue, 100)).toBe('second');
    expect(take(queue)).toBeUndefined();
  });

  it('passes who may not, without losing his place among those who may not', () => {
    const queue = createFairQueue<string>();
    for (const key of ['a', 'b', 'c']) queue.push(key, key);
    expect(queue.peek((key) => key === 'c')).toBe('c');
    queue.shift(1);
    expect(queue.peek(() => false)).toBeUndefined();
    expect(queue.size()).toBe(2);
    expect(new Set([take(queue), take(queue)])).toEqual(new Set(['a', 'b']));
  });

  it('gives all that came in once, a key in order, and nobody two turns while another waits for one', () => {
    const step = fc.oneof(
      { weight: 3, arbitrary: fc.record({ kind: fc.constant('push' as const), key: fc.nat(3) }) },
      { weight: 2, arbitrary: fc.constant({ kind: 'take' as const }) },
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 300, size: 'max' }), (steps) => {
        const queue = createFairQueue<readonly [key: number, n: number]>();
        const waiting: number[][] = [[], [], [], []];
        /** What was served since a key began to wait for its turn. */
        const sinceThen: number[][] = [[], [], [], []];
        let next = 0;
        for (const each of steps) {
          if (each.kind === 'push') {
            if (waiting[each.key]!.length === 0) sinceThen[each.key] = [];
            queue.push(String(each.key), [each.key, next]);
            waiting[each.key]!.push(next++);
            continue;
          }
          const item = take(queue);
          if (item === undefined) {
            expect(waiting.flat()).toEqual([]);
            continue;
          }
          const [key, n] = item;
          expect(n).toBe(waiting[key]!.shift());
          sinceThen[key] = [];
          for (const other of [0, 1, 2, 3]) {
            if (other === key || waiting[other]!.length === 0) continue;
            expect(sinceThen[other]).not.toContain(key);
            sinceThen[other]!.push(key);
          }
          expect(queue.size()).toBe(waiting.flat().length);
        }
      }),
    );
  });
});
