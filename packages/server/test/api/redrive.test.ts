import { expect, it } from 'vitest';
import { addApplication, addClosed, addEndpoint, addMessage } from './fixtures.ts';
import { useApi } from './harness.ts';

const harness = useApi();
const { call } = harness;

const dead = async (app: string, endpoint: string, letter: 'open' | 'discarded' = 'open') => {
  const message = await addMessage(harness, app);
  await addClosed(harness, app, endpoint, message, { letter });
  return message;
};
const live = async () =>
  (await harness.pool.query('select msg_id from live order by msg_id')).rows.map((row) => row.msg_id);
const tasks = async () => (await harness.pool.query('select 1 from task')).rows.length;

it('delivers the open dead letters of all applications again, the organisation’s own only', async () => {
  const [one, two, none] = [
    await addApplication(harness),
    await addApplication(harness),
    await addApplication(harness),
  ];
  const [a, b, c] = [
    await addEndpoint(harness, one),
    await addEndpoint(harness, two),
    await addEndpoint(harness, none),
  ];
  const open = [await dead(one, a), await dead(one, a), await dead(two, b)];
  await dead(none, c, 'discarded');
  const foreign = await harness.newOrg();
  expect((await call('POST', '/admin/redrive-dlq', { token: foreign.token })).status).toBe(204);
  expect(await tasks()).toBe(0);
  const reply = await call('POST', '/admin/redrive-dlq/');
  expect([reply.status, reply.text]).toEqual([204, '']);
  expect(await tasks()).toBe(2);
  await harness.runTasks(1);
  expect(await live()).toEqual(open);
  expect((await call('POST', '/admin/redrive-dlq')).status).toBe(204);
  expect(await tasks()).toBe(2);
});
