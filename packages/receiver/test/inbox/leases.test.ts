import { describe, expect, it } from 'vitest';
import { eventOf } from '../events.ts';
import { inboxTests } from './setup.ts';

const tests = inboxTests();
const LEASE_MS = 60_000;

const worldWith = async (ids: readonly string[], orderKey?: (id: string) => string | null) => {
  const world = { nowMs: Date.now() };
  const inbox = await tests.inbox({
    now: () => world.nowMs,
    ...(orderKey && { orderKey: ({ id }) => orderKey(id ?? '') }),
  });
  for (const id of ids) await inbox.put(eventOf(id), id);
  const claim = (token: string, most = 10) => inbox.jobs.claim(token, LEASE_MS, most);
  const only = async (token: string) => {
    const [job, ...more] = await claim(token);
    if (job === undefined || more.length > 0) throw new Error('expected one job');
    return job;
  };
  const idsOf = async (token: string, most?: number) =>
    (await claim(token, most)).map(({ event }) => event.id);
  return { world, inbox, jobs: inbox.jobs, only, idsOf };
};

describe('a lease', () => {
  it('is renewed by its holder only', async () => {
    const { world, jobs, only } = await worldWith(['a']);
    const job = await only('one');
    world.nowMs += LEASE_MS - 1;
    expect(await jobs.renew('two', LEASE_MS, [job.id])).toEqual(new Set());
    expect(await jobs.renew('one', LEASE_MS, [job.id])).toEqual(new Set([job.id]));
    world.nowMs += LEASE_MS - 1;
    expect(await jobs.reclaim(10)).toEqual([]);
    expect(await jobs.done(job, 'one')).toBe(true);
  });

  it('that ran out gives the event to another; what the first one says of it then is refused', async () => {
    const { world, jobs, only } = await worldWith(['a']);
    const slow = await only('slow');
    world.nowMs += LEASE_MS;
    await jobs.reclaim(10);
    const second = await only('second');
    expect(second.attempt).toBe(2);
    expect(await jobs.done(slow, 'slow')).toBe(false);
    expect(await jobs.retry(slow, 'slow', 0, 'x')).toBe(false);
    expect(await jobs.bury(slow, 'slow', 'x')).toBe(false);
    expect(await jobs.release(slow, 'slow')).toBe(false);
    expect(await jobs.renew('slow', LEASE_MS, [slow.id])).toEqual(new Set());
    expect(await jobs.done(second, 'second')).toBe(true);
  });

  it('is of one attempt: the same worker’s earlier attempt is refused too', async () => {
    const { world, jobs, only } = await worldWith(['a']);
    const earlier = await only('one');
    world.nowMs += LEASE_MS;
    await jobs.reclaim(10);
    const later = await only('one');
    expect(await jobs.done(earlier, 'one')).toBe(false);
    expect(await jobs.done(later, 'one')).toBe(true);
  });

  it('that was given back is nobody’s: its attempt has the same number at the next one', async () => {
    const { jobs, only } = await worldWith(['a']);
    const stopped = await only('stopped');
    expect(await jobs.release(stopped, 'stopped')).toBe(true);
    const next = await only('next');
    expect(next.attempt).toBe(stopped.attempt);
    expect(await jobs.done(stopped, 'stopped')).toBe(false);
    expect(await jobs.done(next, 'next')).toBe(true);
  });

  it('that ran out on the last attempt makes a dead letter: a poisonous event ends', async () => {
    const { world, inbox, jobs, only } = await worldWith(['a']);
    await only('one');
    world.nowMs += LEASE_MS;
    expect(await jobs.reclaim(1)).toEqual([
      { attempt: 1, event: expect.objectContaining({ id: 'a', source: 'test' }) },
    ]);
    expect(await inbox.dead()).toMatchObject([{ attempts: 1, error: expect.stringContaining('lease') }]);
  });
});

describe('what is given out', () => {
  it('is given to one of many that ask at once', async () => {
    const ids = Array.from({ length: 60 }, (_, index) => `event ${index}`);
    const { idsOf } = await worldWith(ids);
    const given = await Promise.all(Array.from({ length: 20 }, (_, index) => idsOf(`worker ${index}`, 3)));
    expect(given.flat()).toHaveLength(ids.length);
    expect(new Set(given.flat())).toEqual(new Set(ids));
  });

  it('is of each order key the oldest, also while that waits to be tried again', async () => {
    const { world, jobs, claim, idsOf } = await ordered();
    const jobsOf = await claim('one');
    expect(jobsOf.map(({ event }) => event.id)).toEqual(['a1', 'b1', 'free']);
    expect(await idsOf('two')).toEqual([]);
    const [a1, b1] = jobsOf;
    if (!a1 || !b1) throw new Error('expected two jobs');
    await jobs.retry(a1, 'one', 5_000, 'x');
    await jobs.done(b1, 'one');
    expect(await idsOf('two')).toEqual(['b2']);
    world.nowMs += 5_000;
    const [again] = await claim('two');
    expect(again).toMatchObject({ event: { id: 'a1' }, attempt: 2 });
    if (again) await jobs.bury(again, 'two', 'x');
    expect(await idsOf('two')).toEqual(['a2']);
  });
});

const ordered = async () => {
  const made = await worldWith(['a1', 'a2', 'b1', 'b2', 'free'], (id) =>
    id === 'free' ? null : (id[0] ?? null),
  );
  return { ...made, claim: (token: string) => made.jobs.claim(token, LEASE_MS, 10) };
};
