import { expect, it } from 'vitest';
import { addApplication, addAttempt, addEndpoint, addLive, addMessage, makeDay } from './fixtures.ts';
import { useApi } from './harness.ts';

const harness = useApi();
const { call } = harness;

it('says that deliveries wait for the rate when they are late and the rate is used up', async () => {
  const app = await addApplication(harness);
  const endpoint = await addEndpoint(harness, app, { uid: 'hook', throttleRate: 2 });
  const at = `/app/${app}/endpoint/hook/rate-limit-status`;
  const ok = { status: 'Ok', throttledSince: null };
  const status = async () => (await call('GET', at)).body;
  expect(await status()).toEqual(ok);
  const message = await addMessage(harness, app);
  await addLive(harness, app, endpoint, message);
  const due = new Date(harness.nowMs() - 60_000);
  await harness.pool.query('update live set due_at = $2 where endpoint_id = $1', [endpoint, due]);
  // Late, but nothing is sent: that is not the rate's doing.
  expect(await status()).toEqual(ok);
  // A little ahead, so that a slow machine does not leave them behind.
  const recently = harness.nowMs() + 60_000;
  await makeDay(harness, recently);
  for (let i = 0; i < 7; i++) {
    await addAttempt(harness, app, endpoint, message, { atMs: recently, final: 'succeeded' });
  }
  expect(await status()).toEqual(ok);
  await addAttempt(harness, app, endpoint, message, { atMs: recently, final: 'succeeded' });
  expect(await status()).toEqual({ status: 'RateLimited', throttledSince: due.toISOString() });
  await call('PATCH', `/app/${app}/endpoint/hook`, { body: { throttleRate: null } });
  expect(await status()).toEqual(ok);
  const { token } = await harness.newOrg();
  expect((await call('GET', at, { token })).status).toBe(404);
  expect((await call('GET', at.replace('hook', 'none'))).status).toBe(404);
});
