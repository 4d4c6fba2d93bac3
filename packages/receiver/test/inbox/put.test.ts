import fc from 'fast-check';
import postgres from 'postgres';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Inbox, type InboxOptions, postgresJs } from '../../src/inbox/index.ts';
import { eventOf } from '../events.ts';
import { inboxTests } from './setup.ts';

const tests = inboxTests();
let sql: postgres.Sql;
beforeAll(() => {
  sql = postgres(tests.url(), { max: 10, onnotice: () => {} });
});
afterAll(() => sql.end());

const LEASE_MS = 60_000;

describe.each(['pg', 'postgres.js'])('put on %s', (driver) => {
  const make = (options: Partial<InboxOptions> = {}): Promise<Inbox> =>
    tests.inbox({ ...options, ...(driver === 'pg' ? {} : { pool: postgresJs(sql) }) });

  it('stores one of 200 duplicates that come at once', async () => {
    const inbox = await make();
    const answers = await Promise.all(Array.from({ length: 200 }, () => inbox.put(eventOf('a'), 'a')));
    expect(answers.filter(({ kind }) => kind === 'stored')).toHaveLength(1);
    expect(answers.filter(({ kind }) => kind === 'duplicate')).toHaveLength(199);
    expect(await inbox.counts()).toMatchObject({ waiting: 1, running: 0, dead: 0 });
  });

  it('stores every event without a key', async () => {
    const inbox = await make();
    expect(await inbox.put(eventOf('a'), null)).toEqual({ kind: 'stored' });
    expect(await inbox.put(eventOf('a'), null)).toEqual({ kind: 'stored' });
  });

  it('gives events back as they came', async () => {
    const inbox = await make();
    const text = fc.string({ unit: 'binary', maxLength: 20 });
    const anything = fc.record({
      id: fc.option(text),
      source: text,
      receivedAtMs: fc.maxSafeNat(),
      contentType: text,
      headers: fc.dictionary(text, text),
      body: fc.uint8Array({ maxLength: 300 }),
    });
    await fc.assert(
      fc.asyncProperty(anything, fc.option(text), async (fields, key) => {
        const salt = key === null ? null : `${key}${crypto.randomUUID()}`;
        const event = { ...eventOf(''), ...fields };
        expect(await inbox.put(event, salt)).toEqual({ kind: 'stored' });
        const [job] = await inbox.jobs.claim('worker', LEASE_MS, 1);
        const { body, json: _json, ...head } = job?.event ?? eventOf('none');
        const { body: sent, json: _sent, ...expected } = event;
        expect(head).toEqual(expected);
        expect([...body]).toEqual([...sent]);
      }),
      { numRuns: 30 },
    );
  });

  it('is full with so many open events, and still knows its duplicates', async () => {
    const inbox = await make({ maxOpen: 3 });
    for (const id of ['a', 'b', 'c']) expect(await inbox.put(eventOf(id), id)).toEqual({ kind: 'stored' });
    expect(await inbox.put(eventOf('d'), 'd')).toEqual({ kind: 'full', retryAfterMs: expect.any(Number) });
    expect(await inbox.put(eventOf('d'), null)).toMatchObject({ kind: 'full' });
    expect(await inbox.put(eventOf('a'), 'a')).toEqual({ kind: 'duplicate' });
    // What runs takes a place as well; what is done takes none.
    const [job] = await inbox.jobs.claim('worker', LEASE_MS, 1);
    expect(await inbox.put(eventOf('d'), 'd')).toMatchObject({ kind: 'full' });
    if (job) await inbox.jobs.done(job, 'worker');
    expect(await inbox.put(eventOf('d'), 'd')).toEqual({ kind: 'stored' });
  });
});

it('knows the key of what is done for the whole time, and drops its bytes at once', async () => {
  let nowMs = Date.now();
  const inbox = await tests.inbox({ now: () => nowMs });
  await inbox.put(eventOf('a', { body: new TextEncoder().encode('the payload') }), 'a');
  const [job] = await inbox.jobs.claim('worker', LEASE_MS, 1);
  if (job) await inbox.jobs.done(job, 'worker');
  const kept = await tests.pool().query(`select state, head, length(body) as bytes from ${inbox.name}`);
  expect(kept.rows).toEqual([{ state: 'done', head: '{}', bytes: 0 }]);
  nowMs += 47 * 3_600_000;
  expect(await inbox.jobs.purge(100)).toBe(0);
  expect(await inbox.put(eventOf('a'), 'a')).toEqual({ kind: 'duplicate' });
  nowMs += 2 * 3_600_000;
  expect(await inbox.jobs.purge(100)).toBe(1);
  expect(await inbox.put(eventOf('a'), 'a')).toEqual({ kind: 'stored' });
});

it('makes its table in many processes at once', async () => {
  const inbox = await tests.inbox();
  await Promise.all(Array.from({ length: 8 }, () => inbox.createTable()));
  await tests.pool().query('create schema other');
  const elsewhere = await tests.inbox({ table: 'other.inbox' });
  expect(await elsewhere.put(eventOf('a'), 'a')).toEqual({ kind: 'stored' });
});
