// From the request to the effect: a receiver in front of the inbox.
import { afterEach, describe, expect, it } from 'vitest';
import { webhooks } from '../../src/handlers/index.ts';
import { type Inbox, workInTransaction, type Workers } from '../../src/inbox/index.ts';
import { sign, standardWebhooks } from '../../src/index.ts';
import { eventually } from '../eventually.ts';
import { inboxTests, QUICK } from './setup.ts';

const tests = inboxTests();
const SECRET = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';
const started: Workers[] = [];
afterEach(async () => {
  await Promise.all(started.splice(0).map((workers) => workers.stop({ graceMs: 0 })));
});

const receiverOf = (inbox: Inbox, deadlineMs?: number) => {
  const receive = webhooks({
    source: standardWebhooks(SECRET),
    sink: inbox,
    ...(deadlineMs !== undefined && { deadlineMs }),
    log: () => {},
    onError: () => {},
  });
  return async (id: string): Promise<Response> => {
    const body = JSON.stringify({ id });
    const headers = await sign(body, SECRET, { id });
    return receive(new Request('http://test/webhooks', { method: 'POST', headers, body }));
  };
};
const finished = (inbox: Inbox) =>
  eventually(
    () => inbox.counts(),
    ({ waiting, running }) => waiting + running === 0,
    45_000,
  );

describe('a receiver in front of the inbox', () => {
  it('answers 2xx to 200 duplicates at once, and the effect is there once', async () => {
    const inbox = await tests.inbox();
    await tests.pool().query('create table received (id text not null)');
    started.push(
      workInTransaction(inbox, ({ id }, { tx }) => tx.query('insert into received values ($1)', [id]), QUICK),
    );
    const post = receiverOf(inbox);
    const answers = await Promise.all(Array.from({ length: 200 }, () => post('a')));
    expect(new Set(answers.map(({ ok }) => ok))).toEqual(new Set([true]));
    await finished(inbox);
    expect((await tests.pool().query('select id from received')).rows).toEqual([{ id: 'a' }]);
  });

  it('answers 503 with Retry-After while the inbox is full', async () => {
    const inbox = await tests.inbox({ maxOpen: 1 });
    const post = receiverOf(inbox);
    expect((await post('a')).status).toBe(202);
    const full = await post('b');
    expect(full.status).toBe(503);
    expect(Number(full.headers.get('retry-after'))).toBeGreaterThan(0);
    expect((await post('a')).ok).toBe(true);
  });

  it('answers 503 in time while Postgres is slow, and stores the event once all the same', async () => {
    const inbox = await tests.inbox();
    const post = receiverOf(inbox, 200);
    const lock = await tests.pool().connect();
    await lock.query('begin');
    await lock.query(`lock table ${inbox.name} in access exclusive mode`);
    const beganMs = performance.now();
    const slow = await post('a');
    expect(slow.status).toBe(503);
    expect(Number(slow.headers.get('retry-after'))).toBeGreaterThan(0);
    expect(performance.now() - beganMs).toBeLessThan(5_000);
    await lock.query('commit');
    lock.release();
    expect((await post('a')).ok).toBe(true);
    expect(await inbox.counts()).toMatchObject({ waiting: 1 });
  });

  it(
    'answers at once to a job of 30 s, which one of two workers does, once',
    { timeout: 60_000 },
    async () => {
      const inbox = await tests.inbox();
      await tests.pool().query('create table long (id text not null)');
      const starts: number[] = [];
      for (let index = 0; index < 2; index += 1)
        started.push(
          workInTransaction(
            inbox,
            async ({ id }, { tx }) => {
              const startMs = performance.now();
              starts.push(startMs);
              await tx.query('insert into long values ($1)', [id]);
              await eventually(
                () => performance.now() - startMs,
                (ms) => ms > 30_000,
                40_000,
              );
            },
            { ...QUICK, leaseMs: 3_000 },
          ),
        );
      const beganMs = performance.now();
      expect((await receiverOf(inbox)('long')).status).toBe(202);
      expect(performance.now() - beganMs).toBeLessThan(5_000);
      await finished(inbox);
      expect(starts).toHaveLength(1);
      expect((await tests.pool().query('select id from long')).rows).toEqual([{ id: 'long' }]);
    },
  );
});
