import { createHmac } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { mintToken } from '../../src/api/tokens.ts';
import {
  attemptsOf,
  createApplication,
  createEndpoint,
  JWT_SECRET,
  ORG,
  postMessage,
  startReceiver,
  startTestServer,
  tokenFor,
  type Receiver,
  type Shown,
  type TestServer,
} from './harness.ts';
import { contentsOf, expectRefusal } from './refusing.ts';

let server: TestServer;
let receiver: Receiver;
let app: string;

beforeAll(async () => {
  server = await startTestServer({ POSTHORN_RETRY_SCHEDULE: '' });
  receiver = await startReceiver();
  app = await createApplication(server, 'mine');
  await createEndpoint(server, app, { url: receiver.url, uid: 'mine' });
});
afterAll(async () => {
  await receiver.close();
  await server.stop();
});
let foreignToken: string;
let foreignApp: string;
beforeAll(async () => {
  foreignToken = await tokenFor('org_00000000000000000000000FRGN');
  const foreign = { name: 'Foreign', uid: 'foreign' };
  const { body } = await server.call('POST', '/api/v1/app', foreign, {
    authorization: `Bearer ${foreignToken}`,
  });
  foreignApp = body.id;
});

/** {@link expectRefusal} by this file's server. */
const expectRefused = (
  status: number,
  method: string,
  path: string,
  body?: string | Uint8Array,
  headers: Record<string, string> = {},
): Promise<Shown> => expectRefusal(server, status, method, path, body, headers);
const contents = (): Promise<string> => contentsOf(server);

/** Posts a message and waits until nothing of it is under way any more. */
const postAndSettle = async (): Promise<string> => {
  const id = await postMessage(server, app, 'good');
  await attemptsOf(server, app, id, (all) => all.length === 1);
  return id;
};

const message = (payload: string): string => `{"eventType":"a","payload":${payload}}`;

describe('what is somebody else’s does not exist', () => {
  it('for another organisation', async () => {
    const id = await postAndSettle();
    const headers = { authorization: `Bearer ${foreignToken}` };
    const { body: mine } = await server.call('GET', app);
    for (const at of [app, `/api/v1/app/${mine.id}`]) {
      await expectRefused(404, 'GET', at, undefined, headers);
      await expectRefused(404, 'DELETE', at, undefined, headers);
      await expectRefused(404, 'PATCH', at, '{"name":"x"}', headers);
      await expectRefused(404, 'POST', `${at}/msg`, message('{}'), headers);
      await expectRefused(404, 'GET', `${at}/msg/${id}`, undefined, headers);
      await expectRefused(404, 'GET', `${at}/endpoint/mine/secret`, undefined, headers);
      await expectRefused(404, 'GET', `${at}/attempt/msg/${id}`, undefined, headers);
      await expectRefused(404, 'POST', `${at}/endpoint`, JSON.stringify({ url: receiver.url }), headers);
      await expectRefused(404, 'POST', `${at}/msg/${id}/endpoint/mine/resend`, undefined, headers);
      await expectRefused(404, 'GET', `${at}/dead-letter`, undefined, headers);
    }
    // Through an application of one's own, neither.
    await expectRefused(404, 'GET', `/api/v1/app/${foreignApp}/msg/${id}`, undefined, headers);
    await expectRefused(404, 'GET', `/api/v1/app/foreign/endpoint/mine`, undefined, headers);
  });

  it('for an application’s own token, which is good for that application alone', async () => {
    const mine = (await server.call('GET', app)).body.id;
    const other = (await server.call('POST', '/api/v1/app', { name: 'Other' })).body.id;
    const headers = { authorization: `Bearer ${await tokenFor(ORG, mine)}` };
    const read = await server.call('GET', `/api/v1/app/${mine}`, undefined, headers);
    expect([read.status, read.body.id]).toEqual([200, mine]);
    expect((await server.call('GET', `/api/v1/app/${mine}/endpoint`, undefined, headers)).status).toBe(200);
    expect((await server.call('GET', `/api/v1/app/${mine}/msg`, undefined, headers)).status).toBe(200);
    await expectRefused(404, 'GET', `/api/v1/app/${other}`, undefined, headers);
    await expectRefused(404, 'GET', `/api/v1/app/${other}/msg`, undefined, headers);
    for (const [method, path, body] of [
      ['POST', `/api/v1/app/${mine}/msg`, message('{}')],
      ['POST', `/api/v1/app/${mine}/msg/batch`, `{"messages":[${message('{}')}]}`],
      ['POST', '/api/v1/app', '{"name":"a"}'],
      ['GET', '/api/v1/app', undefined],
      ['DELETE', `/api/v1/app/${mine}`, undefined],
      ['POST', '/api/v1/event-type', '{"name":"a","description":"a"}'],
    ] as const) {
      expect(await expectRefused(403, method, path, body, headers)).toMatchObject({
        code: 'insufficient access',
      });
    }
  });
});

describe('a token is refused', () => {
  const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const signed = (header: object, claims: object, secret = JWT_SECRET, hash = 'sha256'): string => {
    const text = `${encode(header)}.${encode(claims)}`;
    return `${text}.${createHmac(hash, secret).update(text).digest('base64url')}`;
  };
  const nowSeconds = Math.floor(Date.now() / 1000);
  const hs256 = { alg: 'HS256', typ: 'JWT' };
  const claims = { sub: ORG, iat: nowSeconds, exp: nowSeconds + 3600 };
  const INVALID = 'Invalid token';

  it.each<[name: string, header: string | undefined, status: number, detail: string | RegExp]>([
    ['that is not there', undefined, 401, INVALID],
    ['of nothing', 'Bearer ', 401, INVALID],
    ['that is garbage', 'Bearer garbage', 401, INVALID],
    ['that is no JWT', 'Bearer a.b.c', 401, INVALID],
    ['of another scheme', `Basic ${Buffer.from('a:b').toString('base64')}`, 401, INVALID],
    ['that nobody signed', `Bearer ${encode({ alg: 'none', typ: 'JWT' })}.${encode(claims)}.`, 401, INVALID],
    ['with another secret', `Bearer ${signed(hs256, claims, 'not the secret')}`, 401, INVALID],
    ['that says another algorithm', `Bearer ${signed({ alg: 'HS999' }, claims)}`, 401, INVALID],
    ['that ended long ago', `Bearer ${signed(hs256, { ...claims, exp: nowSeconds - 1000 })}`, 401, INVALID],
    [
      'that begins long hence',
      `Bearer ${signed(hs256, { ...claims, nbf: nowSeconds + 1000 })}`,
      401,
      INVALID,
    ],
    [
      'without a subject',
      `Bearer ${signed(hs256, { exp: claims.exp })}`,
      401,
      'Invalid token (missing `sub`).',
    ],
    ['that is the secret itself', 'Bearer the-secret', 401, /the secret that signs tokens/],
    ['of nobody we know', `Bearer ${signed(hs256, { ...claims, sub: 'user_1' })}`, 400, /organization/],
  ])('%s', async (name, header, status, detail) => {
    // The secret of the harness has blanks, so this one has a server of its own.
    const own = name.includes('itself') ? await startTestServer({}, {}, { jwtSecret: 'the-secret' }) : server;
    try {
      for (const [method, path] of [
        ['POST', `${app}/msg`],
        ['POST', `${app}/msg/batch`],
        ['GET', app],
        ['POST', '/api/v1/app'],
        ['GET', `${app}/msg`],
      ] as const) {
        const before = own === server ? await contents() : '';
        const response = await fetch(own.url + path, {
          method,
          ...(header === undefined ? {} : { headers: { authorization: header } }),
          ...(method === 'POST' ? { body: message('{}') } : {}),
        });
        const body = (await response.json()) as { code: string; detail: string };
        expect([path, response.status]).toEqual([path, status]);
        expect(body.code).toBe(status === 401 ? 'authentication_failed' : 'bad_token');
        if (typeof detail === 'string') expect(body.detail).toBe(detail);
        else expect(body.detail).toMatch(detail);
        if (own === server) expect(await contents()).toBe(before);
      }
    } finally {
      if (own !== server) await own.stop();
    }
  });

  it('no sooner than clocks may differ', async () => {
    for (const token of [
      signed(hs256, { ...claims, exp: nowSeconds - 600 }),
      signed(hs256, { ...claims, nbf: nowSeconds + 600 }),
    ]) {
      expect((await server.call('GET', app, undefined, { authorization: `Bearer ${token}` })).status).toBe(
        200,
      );
    }
    const minted = await mintToken({
      secret: Buffer.from(JWT_SECRET),
      orgId: ORG,
      applicationId: null,
      nowMs: Date.now(),
    });
    expect((await server.call('GET', app, undefined, { authorization: `bearer ${minted}` })).status).toBe(
      200,
    );
  });
});
