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

const MESSAGES = 200;
let server: TestServer;
let receiver: Receiver;
let elsewhere: Receiver;

beforeAll(async () => {
  server = await startTestServer({ POSTHORN_ENDPOINT_CONCURRENCY: '1' });
  // Slow enough that most of them are queued when the change comes.
  receiver = await startReceiver((_, response) => void setTimeout(() => response.writeHead(200).end(), 5));
  elsewhere = await startReceiver();
});
afterAll(async () => {
  await receiver.close();
  await elsewhere.close();
  await server.stop();
});

describe('once an endpoint’s change is answered', () => {
  it.each<[what: string, change: (at: string) => Promise<{ status: number }>, open: string]>([
    ['disabled', (at) => server.call('PATCH', at, { disabled: true }), 'waiting'],
    ['deleted', (at) => server.call('DELETE', at), 'none'],
    ['moved', (at) => server.call('PATCH', at, { url: elsewhere.url }), 'none'],
  ])('as %s, nothing more goes out as before, save the one in flight', async (what, change, open) => {
    const app = await createApplication(server, what);
    const endpoint = await createEndpoint(server, app, { url: `${receiver.url}/${what}` });
    const messages = Array.from({ length: MESSAGES }, (_, n) => ({ eventType: 'queued', payload: { n } }));
    expect((await server.call('POST', `${app}/msg/batch`, { messages })).status).toBe(202);
    const arrived = (): number => receiver.arrivals.filter(({ path }) => path === `/hook/${what}`).length;
    await receiver.until(() => arrived() >= 5);
    expect((await change(`${app}/endpoint/${endpoint.id}`)).status).toBeLessThan(300);
    const atAnswer = arrived();
    expect(atAnswer).toBeLessThan(MESSAGES - 20);
    // All that was queued has found its place.
    const rows = await eventually(
      () => server.sql('select distinct state from live where endpoint_id = $1', [endpoint.id]),
      (states) => (open === 'none' ? states.length === 0 : states.length === 1 && states[0].state === open),
    );
    expect(rows).toHaveLength(open === 'none' ? 0 : 1);
    expect(arrived()).toBeLessThanOrEqual(atAnswer + 1);
    // What was sent is on record, the one in flight too.
    const [{ n: tried }] = await server.sql('select count(*)::int as n from attempt where endpoint_id = $1', [
      endpoint.id,
    ]);
    expect(tried).toBe(arrived() + (what === 'moved' ? elsewhere.arrivals.length : 0));
    // None is lost: sent here, sent there, kept, or a dead letter.
    const [{ n: kept }] = await server.sql('select count(*)::int as n from live where endpoint_id = $1', [
      endpoint.id,
    ]);
    const [{ n: dead }] = await server.sql('select count(*)::int as n from closed where endpoint_id = $1', [
      endpoint.id,
    ]);
    const there = what === 'moved' ? elsewhere.arrivals.length : 0;
    expect(arrived() + there + Number(kept) + Number(dead)).toBe(MESSAGES);
  });
});
