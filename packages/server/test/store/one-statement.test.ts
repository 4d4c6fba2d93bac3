// What a message costs the database: one statement, with an idempotency key as without.
import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createClock } from '../../src/clock.ts';
import { createIdSource } from '../../src/domain/ids.ts';
import { createIngest, type Ingest } from '../../src/ingest/ingest.ts';
import { parseMessage } from '../../src/ingest/parse-message.ts';
import type { Database } from '../../src/store/postgres.ts';
import { useTestDatabase } from '../postgres.ts';
import { APP, ORG, newNode, open, seed, storeOn } from './setup.ts';

const server = useTestDatabase();
const sent: string[] = [];
let database: Database;
let ingest: Ingest;
beforeAll(async () => {
  database = open(server.url, { onStatement: (name) => sent.push(name) });
  await seed(database);
  const clock = createClock();
  ingest = createIngest({
    store: storeOn(database),
    admission: { admit: () => null, deliver: () => {}, cancel: () => {}, wake: () => {}, unfold: () => {} },
    node: newNode(),
    clock,
    refreshMs: 5_000,
    ids: createIdSource(clock.nowMs, randomBytes),
    schedule: (run) => void setImmediate(run),
    maxPendingBytes: 1e9,
    onError: (error) => {
      throw error;
    },
  });
});
afterAll(() => database.close());

const accept = async (key: string | null, eventType = 'a.b') => {
  const parsed = parseMessage(
    Buffer.from(`{"eventType":"${eventType}","payload":{"n":1}}`),
    ['body'],
    Date.now(),
  );
  if (parsed.kind === 'invalid') throw new Error('not a message');
  const idempotency = key === null ? null : { scope: 'org_1 POST', key, requestHash: eventType };
  const before = sent.length;
  const { kind } = await ingest.accept({ orgId: ORG, application: APP, request: parsed.value, idempotency });
  return { kind, statements: sent.slice(before) };
};

/** Around midnight keys are locked first: three statements more in a transaction (begin, locks, commit). */
const isMidnight = (): boolean => {
  const into = Date.now() % 86_400_000;
  return into < 7 * 60_000 || into > 86_400_000 - 7 * 60_000;
};

it('costs one statement, and a key costs none', async () => {
  // The application is looked up once.
  await accept(null);
  const plain = await accept(null);
  expect(plain).toEqual({ kind: 'accepted', statements: [expect.stringMatching(/^insert_messages/)] });
  if (isMidnight()) return;
  for (let n = 0; n < 5; n++) {
    const keyed = await accept(`key-${n}`);
    expect(keyed.kind).toBe('accepted');
    expect(keyed.statements).toEqual([expect.stringMatching(/^insert_messages/)]);
  }
  // Only a repetition asks what stands in its way.
  const repeated = await accept('key-0');
  expect([repeated.kind, repeated.statements.length]).toEqual(['repeated', 2]);
  expect((await accept('key-0', 'another')).kind).toBe('key_reused');
  const rows = await database.rows({ name: 'count_keys', text: 'select from idempotency' }, []);
  expect(rows).toEqual([]);
});

it('costs one statement for many at once, each with a key', async () => {
  await accept(null);
  if (isMidnight()) return;
  const before = sent.length;
  const all = await Promise.all(Array.from({ length: 50 }, (_, n) => accept(`many-${n}`)));
  expect(all.map(({ kind }) => kind)).toEqual(all.map(() => 'accepted'));
  const inserts = sent.slice(before);
  expect(inserts.every((name) => name.startsWith('insert_messages'))).toBe(true);
  expect(inserts.length).toBeLessThan(10);
});
