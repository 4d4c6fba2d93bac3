import { afterEach, describe, expect, it } from 'vitest';
import type { SeenFact } from '../../src/contract.ts';
import { type Inbox, work, workInTransaction, type Workers } from '../../src/inbox/index.ts';
import { eventually } from '../eventually.ts';
import { eventOf, gate } from '../events.ts';
import { inboxTests, QUICK } from './setup.ts';

const tests = inboxTests();
const started: Workers[] = [];
const stopping = (workers: Workers): Workers => {
  started.push(workers);
  return workers;
};
afterEach(async () => {
  await Promise.all(started.splice(0).map((workers) => workers.stop({ graceMs: 0 })));
});

const fill = async (inbox: Inbox, count: number): Promise<void> => {
  for (let index = 0; index < count; index += 1) await inbox.put(eventOf(`e${index}`), `e${index}`);
};
const empty = (inbox: Inbox) =>
  eventually(
    () => inbox.counts(),
    ({ waiting, running }) => waiting + running === 0,
  );

describe('workers', () => {
  it('handle every event once, at most so many at a time', async () => {
    const inbox = await tests.inbox();
    await fill(inbox, 40);
    const handled: string[] = [];
    let [now, most] = [0, 0];
    stopping(
      work(
        inbox,
        async ({ id }) => {
          now += 1;
          most = Math.max(most, now);
          await inbox.counts();
          handled.push(id ?? '');
          now -= 1;
        },
        { ...QUICK, concurrency: 5 },
      ),
    );
    await empty(inbox);
    expect(handled.toSorted()).toEqual(Array.from({ length: 40 }, (_, index) => `e${index}`).toSorted());
    expect(most).toBe(5);
  });

  it('take what this process stores without waiting for the poll', async () => {
    const inbox = await tests.inbox();
    const seen: string[] = [];
    stopping(work(inbox, ({ id }) => seen.push(id ?? ''), { pollMs: 600_000 }));
    await inbox.put(eventOf('a'), 'a');
    expect(
      await eventually(
        () => seen,
        ({ length }) => length > 0,
      ),
    ).toEqual(['a']);
  });

  it('try again with longer and longer waits, then keep a dead letter, which can be replayed', async () => {
    let nowMs = Date.now();
    const inbox = await tests.inbox({ now: () => nowMs });
    await inbox.put(eventOf('a'), 'a');
    const attempts: number[] = [];
    const facts: SeenFact[] = [];
    let healed = false;
    const workers = stopping(
      work(
        inbox,
        (_event, { attempt }) => {
          attempts.push(attempt);
          if (!healed) throw new RangeError('no\0 such account');
        },
        {
          pollMs: 5,
          maxAttempts: 3,
          backoff: { firstMs: 60_000, factor: 3 },
          random: () => 0.5,
          seen: (fact) => facts.push(fact),
        },
      ),
    );
    const dueAt = async (): Promise<number> => {
      const { rows } = await tests
        .pool()
        .query(
          `select extract(epoch from due_at)::float8 * 1000 as due from ${inbox.name} where state = 'waiting'`,
        );
      return Math.round((rows[0] as { due: number } | undefined)?.due ?? 0);
    };
    // A tenth is half of the most that jitter adds.
    expect(await eventually(dueAt, (due) => due > nowMs)).toBe(nowMs + 66_000);
    nowMs += 66_000;
    expect(await eventually(dueAt, (due) => due > nowMs)).toBe(nowMs + 198_000);
    nowMs += 198_000;
    const [dead] = await eventually(
      () => inbox.dead(),
      ({ length }) => length === 1,
    );
    expect(attempts).toEqual([1, 2, 3]);
    expect(dead).toMatchObject({ attempts: 3, error: 'RangeError: no such account', event: { id: 'a' } });
    expect(dead?.event.json()).toEqual({ id: 'a' });
    expect(facts.filter(({ kind }) => kind === 'failed')).toHaveLength(3);
    expect(facts.find(({ kind }) => kind === 'dead')).toEqual({
      kind: 'dead',
      source: 'test',
      id: 'a',
      attempts: 3,
    });

    healed = true;
    expect(await inbox.replay(['999999', dead?.id ?? ''])).toBe(1);
    await empty(inbox);
    expect(await inbox.dead()).toEqual([]);
    expect(attempts).toEqual([1, 2, 3, 1]);
    await workers.stop();
    expect(facts.find(({ kind }) => kind === 'processed')).toMatchObject({ id: 'a', attempt: 1 });
    expect(JSON.stringify(facts)).not.toContain('such account');
  });

  it('keep a discarded dead letter’s key known', async () => {
    const inbox = await tests.inbox();
    await fill(inbox, 3);
    const fail = (): never => {
      throw new Error('no');
    };
    stopping(work(inbox, fail, { ...QUICK, maxAttempts: 1 }));
    const dead = await eventually(
      () => inbox.dead(),
      ({ length }) => length === 3,
    );
    const [first] = dead;
    expect(await inbox.dead({ limit: 1, after: first?.id ?? '' })).toMatchObject([{ id: dead[1]?.id }]);
    expect(await inbox.discard(dead.map(({ id }) => id))).toBe(3);
    expect(await inbox.counts()).toEqual({ waiting: 0, running: 0, dead: 0, oldestAgeMs: 0 });
    expect(await inbox.put(eventOf('e0'), 'e0')).toEqual({ kind: 'duplicate' });
  });

  it('keep the order of each key, whatever fails, and let keys pass each other', async () => {
    const inbox = await tests.inbox({ orderKey: ({ id }) => id?.split('.')[0] ?? null });
    const keys = ['a', 'b', 'c', 'd'];
    for (let index = 0; index < 10; index += 1)
      for (const key of keys) await inbox.put(eventOf(`${key}.${index}`), `${key}.${index}`);
    const done: string[] = [];
    const flaky = async (
      { id }: { readonly id: string | null },
      { attempt }: { readonly attempt: number },
    ) => {
      await inbox.counts();
      if (attempt === 1 && /[258]$/.test(id ?? '')) throw new Error('flaky');
      done.push(id ?? '');
    };
    stopping(work(inbox, flaky, QUICK));
    stopping(work(inbox, flaky, QUICK));
    await empty(inbox);
    for (const key of keys)
      expect(done.filter((id) => id.startsWith(key))).toEqual(
        Array.from({ length: 10 }, (_, index) => `${key}.${index}`),
      );
    expect(new Set(done.slice(0, 8).map((id) => id[0])).size).toBeGreaterThan(1);
  });

  it('take an order key that is a number, and refuse one that would put all in one line', async () => {
    const numbered = await tests.inbox({ orderKey: () => 7 });
    expect(await numbered.put(eventOf('a'), 'a')).toEqual({ kind: 'stored' });
    const wrong = await tests.inbox({ orderKey: () => ({ customer: 7 }) as unknown as string });
    await expect(wrong.put(eventOf('a'), 'a')).rejects.toThrow('orderKey returned a value of type object');
  });

  it('keep an event that takes many times its lease', async () => {
    const inbox = await tests.inbox();
    await inbox.put(eventOf('a'), 'a');
    const starts: number[] = [];
    const facts: SeenFact[] = [];
    const leaseMs = 200;
    const handle = async (): Promise<void> => {
      starts.push(performance.now());
      await eventually(
        () => performance.now() - (starts[0] ?? 0),
        (ms) => ms > 5 * leaseMs,
      );
    };
    for (let index = 0; index < 3; index += 1)
      stopping(work(inbox, handle, { ...QUICK, leaseMs, seen: (fact) => facts.push(fact) }));
    await empty(inbox);
    expect(starts).toHaveLength(1);
    await eventually(
      () => facts.map(({ kind }) => kind),
      (kinds) => kinds.includes('processed'),
    );
    expect(facts.map(({ kind }) => kind)).not.toContain('overtaken');
  });

  it('tell of an event that another took meanwhile, and abort its signal', async () => {
    const inbox = await tests.inbox();
    await inbox.put(eventOf('a'), 'a');
    const facts: SeenFact[] = [];
    const held = gate();
    let aborted: unknown;
    stopping(
      work(
        inbox,
        async (_event, { signal }) => {
          signal.addEventListener('abort', () => {
            aborted = signal.reason;
          });
          held.open();
          await new Promise(() => {});
        },
        { ...QUICK, leaseMs: 150, concurrency: 1, seen: (fact) => facts.push(fact) },
      ),
    );
    await held.passed;
    // As another worker takes it whose clock says that the lease is over.
    await tests.pool().query(`update ${inbox.name} set token = 'another', attempts = 2`);
    await eventually(
      () => facts.map(({ kind }) => kind),
      (kinds) => kinds.includes('overtaken'),
    );
    expect(String(aborted)).toContain('Another worker');
  });

  it('give up on a handler that takes longer than it may, and abort its signal', async () => {
    const inbox = await tests.inbox();
    await inbox.put(eventOf('a'), 'a');
    const aborted: unknown[] = [];
    const hang = (_event: unknown, { signal }: { readonly signal: AbortSignal }): Promise<never> => {
      signal.addEventListener('abort', () => aborted.push(signal.reason));
      return new Promise(() => {});
    };
    stopping(work(inbox, hang, { ...QUICK, timeoutMs: 30, maxAttempts: 2 }));
    const [dead] = await eventually(
      () => inbox.dead(),
      ({ length }) => length === 1,
    );
    expect(dead).toMatchObject({ attempts: 2, error: 'Error: Not done within 30 ms' });
    expect(aborted.map(String)).toEqual(['Error: Not done within 30 ms', 'Error: Not done within 30 ms']);
  });

  it('report how the inbox stands', async () => {
    const inbox = await tests.inbox();
    await fill(inbox, 2);
    const facts: SeenFact[] = [];
    const held = gate();
    stopping(work(inbox, () => held.passed, { ...QUICK, concurrency: 1, seen: (fact) => facts.push(fact) }));
    const fact = await eventually(
      () => facts.find(({ kind }) => kind === 'inbox'),
      (found) => found !== undefined,
    );
    expect(fact).toEqual({
      kind: 'inbox',
      source: inbox.name,
      waiting: expect.any(Number),
      running: expect.any(Number),
      dead: 0,
      oldestAgeMs: expect.any(Number),
    });
    held.open();
    await empty(inbox);
  });
});

describe('stop', () => {
  it('starts nothing more and waits for what runs', async () => {
    const inbox = await tests.inbox();
    await fill(inbox, 3);
    const [begun, held] = [gate(), gate()];
    let ended = 0;
    const workers = work(
      inbox,
      async () => {
        begun.open();
        await held.passed;
        ended += 1;
      },
      { ...QUICK, concurrency: 2 },
    );
    await begun.passed;
    await eventually(
      () => inbox.counts(),
      ({ running }) => running === 2,
    );
    let stopped = false;
    const stop = workers.stop().then(() => {
      stopped = true;
    });
    await inbox.counts();
    expect(stopped).toBe(false);
    held.open();
    await stop;
    expect(ended).toBe(2);
    expect(await inbox.counts()).toMatchObject({ waiting: 1, running: 0 });
  });

  it('gives back what does not end in time, its attempt not counted', async () => {
    const inbox = await tests.inbox();
    await inbox.put(eventOf('a'), 'a');
    const begun = gate();
    const workers = work(
      inbox,
      async () => {
        begun.open();
        await new Promise(() => {});
      },
      QUICK,
    );
    await begun.passed;
    await workers.stop({ graceMs: 20 });
    expect(await inbox.jobs.claim('next', 1_000, 1)).toMatchObject([{ attempt: 1, event: { id: 'a' } }]);
  });
});

describe('workInTransaction', () => {
  it('ends the event with the handler’s writes, or neither', async () => {
    const inbox = await tests.inbox();
    await tests.pool().query('create table if not exists effect (id text not null, attempt int not null)');
    await fill(inbox, 10);
    stopping(
      workInTransaction(
        inbox,
        async ({ id }, { tx, attempt }) => {
          await tx.query('insert into effect values ($1, $2)', [id, attempt]);
          if (attempt < 3) throw new Error('half way');
        },
        QUICK,
      ),
    );
    await empty(inbox);
    const { rows } = await tests
      .pool()
      .query('select attempt, count(*)::int as n from effect group by attempt');
    expect(rows).toEqual([{ attempt: 3, n: 10 }]);
  });

  it('writes nothing once another holds the event', async () => {
    const inbox = await tests.inbox();
    await tests.pool().query('create table slow_effect (id text not null)');
    await inbox.put(eventOf('a'), 'a');
    const facts: SeenFact[] = [];
    const [begun, held] = [gate(), gate()];
    stopping(
      workInTransaction(
        inbox,
        async ({ id }, { tx }) => {
          await tx.query('insert into slow_effect values ($1)', [id]);
          begun.open();
          await held.passed;
        },
        { ...QUICK, leaseMs: 600_000, seen: (fact) => facts.push(fact) },
      ),
    );
    await begun.passed;
    await tests.pool().query(`update ${inbox.name} set token = 'another', attempts = 2`);
    held.open();
    await eventually(
      () => facts.map(({ kind }) => kind),
      (kinds) => kinds.includes('overtaken'),
    );
    expect((await tests.pool().query('select * from slow_effect')).rows).toEqual([]);
  });
});
