// A message to every application: none left out, none twice, whatever happens meanwhile.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ServerOptions } from '../../src/server.ts';
import { createTestDatabase, type TestDatabase } from '../postgres.ts';
import { eventually, startReceiver, startTestServer } from './harness.ts';
import type { Receiver, TestServer } from './harness.ts';

const APPLICATIONS = 130;
const POSTED = '{"n":1.0,  "b":"é","a":[]}';
const body = `{"eventType":"notice","eventId":"once","payload":${POSTED}}`;

let database: TestDatabase;
let receiver: Receiver;
beforeAll(async () => {
  database = await createTestDatabase();
  receiver = await startReceiver();
});
afterAll(async () => {
  await receiver?.close();
  await database?.drop();
});

const start = (decorate: NonNullable<ServerOptions['decorate']> = {}): Promise<TestServer> =>
  startTestServer({}, decorate, { databaseUrl: database.url });

const taskOf = async (server: TestServer, id: string) =>
  (await server.call('GET', `/api/v1/background-task/${id}`)).body;

describe('a broadcast', () => {
  let taskId: string;
  let server: TestServer;

  it('is interrupted by lost replies, refusals and the end of its process', async () => {
    let inserts = 0;
    let stuck = (): void => {};
    let end = (): void => {};
    const isEnding = new Promise<void>((resolve) => (end = resolve));
    const isStuck = new Promise<void>((resolve) => (stuck = resolve));
    server = await start({
      ingestStore: (store) => ({
        ...store,
        insertMessages: async (node, batch) => {
          if (batch[0]!.message.eventType !== 'notice') return store.insertMessages(node, batch);
          inserts++;
          if (inserts % 3 === 1) return { kind: 'unavailable', detail: 'planted' };
          const reply = await store.insertMessages(node, batch);
          if (inserts % 3 === 2) return { kind: 'unknown', detail: 'planted' };
          if (inserts < 6) return reply;
          // Committed, and the process never hears of it.
          stuck();
          await isEnding;
          return { kind: 'unknown', detail: 'planted' };
        },
      }),
    });
    for (let n = 0; n < APPLICATIONS; n++) {
      const { status } = await server.call('POST', '/api/v1/app', { name: `a${n}`, uid: `a${n}` });
      expect(status).toBe(201);
      const to = { url: receiver.url, eventTypes: null };
      expect((await server.call('POST', `/api/v1/app/a${n}/endpoint`, to)).status).toBe(201);
    }
    const started = await server.call('POST', '/api/v1/msg/broadcast', body, { 'idempotency-key': 'k' });
    expect(started).toMatchObject({ status: 202, body: { task: 'message.broadcast', status: 'running' } });
    taskId = started.body.id;
    const again = await server.call('POST', '/api/v1/msg/broadcast', body, { 'idempotency-key': 'k' });
    expect(again.body).toEqual(started.body);
    await isStuck;
    // Not one that the task was for: it came later.
    await server.call('POST', '/api/v1/app', { name: 'late', uid: 'late' });
    // What the chunk under way came to dies with the process.
    const halted = server.halt(0);
    end();
    await halted;
  });

  it('goes on elsewhere and reaches every application once', async () => {
    const heir = await start();
    try {
      const task = await eventually(
        () => taskOf(heir, taskId),
        ({ status }) => status === 'finished',
        60_000,
      );
      const created = task['data'].messagesCreated as { appId: string; msgId: string }[];
      expect(created).toHaveLength(APPLICATIONS);
      const rows = await heir.sql(
        `select a.id as "appId", array_agg(m.id) as ids, bool_and(convert_from(m.payload, 'UTF8') = $1) as same
         from application a left join message m on m.app_id = a.id and m.event_type = 'notice'
         where a.uid <> 'late' group by a.id`,
        [POSTED],
      );
      expect(rows).toHaveLength(APPLICATIONS);
      const byApp = new Map(created.map(({ appId, msgId }) => [appId, msgId]));
      for (const row of rows) {
        expect(row.ids).toEqual([byApp.get(row.appId)]);
        expect(row.same).toBe(true);
      }
      const late = await heir.sql(
        `select from message m join application a on a.id = m.app_id where a.uid = 'late'`,
      );
      expect(late).toEqual([]);
      const arrived = await receiver.until(
        (all) => new Set(all.map(({ headers }) => headers['webhook-id'])).size === APPLICATIONS,
      );
      expect(arrived.every((one) => one.body.toString() === POSTED)).toBe(true);

      // The event id is taken everywhere but in the newcomer.
      const second = await heir.call('POST', '/api/v1/msg/broadcast', body);
      const done = await eventually(
        () => taskOf(heir, second.body.id),
        ({ status }) => status === 'finished',
      );
      expect(done['data']).toMatchObject({ started: 1, skipped: APPLICATIONS });
    } finally {
      await heir.stop();
      await server.stop();
    }
  });
});
