import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createGroupCommit, type CommitResult } from './group-commit.ts';
import type { InsertReply, MessageInsert } from './port.ts';

const insertOf = (id: string, rows = 1, bytes = 10): MessageInsert => ({
  unfoldedBy: null,
  message: {
    id,
    orgId: 'org_1',
    applicationId: 'app_1',
    eventType: 'a',
    eventId: null,
    channels: null,
    tags: null,
    payload: new Uint8Array(bytes),
    contentType: 'application/json',
    payloadRetentionHours: 90 * 24,
    occurredAtMs: null,
    deliverAtMs: null,
    expiresAtMs: null,
    priority: 1,
    orderingKey: null,
    createdAtMs: 0,
  },
  configVersion: 1,
  deliveries: Array.from({ length: rows }, (_, index) => ({
    endpointId: `ep_${index}`,
    partition: 0,
    holdEpoch: null,
    orderKey: null,
  })),
  idempotency: null,
});

const limits = { rows: 4, bytes: 100, concurrency: 2 };

const harness = () => {
  const statements: { ids: string[]; reply: (reply: InsertReply) => void }[] = [];
  const scheduled: (() => void)[] = [];
  const results = new Map<string, CommitResult>();
  const commits = createGroupCommit(
    (batch) => new Promise((reply) => statements.push({ ids: batch.map((item) => item.message.id), reply })),
    (run) => scheduled.push(run),
    limits,
  );
  return {
    statements,
    results,
    commits,
    add: (insert: MessageInsert) => commits.add(insert, (result) => results.set(insert.message.id, result)),
    tick: () => scheduled.splice(0).forEach((run) => run()),
    accept: (index: number): void =>
      statements[index]!.reply({
        kind: 'done',
        outcomes: statements[index]!.ids.map(() => ({ kind: 'accepted', held: [] })),
      }),
    settled: () => new Promise((resolve) => setImmediate(resolve)),
  };
};

describe('createGroupCommit', () => {
  it('joins what arrives in one burst, and what arrives while a statement is under way', async () => {
    const { add, tick, statements, accept, settled } = harness();
    add(insertOf('1'));
    add(insertOf('2'));
    expect(statements).toHaveLength(0);
    tick();
    add(insertOf('3'));
    add(insertOf('4'));
    tick();
    expect(statements.map((statement) => statement.ids)).toEqual([['1', '2']]);
    accept(0);
    await settled();
    expect(statements.map((statement) => statement.ids)).toEqual([
      ['1', '2'],
      ['3', '4'],
    ]);
  });

  it('starts a second statement only for a full batch, and no third', () => {
    const { add, tick, statements } = harness();
    add(insertOf('1'));
    tick();
    for (const id of ['2', '3', '4']) add(insertOf(id));
    tick();
    expect(statements).toHaveLength(1);
    add(insertOf('5'));
    tick();
    expect(statements.map((statement) => statement.ids)).toEqual([['1'], ['2', '3', '4', '5']]);
    for (const id of ['6', '7', '8', '9', '10']) add(insertOf(id));
    tick();
    expect(statements).toHaveLength(2);
  });

  it('closes a batch at its rows and its bytes; what is larger goes alone', async () => {
    const { add, tick, statements, accept, settled } = harness();
    add(insertOf('a', 3));
    add(insertOf('b', 2));
    add(insertOf('c', 1, 99));
    add(insertOf('huge', 1, 5000));
    tick();
    expect(statements.map((statement) => statement.ids)).toEqual([['a'], ['b']]);
    accept(0);
    await settled();
    accept(1);
    await settled();
    expect(statements.map((statement) => statement.ids)).toEqual([['a'], ['b'], ['c'], ['huge']]);
  });

  it('never has messages with an order in two statements at once; the others go past them', async () => {
    const { add, tick, statements, accept, settled } = harness();
    const ordered = (id: string, rows = 1): MessageInsert => {
      const plain = insertOf(id, rows);
      return { ...plain, message: { ...plain.message, orderingKey: 'k' } };
    };
    add(ordered('1', 3));
    add(ordered('2', 3));
    add(insertOf('a', 3));
    add(ordered('3', 3));
    add(insertOf('b', 2));
    tick();
    expect(statements.map((statement) => statement.ids)).toEqual([['1'], ['a']]);
    accept(1);
    await settled();
    expect(statements.map((statement) => statement.ids)).toEqual([['1'], ['a'], ['b']]);
    accept(0);
    await settled();
    accept(2);
    await settled();
    expect(statements.map((statement) => statement.ids)).toEqual([['1'], ['a'], ['b'], ['2']]);
    accept(3);
    await settled();
    expect(statements.at(-1)!.ids).toEqual(['3']);
  });

  it('splits a refused statement down to the guilty message and commits the rest', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.uniqueArray(fc.nat(20), { minLength: 1, maxLength: 12 }),
        fc.func(fc.boolean()),
        async (numbers, guilty) => {
          const isGuilty = (id: string): boolean => guilty(id);
          const results = new Map<string, CommitResult>();
          const commits = createGroupCommit(
            async (batch) =>
              batch.some((item) => isGuilty(item.message.id))
                ? { kind: 'rejected', detail: 'bad row' }
                : { kind: 'done', outcomes: batch.map(() => ({ kind: 'accepted', held: [] })) },
            (run) => setImmediate(run),
            { ...limits, rows: 100 },
          );
          await Promise.all(
            numbers.map(
              (number) =>
                new Promise<void>((resolve) =>
                  commits.add(insertOf(String(number)), (result) => {
                    results.set(String(number), result);
                    resolve();
                  }),
                ),
            ),
          );
          for (const number of numbers) {
            expect(results.get(String(number))!.kind).toBe(
              isGuilty(String(number)) ? 'rejected' : 'accepted',
            );
          }
        },
      ),
      { numRuns: 100 },
    );
  });

  it.each(['unavailable', 'unknown'] as const)(
    'tells everybody in the batch when it is %s, and goes on',
    async (kind) => {
      const { add, tick, statements, results, accept, settled, commits } = harness();
      add(insertOf('1'));
      add(insertOf('2'));
      tick();
      statements[0]!.reply({ kind, detail: 'away' });
      await settled();
      expect([...results.values()].map((result) => result.kind)).toEqual([kind, kind]);
      add(insertOf('3'));
      tick();
      accept(1);
      await settled();
      expect(results.get('3')!.kind).toBe('accepted');
      expect(commits.pending()).toBe(0);
    },
  );
});
