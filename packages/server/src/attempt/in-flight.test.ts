import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createInFlight } from './in-flight.ts';

type Item = {
  readonly name: string;
  readonly deadlineMs: number;
  timeOut: () => void;
  older: Item | null;
  younger: Item | null;
};

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const setUp = () => {
  const inFlight = createInFlight<Item>({ monotonicMs: () => vi.getMockedSystemTime()?.getTime() ?? 0 });
  const late: string[] = [];
  const add = (name: string, deadlineMs: number): Item => {
    const item: Item = {
      name,
      deadlineMs,
      older: null,
      younger: null,
      timeOut: () => {
        late.push(name);
        inFlight.delete(item);
      },
    };
    inFlight.add(item);
    return item;
  };
  return { inFlight, late, add, names: () => inFlight.list().map(({ name }) => name) };
};

describe('in flight', () => {
  it('ends each item at its own moment with one timer', () => {
    vi.setSystemTime(0);
    const { inFlight, late, add } = setUp();
    add('a', 100);
    add('b', 100);
    const c = add('c', 150);
    add('d', 200);
    expect(vi.getTimerCount()).toBe(1);
    vi.advanceTimersByTime(99);
    expect(late).toEqual([]);
    vi.advanceTimersByTime(1);
    expect(late).toEqual(['a', 'b']);
    inFlight.delete(c);
    vi.advanceTimersByTime(99);
    expect(late).toEqual(['a', 'b']);
    vi.advanceTimersByTime(1);
    expect(late).toEqual(['a', 'b', 'd']);
    expect(inFlight.size()).toBe(0);
    vi.advanceTimersByTime(1_000);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('forgets from the middle and both ends', () => {
    vi.setSystemTime(0);
    const { inFlight, add, names } = setUp();
    const [a, b, c, d] = ['a', 'b', 'c', 'd'].map((name) => add(name, 1_000));
    if (!a || !b || !c || !d) throw new Error('four');
    inFlight.delete(b);
    expect(names()).toEqual(['a', 'c', 'd']);
    inFlight.delete(a);
    inFlight.delete(d);
    expect(names()).toEqual(['c']);
    inFlight.delete(c);
    expect(names()).toEqual([]);
    add('e', 2_000);
    expect(names()).toEqual(['e']);
    expect(c.older).toBeNull();
    expect(c.younger).toBeNull();
  });
});
