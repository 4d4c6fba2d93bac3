import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  asksAtMs,
  createLaneOrder,
  isQuiet,
  isResting,
  learnPoll,
  MOST_WANTED,
  planPoll,
  takeBackPlan,
  want,
  wantAll,
} from './order.ts';
import type { LaneOrder, OrderNews } from './order.ts';
import type { HeldDelivery } from './port.ts';

const nothing: OrderNews = { taken: 0, again: [], lastKey: null, keys: 0, nextMs: null };
const keysOf = (count: number): string[] => Array.from({ length: count }, (_, n) => `key ${n}`);
const NOW = 1_000;

/** Asks until there is nothing more to ask for, of a store in which scans see `keys`. */
const drain = (order: LaneOrder, keys: readonly string[], room: number): ReadonlySet<string> => {
  const asked = new Set<string>();
  for (let plan = planPoll(order, room, 1, NOW); plan !== null; plan = planPoll(order, room, 1, NOW)) {
    const { scan } = plan;
    for (const key of plan.keys) asked.add(key);
    const seen = scan === null ? [] : keys.filter((key) => key > scan.after).slice(0, scan.keys);
    for (const key of seen) asked.add(key);
    learnPoll(order, plan, { ...nothing, lastKey: seen.at(-1) ?? null, keys: seen.length }, NOW);
  }
  return asked;
};

describe('what an owner knows of ordering keys', () => {
  it('is asked for once, as many at a time as there is room for', () => {
    const order = createLaneOrder();
    for (const key of ['a', 'b', 'c', 'a']) want(order, key);
    expect(planPoll(order, 2, 1, NOW)).toEqual({ keys: ['a', 'b'], timed: 0, scan: null });
    expect(planPoll(order, 2, 1, NOW)).toEqual({ keys: ['c'], timed: 0, scan: null });
    expect(planPoll(order, 2, 1, NOW)).toBeNull();
  });

  it('does not ask for what is in memory', () => {
    const order = createLaneOrder();
    order.busy.set('a', {} as HeldDelivery);
    want(order, 'a');
    expect(planPoll(order, 9, 1, NOW)).toBeNull();
    expect(isResting(order)).toBe(false);
  });

  it('is bounded: of too many keys it remembers that there are some, and looks at all', () => {
    const order = createLaneOrder();
    const keys = keysOf(5 * MOST_WANTED).sort();
    for (const key of keys) want(order, key);
    expect(order.wanted.size).toBe(MOST_WANTED);
    const asked = drain(order, keys, 50);
    expect(keys.filter((key) => !asked.has(key))).toEqual([]);
  });

  it('shares a room too small for all that is to be asked for', () => {
    const order = createLaneOrder();
    want(order, 'a');
    wantAll(order);
    order.dueMs = NOW;
    const kinds = new Set<string>();
    for (let n = 0; n < 3; n++) {
      const plan = planPoll(order, 1, 1, NOW)!;
      kinds.add(plan.scan !== null ? 'scan' : plan.timed > 0 ? 'timed' : 'keys');
      want(order, 'b');
      order.dueMs = NOW;
    }
    expect([...kinds].sort()).toEqual(['keys', 'scan', 'timed']);
  });

  it('waits a moment for keys that wait for others, and goes on with a scan meanwhile', () => {
    const order = createLaneOrder();
    want(order, 'a');
    const plan = planPoll(order, 9, 1, NOW)!;
    learnPoll(order, plan, { ...nothing, again: [{ key: 'a', waits: true }] }, NOW);
    expect(planPoll(order, 9, 1, NOW)).toBeNull();
    const atMs = asksAtMs(order);
    expect(atMs).toBeGreaterThan(NOW);
    expect(planPoll(order, 9, 1, atMs)?.keys).toEqual(['a']);
  });

  it('asks for what waits for its time when that has come, and for more of it where there may be more', () => {
    const order = createLaneOrder();
    order.dueMs = NOW + 500;
    expect(planPoll(order, 9, 1, NOW)).toBeNull();
    const plan = planPoll(order, 2, 1, NOW + 500)!;
    expect(plan).toEqual({ keys: [], timed: 2, scan: null });
    learnPoll(order, plan, { ...nothing, taken: 2, nextMs: NOW + 9_000 }, NOW + 500);
    const more = planPoll(order, 2, 1, NOW + 500)!;
    learnPoll(order, more, { ...nothing, taken: 1, nextMs: NOW + 9_000 }, NOW + 500);
    expect(planPoll(order, 2, 1, NOW + 500)).toBeNull();
    expect(asksAtMs(order)).toBe(NOW + 9_000);
  });

  it('asks again for all that a failed poll asked for', () => {
    const order = createLaneOrder();
    want(order, 'a');
    wantAll(order);
    order.dueMs = NOW;
    const plan = planPoll(order, 9, 1, NOW)!;
    takeBackPlan(order, plan, NOW);
    const second = planPoll(order, 9, 1, NOW)!;
    expect([...second.keys].sort()).toEqual([...plan.keys].sort());
    expect(second.timed).toBeGreaterThan(0);
    expect(second.scan?.after).toBe(plan.scan?.after);
  });

  it('rests longer after scans that find nothing, by what they cost, and not after one that does', () => {
    const order = createLaneOrder();
    const scan = (taken: number, keys: number): number => {
      wantAll(order);
      order.scanAfterMs = 0;
      drain(order, [], 1_000);
      wantAll(order);
      order.scanAfterMs = 0;
      order.wanted.clear();
      const plan = planPoll(order, 100_000, 1, NOW)!;
      learnPoll(order, plan, { ...nothing, taken, keys, lastKey: 'z' }, NOW);
      return order.scanAfterMs - NOW;
    };
    const idle = scan(0, 10);
    expect(idle).toBeGreaterThan(0);
    expect(scan(0, 10)).toBeGreaterThan(idle);
    expect(scan(0, 50_000)).toBeGreaterThanOrEqual(5_000);
    expect(scan(1, 10)).toBeLessThan(10);
  });

  it('is quiet by the version that the last whole scan began with', () => {
    const order = createLaneOrder();
    expect(isQuiet(order, 7)).toBe(false);
    wantAll(order);
    const plan = planPoll(order, 9, 7, NOW)!;
    learnPoll(order, plan, nothing, NOW);
    expect(isQuiet(order, 7)).toBe(true);
    expect(isQuiet(order, 8)).toBe(false);
    want(order, 'a');
    expect(isQuiet(order, 7)).toBe(false);
  });

  it('looks at every key that it was told of, however the rooms come', () => {
    fc.assert(
      fc.property(
        fc.array(fc.string({ minLength: 1, maxLength: 3 }), { maxLength: 60 }),
        fc.integer({ min: 1, max: 7 }),
        fc.boolean(),
        (told, room, byScan) => {
          const order = createLaneOrder();
          const keys = [...new Set(told)].sort();
          if (byScan) wantAll(order);
          else for (const key of keys) want(order, key);
          const asked = drain(order, keys, room);
          return keys.every((key) => asked.has(key)) && isResting(order);
        },
      ),
    );
  });
});
