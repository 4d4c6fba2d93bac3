import type { IncomingMessage, ServerResponse } from 'node:http';
import { describe, expect, it } from 'vitest';
import { createRequestLimits, type RequestLimitSettings } from './request-limits.ts';
import type { Principal } from './tokens.ts';

const none: RequestLimitSettings = { token: null, application: null, consumer: null };
const org: Principal = { kind: 'org', orgId: 'org_a', subject: 'org_a', digest: 'one' };

/** A request whose answer can be looked at. */
const exchange = (method: string, url: string) => {
  const headers: Record<string, unknown> = {};
  let status = 0;
  const request = { method, url, headers: { authorization: 'Bearer x' }, on: () => {} };
  const response = {
    setHeader: (name: string, value: unknown) => void (headers[name] = value),
    writeHead: (code: number, more: object) => {
      status = code;
      Object.assign(headers, more);
    },
    end: () => {},
  };
  return {
    request: request as unknown as IncomingMessage,
    response: response as unknown as ServerResponse,
    headers,
    status: () => status,
  };
};

const limiting = (limits: Partial<RequestLimitSettings>, principal: Principal = org) => {
  const time = { ms: 0, nodes: 1 };
  const lookUps: string[] = [];
  const made = createRequestLimits({
    limits: { ...none, ...limits },
    authenticator: {
      cached: () => principal,
      authenticate: async () => ({ kind: 'principal', principal }),
    },
    findApplication: async (_, name) => {
      lookUps.push(name);
      return name === 'customer' || name === 'app_1' ? 'app_1' : null;
    },
    nodes: () => time.nodes,
    monotonicMs: () => time.ms,
    onRefused: () => {},
  });
  const ask = async (method: string, url: string) => {
    const one = exchange(method, url);
    const isTaken = await made.route(one.request, one.response);
    return { ...one, isTaken };
  };
  return { made, ask, time, lookUps };
};

describe('limits of requests', () => {
  it('are said as the draft has it, on answers and on refusals', async () => {
    const { ask } = limiting({ token: 2 });
    const first = await ask('GET', '/api/v1/app');
    expect(first.isTaken).toBe(false);
    expect(first.headers).toMatchObject({
      'ratelimit-policy': '"token";q=2;w=1',
      ratelimit: '"token";r=1;t=1',
    });
    await ask('GET', '/api/v1/app');
    const third = await ask('GET', '/api/v1/app');
    expect(third.isTaken).toBe(true);
    expect(third.status()).toBe(429);
    expect(third.headers).toMatchObject({ 'retry-after': '1', ratelimit: '"token";r=0;t=1' });
  });

  it('count an application once, by whichever name it is posted to, and a batch by its messages', async () => {
    const { made, ask, time, lookUps } = limiting({ application: 3 });
    expect((await ask('POST', '/api/v1/app/customer/msg')).isTaken).toBe(false);
    const batch = await ask('POST', '/api/v1/app/app_1/msg/batch?with_content=false');
    made.charge(batch.request, batch.response, 5);
    expect(batch.headers['ratelimit']).toBe('"application";r=0;t=2');
    expect(batch.headers['ratelimit-policy']).toBe('"application";q=3;w=1;qu="messages"');
    const refused = await ask('POST', '/api/v1/app/customer/msg/');
    expect([refused.isTaken, refused.headers['retry-after']]).toEqual([true, '2']);
    // Of another application, of no message.
    expect((await ask('POST', '/api/v1/app/another/msg')).isTaken).toBe(false);
    expect((await ask('POST', '/api/v1/app/customer/endpoint')).isTaken).toBe(false);
    expect((await ask('GET', '/api/v1/app/customer/msg')).isTaken).toBe(false);
    time.ms = 1_400;
    expect((await ask('POST', '/api/v1/app/customer/msg')).isTaken).toBe(false);
    expect(lookUps).toEqual(['customer', 'app_1', 'another']);
  });

  it('are shared by the nodes that answer, down to less than one a second', async () => {
    const { ask, time } = limiting({ token: 2 });
    time.nodes = 4;
    const first = await ask('GET', '/api/v1/app');
    expect(first.headers['ratelimit-policy']).toBe('"token";q=1;w=2');
    time.ms = 1_900;
    expect((await ask('GET', '/api/v1/app')).isTaken).toBe(true);
    time.ms = 2_000;
    expect((await ask('GET', '/api/v1/app')).isTaken).toBe(false);
  });

  it('leave out the operator and what is not the API', async () => {
    const operator = limiting({ token: 1, consumer: 1 }, { kind: 'operator' });
    for (let n = 0; n < 3; n++)
      expect((await operator.ask('GET', '/api/v1/admin/cluster')).isTaken).toBe(false);
    const { ask } = limiting({ token: 1 });
    for (let n = 0; n < 3; n++) expect((await ask('GET', '/metrics')).isTaken).toBe(false);
  });
});
