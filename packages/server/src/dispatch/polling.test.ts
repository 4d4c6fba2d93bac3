import { describe, expect, it } from 'vitest';
import { createSimTimers } from '../../test/dispatch/sim-timers.ts';
import { createPolling } from './polling.ts';

/** Each poll takes ten milliseconds and one of what is wanted. */
const setUp = (wanted: number, answers: (poll: number) => boolean = () => true) => {
  const timers = createSimTimers();
  const polls: number[] = [];
  const may = { poll: true };
  let left = wanted;
  let under = 0;
  let most = 0;
  const polling = createPolling({
    timers,
    isWanted: () => left > 0,
    mayPoll: () => may.poll,
    poll: () => {
      polls.push(timers.nowMs());
      most = Math.max(most, ++under);
      return new Promise((resolve) => {
        timers.setTimeout(() => {
          under--;
          const isAnswered = answers(polls.length);
          if (isAnswered) left--;
          resolve(isAnswered);
        }, 10);
      });
    },
  });
  return { timers, polls, polling, may, most: () => most };
};

describe('polling', () => {
  it('asks one at a time until nothing is wanted, however often it is told', async () => {
    const { timers, polls, polling, most } = setUp(3);
    polling.kick();
    polling.kick();
    await timers.advance(5);
    polling.kick();
    await timers.advance(100);
    expect([polls, most()]).toEqual([[0, 10, 20], 1]);
  });

  it('waits after a failure, whoever tells it that there is something, and goes on by itself', async () => {
    const { timers, polls, polling } = setUp(2, (poll) => poll !== 1);
    polling.kick();
    await timers.advance(100);
    polling.kick();
    await timers.advance(400);
    expect(polls).toEqual([0, 260, 270]);
  });

  it('asks nothing while it may not, and when it is told that it may', async () => {
    const { timers, polls, polling, may } = setUp(1);
    may.poll = false;
    polling.kick();
    await timers.advance(100);
    expect(polls).toEqual([]);
    may.poll = true;
    polling.kick();
    await timers.advance(100);
    expect(polls).toHaveLength(1);
  });

  it('that is stopped waits for the poll that runs and begins no other', async () => {
    const { timers, polls, polling } = setUp(3);
    polling.kick();
    await timers.advance(5);
    let isOver = false;
    const stopped = polling.stop().then(() => (isOver = true));
    await timers.advance(1);
    expect(isOver).toBe(false);
    await timers.advance(50);
    await stopped;
    polling.kick();
    await timers.advance(500);
    expect(polls).toEqual([0]);
  });

  it('that is stopped after a failure does not try again', async () => {
    const { timers, polls, polling } = setUp(1, () => false);
    polling.kick();
    await timers.advance(20);
    await polling.stop();
    await timers.advance(500);
    expect(polls).toEqual([0]);
  });
});
