// What producers and consumers may ask for, at one node and at two that share it.
import { beforeAll, describe, expect, it } from 'vitest';
import { createTestDatabase } from '../postgres.ts';
import { createApplication, ORG, startTestServer, tokenFor, type TestServer } from '../journey/harness.ts';

const LIMITS = {
  POSTHORN_TOKEN_RATE: '4000',
  POSTHORN_APPLICATION_RATE: '20',
  POSTHORN_CONSUMER_RATE: '10',
};

let one: TestServer;
let two: TestServer;
let app: string;
beforeAll(async () => {
  const database = await createTestDatabase();
  one = await startTestServer(LIMITS, {}, { alone: false, databaseUrl: database.url });
  two = await startTestServer(LIMITS, {}, { alone: false, databaseUrl: database.url });
  app = await createApplication(one, 'customer');
  return async () => {
    await two.stop();
    await one.stop();
    await database.drop();
  };
});

/** The quota that a node says it keeps to. */
const quotaOf = async (server: TestServer, limit: string, call: () => ReturnType<TestServer['call']>) => {
  for (;;) {
    const { headers } = await call();
    const quota = new RegExp(`"${limit}";q=(\\d+)`).exec(headers.get('ratelimit-policy') ?? '')?.[1];
    if (Number(quota) * 2 === Number(LIMITS.POSTHORN_TOKEN_RATE)) return Number(quota);
  }
};

/** Sends for `seconds` as much as it can; how many answers of each status there were, and the time it took. */
const flood = async (seconds: number, calls: readonly (() => ReturnType<TestServer['call']>)[]) => {
  const startedMs = performance.now();
  const answers: Awaited<ReturnType<TestServer['call']>>[] = [];
  while (performance.now() - startedMs < seconds * 1000)
    answers.push(...(await Promise.all(calls.map((call) => call()))));
  const took = (performance.now() - startedMs) / 1000;
  const allowed = answers.filter(({ status }) => status < 300).length;
  return { answers, took, allowed, refused: answers.filter(({ status }) => status === 429) };
};

const post = (server: TestServer, path: string, token: string) => () =>
  server.call('POST', path, { eventType: 'a', payload: {} }, { authorization: `Bearer ${token}` });

describe('two nodes', () => {
  beforeAll(async () => {
    const counting = await tokenFor('org_somebody_who_counts');
    for (const server of [one, two])
      await quotaOf(server, 'token', () =>
        server.call('GET', '/api/v1/app', undefined, { authorization: `Bearer ${counting}` }),
      );
  });

  it('keep a limit of an application together, and say when to come back', async () => {
    const token = await tokenFor();
    const calls = [one, two].flatMap((server) => [
      post(server, `${app}/msg`, token),
      post(server, '/api/v1/app/customer/msg', token),
    ]);
    const { took, allowed, refused, answers } = await flood(2, calls);
    expect(allowed).toBeLessThanOrEqual(20 * (took + 1));
    // Each has its own part of it, and both are used.
    expect(allowed).toBeGreaterThanOrEqual(20);
    expect(refused.length).toBe(answers.length - allowed);
    for (const { body, headers } of refused) {
      expect(body['code']).toBe('rate_limited');
      expect(body['detail']).toContain('limit "application"');
      expect(Number(headers.get('retry-after'))).toBeGreaterThanOrEqual(1);
      expect(headers.get('ratelimit')).toMatch(/"application";r=0;t=\d+/);
    }
  });

  it('keep a limit of a consumer, which is nobody else’s', async () => {
    const { id } = (await one.call('GET', app)).body;
    const headers = { authorization: `Bearer ${await tokenFor(ORG, id)}` };
    const calls = [one, two].map((server) => () => server.call('GET', app, undefined, headers));
    const { took, allowed, refused } = await flood(1, calls);
    expect(allowed).toBeLessThanOrEqual(10 * (took + 1));
    expect(allowed).toBeGreaterThanOrEqual(10);
    expect(refused.length).toBeGreaterThan(0);
    expect((await one.call('GET', app)).status).toBe(200);
  });
});

it('a batch is as many messages as it holds', async () => {
  const other = await createApplication(one, 'another');
  const messages = Array.from({ length: 60 }, () => ({ eventType: 'a', payload: {} }));
  const batch = await one.call('POST', `${other}/msg/batch`, { messages });
  expect(batch.status).toBe(202);
  expect((batch.body['data'] as unknown[]).length).toBe(60);
  const after = await one.call('POST', `${other}/msg`, { eventType: 'a', payload: {} });
  expect(after.status).toBe(429);
  // Sixty at ten a second, the part of one of two nodes.
  expect(Number(after.headers.get('retry-after'))).toBeGreaterThanOrEqual(3);
});

it('nobody who is not let in is counted', async () => {
  const headers = { authorization: 'Bearer nonsense' };
  for (let n = 0; n < 50; n++) {
    const { status, headers: answered } = await one.call('GET', '/api/v1/app', undefined, headers);
    expect([status, answered.get('ratelimit')]).toEqual([401, null]);
  }
});
