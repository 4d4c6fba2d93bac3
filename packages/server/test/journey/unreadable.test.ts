// Secrets that do not open, as after a restore under another main secret: what is posted waits, nothing is sent unsigned,
// others are not held up, and whoever runs it hears of it.
import { Writable } from 'node:stream';
import { pino } from 'pino';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../postgres.ts';
import {
  createApplication,
  createEndpoint,
  isSignedBy,
  postMessage,
  startReceiver,
  startTestServer,
  type Receiver,
} from './harness.ts';

let receiver: Receiver;
let database: TestDatabase;
beforeAll(async () => {
  receiver = await startReceiver();
  database = await createTestDatabase();
});
afterAll(async () => {
  await receiver.close();
  await database.drop();
});

it('an endpoint whose secrets do not open waits for them', { timeout: 60_000 }, async () => {
  const lines: { msg: string; endpoint?: string; why?: string }[] = [];
  const sink = new Writable({
    write: (chunk: Buffer, _encoding, done) => {
      lines.push(JSON.parse(chunk.toString()) as (typeof lines)[number]);
      done();
    },
  });
  const log = pino({ level: 'warn' }, sink);
  const start = () => startTestServer({}, {}, { databaseUrl: database.url, log });

  const before = await start();
  const app = await createApplication(before, 'customer');
  const well = await createEndpoint(before, app, { url: `${receiver.url}/well` });
  const ill = await createEndpoint(before, app, { url: `${receiver.url}/ill` });
  const { key } = (await before.call('GET', `${app}/endpoint/${ill.id}/secret`)).body;
  const [{ keys }] = await before.sql('select keys from endpoint where id = $1', [ill.id]);
  await before.stop();

  const during = await start();
  const foreign = Buffer.from(keys[0].sealed, 'base64');
  // The name of the key that it is sealed with.
  foreign[1]! ^= 1;
  const broken = JSON.stringify([{ ...keys[0], sealed: foreign.toString('base64') }]);
  await during.sql('update endpoint set keys = $2::jsonb where id = $1', [ill.id, broken]);
  const id = await postMessage(during, app, 'a.b');
  const at = (path: string) =>
    receiver.arrivals.filter((one) => one.headers['webhook-id'] === id && one.path.endsWith(path));
  await receiver.until(() => at('/well').length === 1);
  expect((await during.call('GET', `${app}/endpoint/${well.id}/secret`)).status).toBe(200);

  // By hand neither: it could not be signed.
  for (const [method, path] of [
    ['POST', `${app}/msg/${id}/endpoint/${ill.id}/resend`],
    ['GET', `${app}/endpoint/${ill.id}/secret`],
    ['POST', `${app}/endpoint/${ill.id}/secret/rotate`],
  ] as const) {
    const reply = await during.call(method, path, method === 'POST' ? {} : undefined);
    expect([path, reply.status, reply.body.code]).toEqual([path, 500, 'secret_unreadable']);
    expect(reply.body.detail).toContain('POSTHORN_MAIN_SECRET_OLD');
  }
  const alarms = lines.filter(({ msg }) => msg.startsWith('the secrets of an endpoint cannot be read'));
  expect(alarms).toEqual([
    expect.objectContaining({ endpoint: ill.id, why: expect.stringContaining('another main secret') }),
  ]);
  const metrics = await (await fetch(`${during.url}/metrics`)).text();
  expect(metrics).toContain('\nposthorn_endpoints_unreadable 1\n');
  const [delivery] = (await during.call('GET', `${app}/endpoint/${ill.id}/msg`)).body.data;
  expect(delivery).toMatchObject({ id, status: 1 });
  await during.stop();
  expect(at('/ill')).toEqual([]);

  const admin = await start();
  await admin.sql('update endpoint set keys = $2::jsonb where id = $1', [ill.id, JSON.stringify(keys)]);
  await admin.stop();
  const after = await start();
  await receiver.until(() => at('/ill').length === 1);
  expect(isSignedBy(key, at('/ill')[0]!)).toBe(true);
  await after.stop();
});
