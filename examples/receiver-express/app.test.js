import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { sign } from '@posthorn/receiver';
import { createApp } from './app.js';

const SECRET = `whsec_${Buffer.alloc(32, 1).toString('base64')}`;
const BODY = '{"invoice":42}';

/** @type {import('@posthorn/receiver').ReceivedEvent[]} */
const handled = [];
const server = createApp(SECRET, (event) => void handled.push(event)).listen(0);
await once(server, 'listening');
const address = server.address();
assert(typeof address === 'object' && address !== null);
const url = `http://127.0.0.1:${address.port}/webhooks`;

/** @param {Record<string, string>} headers */
const post = async (headers, body = BODY) => (await fetch(url, { method: 'POST', headers, body })).status;

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

server.close();
