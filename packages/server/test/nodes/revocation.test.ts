import { afterAll, beforeAll, expect, it } from 'vitest';
import { createApplication, eventually, startTestServer, type TestServer } from '../journey/harness.ts';

let one: TestServer;
let two: TestServer;
beforeAll(async () => {
  one = await startTestServer({}, {}, { alone: false });
  two = await startTestServer({}, {}, { alone: false, databaseUrl: one.databaseUrl });
});
afterAll(async () => {
  await two.stop();
  await one.stop();
});

it('a token that one node has taken back is refused by the others soon, and after a restart', async () => {
  const app = await createApplication(one, 'customer');
  const { body } = await one.call('POST', '/api/v1/auth/app-portal-access/customer', {});
  const headers = { authorization: `Bearer ${String(body['token'])}` };
  const standing = async (server: TestServer) => (await server.call('GET', app, undefined, headers)).status;
  expect([await standing(one), await standing(two)]).toEqual([200, 200]);
  expect((await one.call('POST', '/api/v1/auth/logout', undefined, headers)).status).toBe(204);
  expect(await standing(one)).toBe(401);
  await eventually(
    () => standing(two),
    (status) => status === 401,
  );
  const three = await startTestServer({}, {}, { alone: false, databaseUrl: one.databaseUrl });
  expect(await standing(three)).toBe(401);
  await three.stop();
});
