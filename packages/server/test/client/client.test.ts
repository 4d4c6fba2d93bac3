import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createClient, PosthornError } from '../../src/client/index.ts';
import type { Client, Settled, Message } from '../../src/client/index.ts';
import {
  createApplication,
  createEndpoint,
  eventually,
  startReceiver,
  startTestServer,
} from '../journey/harness.ts';
import type { Receiver, TestServer } from '../journey/harness.ts';
import { freePort } from '../ports.ts';

describe('the client', () => {
  let server: TestServer;
  let receiver: Receiver;
  let client: Client;
  const settled: Settled<Message>[] = [];
  beforeAll(async () => {
    server = await startTestServer({ POSTHORN_RETRY_SCHEDULE: '' });
    receiver = await startReceiver((_, response) => void response.writeHead(500).end());
    await createEndpoint(server, await createApplication(server, 'dying'), {
      url: receiver.url,
      uid: 'dying',
    });
    await createApplication(server, 'leaving');
    client = createClient({
      url: `${server.url}/`,
      token: async () => server.token,
      queue: { onSettled: (some) => settled.push(...some) },
    });
  });
  afterAll(async () => {
    await client?.close();
    await receiver?.close();
    await server?.stop();
  });

  it('posts what is enqueued and says what became of it', async () => {
    expect(client.enqueue('dying', { eventType: 'a', payload: { n: 1 } })).toEqual({ ok: true });
    expect(client.enqueue('dying', { eventType: 'not a name', payload: {} })).toEqual({ ok: true });
    expect(client.enqueue('nobody', { eventType: 'a', payload: {} })).toEqual({ ok: true });
    expect(await client.flush()).toMatchObject({ done: true, accepted: 1, refused: 2 });
    const [good, bad, lost] = settled.toSorted((a, b) => (a.outcome.kind < b.outcome.kind ? -1 : 1));
    expect(good!.outcome).toEqual({ kind: 'accepted', id: expect.stringMatching(/^msg_/) });
    expect([bad, lost].map((one) => one!.outcome)).toEqual(
      expect.arrayContaining([
        {
          kind: 'refused',
          status: 422,
          error: { detail: [expect.objectContaining({ type: 'value_error' })] },
        },
        { kind: 'refused', status: 404, error: { code: 'not_found', detail: 'Application not found' } },
      ]),
    );
  });

  it('calls what goes beyond the Svix API, with types', async () => {
    const letters = await eventually(
      () =>
        client.request('v1.dead-letter.list', {
          path: { app_id: 'dying' },
          query: { limit: 5, state: 'open' },
        }),
      ({ data }) => data.length === 1,
    );
    const [letter] = letters.data;
    const path = { app_id: 'dying', msg_id: letter!.msgId, endpoint_id: 'dying' };
    const discarded = await client.request('v1.dead-letter.discard', { path });
    expect(discarded.state satisfies 'open' | 'replayed' | 'discarded').toBe('discarded');
    const again = client.request('v1.dead-letter.discard', { path });
    await expect(again).rejects.toMatchObject({ status: 409, code: 'dead_letter_not_open' });
    await expect(again).rejects.toBeInstanceOf(PosthornError);
  });

  it('says when nobody answers', async () => {
    const url = `http://127.0.0.1:${await freePort()}`;
    const lonely = createClient({ url, token: 'x' });
    await expect(lonely.request('v1.egress-ips.get', {})).rejects.toMatchObject({
      status: 0,
      code: 'unreachable',
    });
    await lonely.close();
  });

  it('sends what is left when its program ends', async () => {
    const program = fileURLToPath(new URL('leaving.ts', import.meta.url));
    await promisify(execFile)(process.execPath, [program, server.url, server.token, '250']);
    const [{ count }] = (await server.sql(
      "select count(*)::int as count from message m join application a on a.id = m.app_id where a.uid = 'leaving'",
    )) as [{ count: number }];
    expect(count).toBe(250);
  });
});
