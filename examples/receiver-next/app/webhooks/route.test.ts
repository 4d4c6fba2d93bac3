import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sign } from '@posthorn/receiver';

const SECRET = `whsec_${Buffer.alloc(32, 1).toString('base64')}`;
const BODY = '{"invoice":42}';

process.env['WEBHOOK_SECRET'] = SECRET;
const { GET, POST } = await import('./route.ts');

const post = async (headers: Record<string, string>, body = BODY): Promise<number> =>
  (await POST(new Request('http://localhost/webhooks', { method: 'POST', headers, body }))).status;

await test('a webhook is handled once, however often it comes', async (context) => {
  const log = context.mock.method(console, 'log', () => {});
  const headers = await sign(BODY, SECRET, { id: 'msg_1' });
  assert.equal(await post(headers), 200);
  assert.equal(await post(headers), 200);
  assert.deepEqual(
    log.mock.calls.map((call) => call.arguments),
    [['handled', 'msg_1', { invoice: 42 }]],
  );
});

await test('what was not signed with the secret is refused', async (context) => {
  const log = context.mock.method(console, 'log', () => {});
  const headers = await sign(BODY, SECRET, { id: 'msg_2' });
  assert.equal(await post(headers, BODY.replace('42', '43')), 401);
  assert.equal(await post({}), 400);
  assert.equal(await post(await sign(BODY, SECRET, { id: 'msg_3', nowMs: Date.now() - 600_000 })), 401);
  assert.equal(log.mock.callCount(), 0);
});

await test('other methods are told what is allowed', async () => {
  const answer = await GET(new Request('http://localhost/webhooks'));
  assert.equal(answer.status, 405);
  assert.match(answer.headers.get('allow') ?? '', /POST/);
});
