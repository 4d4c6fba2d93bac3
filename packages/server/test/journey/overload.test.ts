import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  createApplication,
  createEndpoint,
  eventually,
  startReceiver,
  startTestServer,
  type Receiver,
  type TestServer,
} from './harness.ts';

let server: TestServer;
let receiver: Receiver;
let isOpen = true;
let letGo = (): void => {};

beforeAll(async () => {
  // The database takes its time when told so: what comes meanwhile is under way.
  server = await startTestServer(
    { POSTHORN_MAX_PENDING: '1048576' },
    {
      ingestStore: (store) => ({
        ...store,
        insertMessages: async (node, batch) => {
          if (!isOpen) await new Promise<void>((resolve) => (letGo = resolve));
          return store.insertMessages(node, batch);
        },
      }),
    },
  );
  receiver = await startReceiver();
});
afterAll(async () => {
  await receiver.close();
  await server.stop();
});

describe('more than the server takes', () => {
  it('is answered with 503 and when to come again; what was accepted is delivered, and nothing else is written', async () => {
    const app = await createApplication(server, 'overload');
    await createEndpoint(server, app, { url: receiver.url });
    const payload = { text: 'a'.repeat(300 * 1024) };
    isOpen = false;
    const known: Awaited<ReturnType<TestServer['call']>>[] = [];
    const answers = Array.from({ length: 10 }, async (_, n) => {
      const body = { eventType: 'big', payload: { ...payload, n } };
      known.push(await server.call('POST', `${app}/msg?with_content=false`, body));
    });
    // Those that are refused are answered at once, whatever the others wait for.
    const refused = await eventually(
      () => Promise.resolve([...known]),
      (all) => all.length === 7,
    );
    for (const answer of refused) {
      expect(answer).toMatchObject({ status: 503, body: { code: 'overloaded' } });
      expect(answer.headers.get('retry-after')).toBe('1');
    }
    const gauge = async (): Promise<string> =>
      (await (await fetch(`${server.url}/metrics`)).text()).match(
        /^posthorn_ingest_pending_bytes (\d+)$/m,
      )![1]!;
    expect(Number(await gauge())).toBeGreaterThan(900 * 1024);
    isOpen = true;
    letGo();
    await Promise.all(answers);
    const accepted = known.filter(({ status }) => status === 202).map(({ body }) => body.id);
    expect(accepted).toHaveLength(3);
    await receiver.until((all) =>
      accepted.every((id) => all.some((one) => one.headers['webhook-id'] === id)),
    );
    expect(await server.sql('select count(*)::int as n from message')).toEqual([{ n: 3 }]);
    // What was turned away goes through now.
    expect((await server.call('POST', `${app}/msg`, { eventType: 'big', payload })).status).toBe(202);
    expect(Number(await gauge())).toBe(0);
  });
});
