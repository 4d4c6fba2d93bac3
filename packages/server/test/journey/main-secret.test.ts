// The main secret is changed while servers run: nothing is lost, and the old one is no longer needed.
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../postgres.ts';
import { run } from '../cli/posthorn.ts';
import {
  createApplication,
  createEndpoint,
  isSignedBy,
  postMessage,
  startReceiver,
  startTestServer,
  type Receiver,
  type TestServer,
} from './harness.ts';

const OLD = 'the-main-secret-that-has-leaked-of-32-bytes';
const NEW = 'the-main-secret-that-comes-after-it-of-32-bytes';

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

const startWith = (...mainSecrets: string[]): Promise<TestServer> =>
  startTestServer({}, {}, { databaseUrl: database.url, mainSecrets });

const rotate = async (mainSecret: string, old: string) => {
  const { code, out, err } = await run(['secrets', 'rotate', '--json'], {
    DATABASE_URL: database.url,
    POSTHORN_MAIN_SECRET: mainSecret,
    POSTHORN_MAIN_SECRET_OLD: old,
  });
  return { code, err, out: JSON.parse(out) as unknown };
};

it(
  'is replaced beside a running server in which owners change their secrets',
  { timeout: 120_000 },
  async () => {
    const before = await startWith(OLD);
    const app = await createApplication(before, 'rotation');
    const headers = { 'X-Token': 'kept through the change' };
    const kept = await createEndpoint(before, app, { url: `${receiver.url}/kept`, headers });
    const changing = await createEndpoint(before, app, { url: `${receiver.url}/changing` });
    const gone = await createEndpoint(before, app, { url: `${receiver.url}/gone`, headers });
    await before.call('POST', `${app}/endpoint/${kept.id}/secret/rotate`, {});
    const secretOf = async (on: TestServer, id: string): Promise<string> =>
      (await on.call('GET', `${app}/endpoint/${id}/secret`)).body.key;
    const secret = await secretOf(before, kept.id);
    expect((await before.call('DELETE', `${app}/endpoint/${gone.id}`)).status).toBe(204);
    await before.stop();

    const during = await startWith(NEW, OLD);
    expect(await rotate(NEW, 'an-earlier-secret-that-was-never-in-use')).toMatchObject({
      code: 2,
      out: { error: { code: 'usage', message: expect.stringContaining('POSTHORN_MAIN_SECRET_OLD') } },
    });
    let isOver = false;
    const owner = async (): Promise<number> => {
      for (let changes = 0; ; changes++) {
        if (isOver && changes > 0) return changes;
        const at = `${app}/endpoint/${changing.id}/secret/rotate`;
        expect((await during.call('POST', at, { gracePeriodSeconds: 0 })).status).toBe(204);
      }
    };
    const [first] = await Promise.all([rotate(NEW, OLD).finally(() => (isOver = true)), owner()]);
    expect(first).toMatchObject({ code: 0, out: { done: true, unreadable: [] } });
    expect(await rotate(NEW, OLD)).toMatchObject({
      code: 0,
      out: { done: true, resealed: 0, unreadable: [] },
    });
    const changed = await secretOf(during, changing.id);
    await during.stop();

    await expect(startWith(OLD)).rejects.toThrow('is not the one that');
    const after = await startWith(NEW);
    expect(await secretOf(after, kept.id)).toBe(secret);
    const id = await postMessage(after, app, 'sent');
    const arrived = await receiver.until(
      (all) => all.filter((one) => one.headers['webhook-id'] === id).length === 2,
    );
    const at = (path: string) =>
      arrived.find((one) => one.headers['webhook-id'] === id && one.path.endsWith(path))!;
    expect(at('/kept').headers['x-token']).toBe('kept through the change');
    expect([isSignedBy(secret, at('/kept')), isSignedBy(changed, at('/changing'))]).toEqual([true, true]);
    await after.stop();
  },
);
