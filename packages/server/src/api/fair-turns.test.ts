import { describe, expect, it } from 'vitest';
import { createFairTurns } from './fair-turns.ts';

/** Works that end when they are told to. */
const harness = (most: { ofOne: number; inAll: number }) => {
  const turns = createFairTurns(most);
  const begun: string[] = [];
  const ends = new Map<string, () => void>();
  const ask = (who: string, what: string) => {
    const taken = turns.take(who, async () => {
      begun.push(what);
      await new Promise<void>((resolve) => ends.set(what, resolve));
      return what;
    });
    return taken === null ? 'full' : 'taken';
  };
  const end = async (what: string): Promise<void> => {
    await new Promise((resolve) => setImmediate(resolve));
    ends.get(what)!();
    await new Promise((resolve) => setImmediate(resolve));
  };
  return { turns, begun, ask, end };
};

describe('fair turns', () => {
  it('go round, however much each wants', async () => {
    const { begun, ask, end } = harness({ ofOne: 9, inAll: 99 });
    for (const what of ['a1', 'a2', 'a3', 'a4']) ask('a', what);
    ask('b', 'b1');
    ask('b', 'b2');
    ask('c', 'c1');
    const order = ['a1', 'a2', 'b1', 'c1', 'a3', 'b2', 'a4'];
    for (const what of order) {
      await end(what);
      expect(begun.includes(what)).toBe(true);
    }
    expect(begun).toEqual(order);
    ask('d', 'd1');
    await new Promise((resolve) => setImmediate(resolve));
    expect(begun.at(-1)).toBe('d1');
  });

  it('refuse what would wait too long, and take more when there is room', async () => {
    const { ask, end } = harness({ ofOne: 2, inAll: 3 });
    expect([ask('a', 'a1'), ask('a', 'a2'), ask('a', 'a3'), ask('a', 'a4')]).toEqual([
      'taken',
      'taken',
      'taken',
      'full',
    ]);
    expect([ask('b', 'b1'), ask('c', 'c1')]).toEqual(['taken', 'full']);
    await end('a1');
    expect(ask('c', 'c2')).toBe('taken');
  });

  it('go on when a work fails', async () => {
    const turns = createFairTurns({ ofOne: 1, inAll: 9 });
    const failing = turns.take('a', async () => {
      throw new Error('no');
    });
    const after = turns.take('b', async () => 'done');
    await expect(failing).rejects.toThrow('no');
    expect(await after).toBe('done');
  });
});
