import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ReceivedEvent, sign } from '@posthorn/receiver';
import { createApp } from './app.ts';

const SECRET = `whsec_${Buffer.alloc(32, 1).toString('base64')}`;
const BODY = '{"invoice":42}';

const handled: ReceivedEvent[] = [];
const app = createApp(SECRET, (event) => void handled.push(event));

const post = async (headers: Record<string, string>, body = BODY): Promise<number> =>
  (await app.request('/webhooks', { method: 'POST', headers, body })).status;

await test('a webhook is handled once, however often it comes', async () => {
  const headers = await sign(BODY, SECRET, { id: 'msg_1' });
  assert.equal(await post(headers), 200);
  assert.equal(await post(headers), 200);
  assert.deepEqual(
    handled.map((event) => [event.id, event.json()]),
    [['msg_1', { invoice: 42 }]],
  );
});

await test('what was not signed with the secret is refused', async () => {
  const before = handled.length;
  const headers = await sign(BODY, SECRET, { id: 'msg_2' });
  assert.equal(await post(headers, BODY.replace('42', '43')), 401);
  assert.equal(await post({}), 400);
  assert.equal(await post(await sign(BODY, SECRET, { id: 'msg_3', nowMs: Date.now() - 600_000 })), 401);
  assert.equal(handled.length, before);
});
