// Google's emulator comes with the Cloud SDK only, so Pub/Sub is played here: it pushes its envelope over
// HTTP and counts the answers as it documents them.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { afterEach, describe, expect, it } from 'vitest';
import { memoryDedup } from '../../src/dedup/memory.ts';
import { pack } from '../../src/queues/index.ts';
import { pubsubPush } from '../../src/queues/pubsub.ts';
import { eventOf } from '../events.ts';

const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});

const serve = async (options: Parameters<typeof pubsubPush>[0]): Promise<string> => {
  const push = pubsubPush(options);
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const { status } = await push(await buffer(request));
    response.writeHead(status).end();
  };
  const server = createServer((request, response) => {
    answer(request, response).catch((error: unknown) => response.destroy(error as Error));
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
};

const envelope = (data: string, messageId: string, deliveryAttempt?: number): string =>
  JSON.stringify({
    message: {
      data: Buffer.from(data).toString('base64'),
      messageId,
      message_id: messageId,
      attributes: { 'content-type': 'text/plain' },
      publishTime: '2026-11-22T18:00:00.000Z',
    },
    subscription: 'projects/one/subscriptions/webhooks',
    ...(deliveryAttempt !== undefined && { deliveryAttempt }),
  });

const post = async (url: string, body: string): Promise<number> =>
  (await fetch(url, { method: 'POST', body })).status;

describe('a Pub/Sub push', () => {
  it('is acknowledged once handled, and handled once', async () => {
    const handled: string[] = [];
    const url = await serve({ dedup: memoryDedup(), handle: ({ id }) => handled.push(id ?? '') });
    expect(await post(url, envelope(pack(eventOf('a'), 'a'), '1'))).toBe(204);
    expect(await post(url, envelope(pack(eventOf('a'), 'a'), '1'))).toBe(204);
    expect(await post(url, envelope(pack(eventOf('a'), 'a'), '2'))).toBe(204);
    expect(handled).toEqual(['a']);
  });

  it('of somebody else is an event with the id and attributes of the message', async () => {
    const handled: unknown[] = [];
    const url = await serve({
      handle: ({ id, source, contentType, body }) =>
        handled.push([id, source, contentType, Buffer.from(body).toString()]),
    });
    expect(await post(url, envelope('Grüße', '7'))).toBe(204);
    expect(handled).toEqual([['7', 'webhooks', 'text/plain', 'Grüße']]);
  });

  it('is pushed again while it fails, then kept as a dead letter', async () => {
    const dead: unknown[] = [];
    const fail = (): never => {
      throw new Error('no');
    };
    const url = await serve({ handle: fail, maxAttempts: 3, deadLetter: (one) => dead.push(one) });
    expect(await post(url, envelope('x', '1', 1))).toBe(503);
    expect(await post(url, envelope('x', '1', 2))).toBe(503);
    expect(await post(url, envelope('x', '1', 3))).toBe(204);
    expect(dead).toMatchObject([{ attempts: 3, message: { id: '1', from: 'webhooks' } }]);
    const bare = await serve({ handle: fail, maxAttempts: 3 });
    expect(await post(bare, envelope('x', '1', 9))).toBe(503);
  });

  it('that is none is refused', async () => {
    const url = await serve({ handle: () => {} });
    const bodies = [
      '',
      'x',
      'null',
      '[]',
      '{}',
      '{"message":null}',
      '{"message":{"data":"*"},"subscription":"s"}',
    ];
    for (const body of bodies) expect(await post(url, body)).toBe(400);
    const notBase64 = '{"message":{"data":"*","messageId":"1"},"subscription":"s"}';
    expect(await post(url, notBase64)).toBe(400);
  });
});
