import { afterAll, beforeAll, expect, it } from 'vitest';
import { startTestServer, type TestServer } from '../../../server/test/journey/harness.ts';
import { allowList, posthornAddresses } from '../../src/allow-list/index.ts';

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer({ POSTHORN_EGRESS_IPS: '127.0.0.1,2001:db8::/32' });
});
afterAll(() => server.stop());

it('takes requests from where a Posthorn server says that it sends, and from nowhere else', async () => {
  const list = allowList([posthornAddresses(server.url)]);
  const check = (peerAddress: string): ReturnType<typeof list.check> =>
    list.check({ headers: {}, peerAddress });
  expect(await check('::ffff:127.0.0.1')).toMatchObject({ ok: true });
  expect(await check('2001:db8::7')).toMatchObject({ ok: true });
  expect(await check('127.0.0.2')).toMatchObject({ ok: false, code: 'address_not_allowed' });
  await server.stop();
  await list.refresh();
  expect(await check('127.0.0.1')).toMatchObject({ ok: true });
});
