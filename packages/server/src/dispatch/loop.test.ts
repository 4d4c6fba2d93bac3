import { describe, expect, it } from 'vitest';
import { createSimTimers } from '../../test/dispatch/sim-timers.ts';
import { createLoop } from './loop.ts';

const setUp = (task: (run: number) => Promise<void> | void) => {
  const timers = createSimTimers();
  const runs: number[] = [];
  const errors: unknown[] = [];
  const loop = createLoop({
    timers,
    intervalMs: 100,
    task: async () => {
      runs.push(timers.nowMs());
      await task(runs.length);
    },
    onError: (error) => void errors.push(error),
  });
  return { timers, runs, errors, loop };
};

describe('loop', () => {
  it('runs at once, then after each interval, and outlives failures', async () => {
    const { timers, runs, errors, loop } = setUp((run) => {
      if (run === 2) throw new Error('once');
    });
    loop.start();
    await timers.advance(350);
    expect(runs).toEqual([0, 100, 200, 300]);
    expect(errors).toHaveLength(1);
  });

  it('runs once more when kicked during a run, also by the task itself, but never beside itself', async () => {
    let running = 0;
    const { timers, runs, loop } = setUp(async (run) => {
      expect(++running).toBe(1);
      if (run === 1) loop.kick();
      await new Promise<void>((resolve) => void timers.setTimeout(resolve, 10));
      running--;
    });
    loop.start();
    await timers.advance(50);
    expect(runs).toEqual([0, 10]);
    loop.kick();
    await timers.advance(5);
    expect(runs).toEqual([0, 10, 50]);
  });

  it('waits for the running one when stopped, and does not run again', async () => {
    const { timers, runs, loop } = setUp(
      () => new Promise<void>((resolve) => void timers.setTimeout(resolve, 10)),
    );
    loop.start();
    await timers.advance(5);
    let isStopped = false;
    void loop.stop().then(() => {
      isStopped = true;
    });
    await timers.advance(1);
    expect(isStopped).toBe(false);
    await timers.advance(500);
    expect(isStopped).toBe(true);
    loop.kick();
    await timers.advance(500);
    expect(runs).toEqual([0]);
  });
});
