import { describe, expect, it } from 'vitest';
import type { Lane } from '../../src/dispatch/lane.ts';
import { createObserver } from '../../src/dispatch/observer.ts';
import { createShares } from '../../src/dispatch/shares.ts';
import { createSimTimers } from './sim-timers.ts';

const SECOND = 1_000;

/** A lane that has something to start. */
const laneOf = (name: string): Lane =>
  ({
    endpointId: name,
    applicationId: 'app_1',
    endpointAtMs: 0,
    tenure: {},
    window: { size: () => 1 },
  }) as Lane;

const sharing = async (limit: number) => {
  const timers = createSimTimers(0);
  const calledUp: string[] = [];
  let isAway = false;
  const shares = createShares({
    node: 'n',
    store: {
      dealShares: async (asked) => {
        if (isAway) throw new Error('away');
        return new Map(asked.map(({ applicationId, claim }) => [applicationId, [claim]]));
      },
    },
    clock: { nowMs: () => timers.nowMs(), monotonicMs: () => timers.nowMs() },
    timers,
    settings: { leaseMs: 10_000, leaseMarginMs: 1_000 },
    observe: createObserver({}),
    lineUp: ({ endpointId }) => void calledUp.push(endpointId),
  });
  shares.start();
  const lanes = new Map<string, Lane>();
  const named = (name: string): Lane => {
    const lane = lanes.get(name) ?? laneOf(name);
    lanes.set(name, lane);
    return lane;
  };
  const ask = (name: string): boolean => shares.mayStart(named(name), limit, timers.nowMs());
  const begin = (name: string) => shares.take(named(name), limit, timers.nowMs());
  return {
    timers,
    calledUp,
    ask,
    begin,
    forfeit: (name: string) => shares.forfeit(named(name)),
    setAway: (away: boolean) => void (isAway = away),
  };
};

/** One request a second, whose slot is free again at once; two lanes wait for it. */
const opening = async () => {
  const world = await sharing(1);
  const { timers, calledUp, ask, begin } = world;
  // The first question brings the share.
  expect(ask('first')).toBe(false);
  await timers.advance(10);
  expect(calledUp.splice(0)).toEqual(['first']);
  expect(ask('first')).toBe(true);
  const slot = begin('first');
  expect([ask('a'), ask('b')]).toEqual([false, false]);
  await timers.advance(5 * SECOND);
  slot.release(timers.nowMs());
  await timers.advance(SECOND - 1);
  expect(calledUp).toEqual([]);
  return world;
};

describe('the lanes of an application with a rate', () => {
  it('start in the order in which they came, also when another asks just when a slot is free', async () => {
    const { timers, calledUp, ask, begin } = await opening();
    await timers.advance(1);
    expect([ask('late'), ask('b')]).toEqual([false, false]);
    await timers.advance(1);
    expect(calledUp).toEqual(['a']);
    expect([ask('late'), ask('b'), ask('a')]).toEqual([false, false, true]);
    const slot = begin('a');
    slot.release(timers.nowMs());
    await timers.advance(SECOND + 1);
    expect(calledUp).toEqual(['a', 'b']);
  });

  it('let the next one at once when one has nothing to start', async () => {
    const { timers, calledUp, ask, forfeit } = await opening();
    await timers.advance(2);
    forfeit('a');
    await timers.advance(1);
    expect(calledUp).toEqual(['a', 'b']);
    expect(ask('b')).toBe(true);
  });

  it('let the next one when one that was called does not start, and it is not forgotten', async () => {
    const { timers, calledUp, ask, begin } = await opening();
    await timers.advance(150);
    expect(calledUp).toEqual(['a', 'b']);
    expect([ask('a'), ask('b')]).toEqual([false, true]);
    begin('b').release(timers.nowMs());
    await timers.advance(SECOND + 1);
    expect(calledUp).toEqual(['a', 'b', 'a']);
  });

  it('start nothing by a share whose lease has ended, and go on when there is one again', async () => {
    const { timers, calledUp, ask, setAway } = await opening();
    setAway(true);
    await timers.advance(9 * SECOND);
    expect([ask('a'), ask('b')]).toEqual([false, false]);
    setAway(false);
    calledUp.splice(0);
    await timers.advance(2 * SECOND);
    expect(calledUp.length).toBeGreaterThan(0);
    expect([ask('a'), ask('b')]).toContain(true);
  });
});
