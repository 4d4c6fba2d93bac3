import pg from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Database } from '../../src/store/postgres.ts';
import { createInsertMessages } from '../../src/store/insert-messages.ts';
import { statements as all } from '../../src/store/index.ts';
import { useTestDatabase } from '../postgres.ts';
import { APP, ENDPOINT, idAt, insertOf, newNode, open, seed, storeOn } from './setup.ts';

const server = useTestDatabase();
const DAY_MS = 86_400_000;
const node = newNode();
const midnightMs = Math.floor(Date.now() / DAY_MS) * DAY_MS;

let database: Database;
let raw: pg.Client;
let statements: string[];
let store: ReturnType<typeof storeOn>;
beforeAll(async () => {
  statements = [];
  database = open(server.url, { onStatement: (name) => statements.push(name) });
  raw = new pg.Client({ connectionString: server.url });
  await raw.connect();
  await seed(database);
  store = storeOn(database);
});
afterAll(async () => {
  await database.close();
  await raw.end();
});

const kinds = async (...batch: Parameters<typeof store.insertMessages>[1]): Promise<unknown> => {
  const reply = await store.insertMessages(node, batch);
  return reply.kind === 'done' ? reply.outcomes.map((outcome) => outcome.kind) : reply;
};
/** A message as an earlier version of this process would have left it. */
const left = (id: string, atMs: number, eventId: string, key: string): Promise<unknown> =>
  raw.query(
    `insert into message (id, app_id, org_id, event_type, event_id, payload, content_type,
      retention_days, created_at, idem_scope, idem_key, idem_hash)
    values ($1, $2, 'org_1', 'a.b', $3, 'x', 't', 90, to_timestamp($4), 'org_1 POST', $5, 'h')`,
    [id, APP, eventId, atMs / 1000, key],
  );
const waitForLock = async (): Promise<void> => {
  for (;;) {
    // Inside a transaction the view stays as it was first seen.
    await raw.query('select pg_stat_clear_snapshot()');
    const { rowCount } = await raw.query(
      `select from pg_stat_activity where application_name = 'store test' and wait_event_type = 'Lock'`,
    );
    if (rowCount !== 0) return;
  }
};

describe('acceptance', () => {
  it('is one statement, also with both keys', async () => {
    statements.length = 0;
    expect(await kinds(insertOf({ eventId: 'one', key: 'one' }), insertOf())).toEqual([
      'accepted',
      'accepted',
    ]);
    expect(statements.filter((name) => name.startsWith('insert_messages'))).toHaveLength(1);
    expect(statements).not.toContain('explain_conflicts');
  });

  it('answers a repeated request with what was accepted, byte for byte', async () => {
    const first = insertOf({ key: 'repeat', payload: Buffer.from('{"a":1.0,"a":"\\u0000"}') });
    expect(await kinds(first)).toEqual(['accepted']);
    const reply = await store.insertMessages(node, [insertOf({ key: 'repeat' })]);
    expect(reply).toMatchObject({ kind: 'done', outcomes: [{ kind: 'repeated' }] });
    const [outcome] = reply.kind === 'done' ? reply.outcomes : [];
    const message = outcome?.kind === 'repeated' ? outcome.message : null;
    expect(message).toEqual({ ...first.message, createdAtMs: expect.closeTo(first.message.createdAtMs, 2) });
  });

  it('tells a reused key, a used event id, and conflicts inside one batch apart', async () => {
    await kinds(insertOf({ key: 'k', eventId: 'e' }));
    expect(
      await kinds(
        insertOf({ key: 'k', hash: 'other' }),
        insertOf({ eventId: 'e' }),
        insertOf({ key: 'twice' }),
        insertOf({ key: 'twice' }),
        insertOf(),
      ),
    ).toEqual(['key_reused', 'event_exists', 'accepted', 'repeated', 'accepted']);
  });

  it('finds keys of the day before', async () => {
    await left(idAt('message', midnightMs - DAY_MS / 2), midnightMs - DAY_MS / 2, 'yesterday', 'yesterday');
    expect(await kinds(insertOf({ eventId: 'yesterday' }), insertOf({ key: 'yesterday' }))).toEqual([
      'event_exists',
      'repeated',
    ]);
  });

  it('holds keys across midnight, in one batch and against one that is on its way', async () => {
    const before = insertOf({ atMs: midnightMs - 1000, eventId: 'midnight' });
    const after = insertOf({ atMs: midnightMs + 1000, eventId: 'midnight' });
    expect(await kinds(after, before)).toEqual(['event_exists', 'accepted']);

    await raw.query('begin');
    const locked = createInsertMessages(
      {
        ...database,
        transaction: async (body) => ({
          kind: 'done',
          value: await body({
            run: async (statement, params) => {
              const { rows } = await raw.query({ ...statement, values: [...params] });
              return rows;
            },
          }),
        }),
      },
      all,
      { leafRetentionDays: 90 },
    );
    const early = insertOf({ atMs: midnightMs - 500, key: 'midnight' });
    expect(await locked(node, [early])).toMatchObject({ outcomes: [{ kind: 'accepted' }] });
    const late = kinds(insertOf({ atMs: midnightMs + 500, key: 'midnight' }));
    // A second connection looks on: the first one's transaction is still open.
    const onlooker = new pg.Client({ connectionString: server.url });
    await onlooker.connect();
    for (let waits = false; !waits;) {
      const { rowCount } = await onlooker.query(
        `select from pg_locks where locktype = 'advisory' and not granted and database =
          (select oid from pg_database where datname = current_database())`,
      );
      waits = rowCount !== 0;
    }
    await onlooker.end();
    await raw.query('commit');
    expect(await late).toEqual(['repeated']);
  });

  it('does not store keys under an id that is too old to be compared', async () => {
    const noon = midnightMs - DAY_MS / 2;
    expect(await kinds(insertOf({ atMs: noon, eventId: 'late' }))).toMatchObject({ kind: 'unavailable' });
    expect(await kinds(insertOf({ atMs: noon }))).toEqual(['accepted']);
  });

  it('makes the leaves of a day that nobody prepared', async () => {
    const far = insertOf({ atMs: midnightMs + 40 * DAY_MS + DAY_MS / 2, eventId: 'far' });
    expect(await kinds(far)).toEqual(['accepted']);
    const { rows } = await raw.query(
      `select tableoid::regclass::text like 'message_2%' as leaf from message where id = $1`,
      [far.message.id],
    );
    expect(rows).toEqual([{ leaf: true }]);
  });

  it('writes nothing of a batch with data that the database refuses, and says so', async () => {
    const good = insertOf();
    expect(await kinds(good, insertOf({ eventType: 'a\0b' }))).toMatchObject({ kind: 'rejected' });
    expect((await raw.query('select from message where id = $1', [good.message.id])).rowCount).toBe(0);
  });

  it.each([
    [5, 5, 1],
    [5 * 24, 120, 5],
    [90 * 24 - 1, 2159, 90],
    [90 * 24, null, 90],
  ])('keeps the end of payloads that go before their leaf: %i hours', async (retentionHours, ends, days) => {
    const message = insertOf({ retentionHours });
    await kinds(message);
    const { rows } = await raw.query(
      `select (extract(epoch from payload_until - created_at) / 3600)::int as ends, retention_days as days
       from message where id = $1`,
      [message.message.id],
    );
    expect(rows).toEqual([{ ends, days }]);
  });

  it.each(['payload = null', `payload_until = now() - interval '1 second'`])(
    'answers a repeated request without its payload once that is gone: %s',
    async (change) => {
      const first = insertOf({ key: `gone ${change}` });
      await kinds(first);
      await raw.query(`update message set ${change} where id = $1`, [first.message.id]);
      expect(await store.insertMessages(node, [insertOf({ key: `gone ${change}` })])).toMatchObject({
        outcomes: [{ kind: 'repeated', message: { id: first.message.id, payload: null } }],
      });
    },
  );
});

describe('an insert that fails', () => {
  afterEach(async () => {
    await raw.query('rollback');
  });

  it('was not written when nobody listens, or when the database is read-only', async () => {
    const nobody = open('postgres://nobody@127.0.0.1:1/none');
    expect(await storeOn(nobody).insertMessages(node, [insertOf()])).toMatchObject({ kind: 'unavailable' });
    await nobody.close();
    const readOnly = open(
      `${server.url}${server.url.includes('?') ? '&' : '?'}options=-c%20default_transaction_read_only%3Don`,
    );
    expect(await storeOn(readOnly).insertMessages(node, [insertOf()])).toMatchObject({ kind: 'unavailable' });
    await readOnly.close();
  });

  it('has an unknown outcome when its session ends before the reply', async () => {
    await raw.query('begin');
    await raw.query('lock table message');
    // Without a key it is one statement at any time of the day, also around midnight.
    const reply = store.insertMessages(node, [insertOf()]);
    await waitForLock();
    await raw.query(
      `select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'store test' and wait_event_type = 'Lock'`,
    );
    expect(await reply).toMatchObject({ kind: 'unknown' });
  });

  it('is tried again after a deadlock', async () => {
    const batch = (first: string, second: string) => [
      insertOf({ eventId: first }),
      insertOf({ key: second }),
    ];
    // Held by another session, in the order that the batch does not have.
    await raw.query('begin');
    await left(idAt('message', Date.now()), Date.now(), 'other', 'dead-key');
    const reply = kinds(...batch('dead-event', 'dead-key'));
    await waitForLock();
    await expect(left(idAt('message', Date.now()), Date.now(), 'dead-event', 'other'))
      .rejects.toThrow('deadlock')
      .catch(() => {});
    await raw.query('rollback');
    expect(await reply).toEqual(['accepted', 'accepted']);
  });
});

it('lowers the lane of what has to wait', async () => {
  await raw.query(`update lane set next_due = 'infinity', version = 0`);
  await kinds(insertOf(), insertOf());
  const [lane] = await store.loadLanes([ENDPOINT]);
  expect(lane).toMatchObject({ version: 1, nextDueMs: expect.closeTo(Date.now(), -5) });
});
