// How long a payload is kept, through the official SDK.
import { Svix } from 'svix';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { expirePayloads } from '../../src/store/expire-payloads.ts';
import { openDatabase } from '../../src/store/postgres.ts';
import { createApplication, startTestServer, type TestServer } from './harness.ts';

let server: TestServer;
let svix: Svix;
beforeAll(async () => {
  server = await startTestServer();
  svix = new Svix(server.token, { serverUrl: server.url });
  await createApplication(server, 'kept');
});
afterAll(() => server.stop());

const message = { eventType: 'a', payload: { secret: 1 } };

it('is counted in hours or in days, from the acceptance on', async () => {
  const inHours = await svix.message.create('kept', { ...message, payloadRetentionHours: 7 });
  const inDays = await svix.message.create('kept', { ...message, payloadRetentionPeriod: 2 });
  const whole = await svix.message.create('kept', message);
  const rows = await server.sql(
    `select id, (extract(epoch from payload_until - created_at) / 3600)::float8 as hours from message order by id`,
  );
  expect(rows).toEqual([
    { id: inHours.id, hours: 7 },
    { id: inDays.id, hours: 48 },
    { id: whole.id, hours: null },
  ]);
  const both = { ...message, payloadRetentionHours: 7, payloadRetentionPeriod: 1 };
  await expect(svix.message.create('kept', both)).rejects.toMatchObject({
    code: 422,
    body: { detail: [{ loc: ['body', 'payloadRetentionHours'] }] },
  });
});

it('ends for readers at once, and on the disk with the next round of housekeeping', async () => {
  const { id } = await svix.message.create('kept', { ...message, payloadRetentionHours: 1 });
  await server.sql(`update message set payload_until = now() - interval '1 second' where id = $1`, [id]);
  expect((await svix.message.get('kept', id, { withContent: true })).payload).toEqual({ expired: true });
  const database = openDatabase({
    url: server.databaseUrl,
    applicationName: 'retention test',
    size: 1,
    statementTimeoutMs: 10_000,
    lockTimeoutMs: 10_000,
    connectTimeoutMs: 10_000,
    plans: 'standard',
  });
  expect(await expirePayloads(database)).toBe(1);
  await database.close();
  expect(await server.sql('select payload from message where id = $1', [id])).toEqual([{ payload: null }]);
});

it('shows a repeated create whose payload is gone as expired', async () => {
  const options = { idempotencyKey: 'the-same', withContent: true };
  const first = await svix.message.create('kept', message, options);
  expect(first.payload).toEqual(message.payload);
  await svix.message.expungeContent('kept', first.id);
  const again = await svix.message.create('kept', message, options);
  expect([again.id, again.payload]).toEqual([first.id, { expired: true }]);
});
