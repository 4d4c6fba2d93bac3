import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { sign } from '@posthorn/receiver';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createDemoReceiver, DEMO_PATH, type DemoReceiver } from './demo.ts';

const SECRET = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';
const nowMs = 1_700_000_000_000;

let receiver: DemoReceiver;
let server: Server;
let base: string;

beforeEach(async () => {
  receiver = createDemoReceiver(() => nowMs);
  receiver.useSecret(SECRET);
  server = createServer((request, response) => {
    if (!receiver.handle(request, response)) response.writeHead(404).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterEach(() => new Promise<void>((resolve) => server.close(() => resolve())));

const post = async (
  body: string,
  headers: Record<string, string>,
): Promise<{ status: number; body: unknown }> => {
  const response = await fetch(base + DEMO_PATH, {
    method: 'POST',
    body,
    headers: { ...headers, connection: 'close' },
  });
  return { status: response.status, body: await response.json() };
};

const signed = async (body: string, id: string): Promise<Record<string, string>> => ({
  ...(await sign(body, SECRET, { id, nowMs })),
});

describe('the demo receiver', () => {
  it('answers 200 to what is signed with its secret, and tells who waits for it', async () => {
    const receipt = receiver.receipt('msg_1');
    expect(await post('{"a":1}', await signed('{"a":1}', 'msg_1'))).toEqual({
      status: 200,
      body: { received: 'msg_1' },
    });
    expect(await receipt).toEqual({ messageId: 'msg_1', verified: true, atMs: nowMs });
    expect(await receiver.receipt('msg_1')).toEqual(await receipt);
  });

  it('answers 401 to everything else', async () => {
    const told: string[] = [];
    receiver.onReceipt(({ messageId, verified }) => told.push(`${messageId} ${verified}`));
    expect(await post('{"a":2}', await signed('{"a":1}', 'msg_2'))).toMatchObject({
      status: 401,
      body: { error: 'signature_mismatch' },
    });
    receiver.useSecret('whsec_bm90IHRoZSBzZWNyZXQgb2YgaXQ=');
    expect((await post('{"a":1}', await signed('{"a":1}', 'msg_3'))).status).toBe(401);
    expect(told).toEqual(['msg_2 false', 'msg_3 false']);
  });

  it('takes POST to its own path only', async () => {
    const got = await fetch(base + DEMO_PATH, { headers: { connection: 'close' } });
    expect([got.status, got.headers.get('allow')]).toEqual([405, 'POST']);
    expect((await fetch(`${base}/other`, { headers: { connection: 'close' } })).status).toBe(404);
  });

  it('refuses a body that is too large', async () => {
    expect(await post('x'.repeat(2 * 1024 * 1024 + 1), {})).toMatchObject({
      status: 413,
      body: { error: 'too_large' },
    });
  });
});
