import { createHmac } from 'node:crypto';
import { beforeAll, describe, expect, it } from 'vitest';
import { addApplication, addAttempt, addClosed, addEndpoint, addMessage } from './fixtures.ts';
import { SECRET, useApi } from './harness.ts';

const harness = useApi();
const { call } = harness;

const part = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
const jwt = (
  claims: Record<string, unknown>,
  header: unknown = { alg: 'HS256' },
  secret: Uint8Array = SECRET,
): string => {
  const signed = `${part(header)}.${part(claims)}`;
  return `${signed}.${createHmac('sha256', secret).update(signed).digest('base64url')}`;
};
const nowSeconds = () => Math.floor(harness.nowMs() / 1000);
const org = 'org_23rb8YdGqMT0qIzpgGwdXfHirMu';

describe('tokens', () => {
  it.each<[string, () => string | null, number, unknown]>([
    ['none', () => null, 401, { code: 'authentication_failed', detail: 'Invalid token' }],
    ['garbage', () => 'Bearer garbage', 401, { code: 'authentication_failed', detail: 'Invalid token' }],
    [
      'another scheme',
      () => `Basic ${jwt({ sub: org })}`,
      401,
      { code: 'authentication_failed', detail: 'Invalid token' },
    ],
    [
      'another key',
      () => `Bearer ${jwt({ sub: org }, undefined, Buffer.alloc(32, 9))}`,
      401,
      { code: 'authentication_failed', detail: 'Invalid token' },
    ],
    [
      'no signature',
      () => `Bearer ${part({ alg: 'none' })}.${part({ sub: org })}.`,
      401,
      { code: 'authentication_failed', detail: 'Invalid token' },
    ],
    [
      'alg none, signed',
      () => `Bearer ${jwt({ sub: org }, { alg: 'none' })}`,
      401,
      { code: 'authentication_failed', detail: 'Invalid token' },
    ],
    [
      'expired',
      () => `Bearer ${jwt({ sub: org, exp: nowSeconds() - 901 })}`,
      401,
      { code: 'authentication_failed', detail: 'Invalid token' },
    ],
    [
      'not yet valid',
      () => `Bearer ${jwt({ sub: org, nbf: nowSeconds() + 960 })}`,
      401,
      { code: 'authentication_failed', detail: 'Invalid token' },
    ],
    [
      'no subject',
      () => `Bearer ${jwt({})}`,
      401,
      { code: 'authentication_failed', detail: 'Invalid token (missing `sub`).' },
    ],
    [
      'no organisation',
      () => `Bearer ${jwt({ sub: 'user_1' })}`,
      400,
      { code: 'bad_token', detail: "`sub' is not a valid organization id." },
    ],
    [
      'a NUL in the subject',
      () => `Bearer ${jwt({ sub: 'org_\u0000' })}`,
      400,
      { code: 'bad_token', detail: "`sub' is not a valid organization id." },
    ],
    [
      'a wrong organisation',
      () => `Bearer ${jwt({ sub: 'app_1', org: 'x' })}`,
      400,
      { code: 'bad token', detail: '`org` is not a valid organization id' },
    ],
    [
      'a wrong application',
      () => `Bearer ${jwt({ sub: 'x', org })}`,
      400,
      { code: 'bad token', detail: '`sub` is not a valid application id' },
    ],
    [
      'the secret itself',
      () => `Bearer ${SECRET.toString()}`,
      401,
      { code: 'authentication_failed', detail: expect.stringContaining('posthorn token create') },
    ],
  ])('refuses %s', async (_what, header, status, body) => {
    const value = header();
    const reply = await call('GET', '/app', {
      token: null,
      headers: value === null ? {} : { authorization: value },
    });
    expect([reply.status, reply.body]).toEqual([status, body]);
  });

  it.each<[string, () => Record<string, unknown>]>([
    ['without dates', () => ({ sub: org })],
    ['a little too late', () => ({ sub: org, exp: nowSeconds() - 800 })],
    ['a little too early', () => ({ sub: org, nbf: nowSeconds() + 800 })],
    ['from another issuer', () => ({ sub: org, iss: 'somebody' })],
  ])('takes a token %s', async (_what, claims) => {
    for (const scheme of ['Bearer', 'bearer']) {
      const headers = { authorization: `${scheme} ${jwt(claims())}` };
      expect((await call('GET', '/app', { token: null, headers })).status).toBe(200);
    }
  });

  it('gives people of one application a link and a token of their own', async () => {
    const app = await addApplication(harness, 'portal-app');
    const access = await call('POST', '/auth/app-portal-access/portal-app', { body: { featureFlags: [] } });
    expect(access.status).toBe(200);
    expect(access.body.url).toMatch(/^http:\/\/posthorn\.test\/portal#key=/);
    const { token } = access.body;
    expect((await call('GET', `/app/${app}`, { token })).status).toBe(200);
    expect((await call('GET', '/app', { token })).body).toEqual({
      code: 'insufficient access',
      detail: 'Insufficient access for the given operation.',
    });
    const claims = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString());
    expect(claims).toMatchObject({ sub: app, org: harness.org, feature_flags: [] });
    expect(claims.exp - claims.iat).toBe(604_800);
  });

  it('makes the application that portal access brings along, if its uid is the path’s', async () => {
    const post = (uid: string | undefined) =>
      call('POST', '/auth/app-portal-access/brought', {
        body: { application: { name: 'B', ...(uid ? { uid } : {}) } },
      });
    expect((await post(undefined)).body.detail[0].type).toBe('application_uid_missing');
    expect((await post('other')).body.detail[0].type).toBe('application_uid_mismatch');
    expect((await post('brought')).status).toBe(200);
    expect((await call('GET', '/app/brought')).body.name).toBe('B');
    const unknown = await call('POST', '/auth/app-portal-access/none', { body: {} });
    expect([unknown.status, unknown.body.detail]).toEqual([404, 'Application not found']);
  });
});

describe('who may do what', () => {
  let ids: { app: string; ep: string; msg: string; atmpt: string };
  let strangers: { foreignOrg: string; foreignApp: string; ownApp: string };
  beforeAll(async () => {
    const app = await addApplication(harness, 'guarded');
    const ep = await addEndpoint(harness, app, { uid: 'guarded-ep' });
    const msg = await addMessage(harness, app, { eventId: 'guarded-msg' });
    const atmpt = await addAttempt(harness, app, ep, msg, { status: 2, final: 'dead' });
    await addClosed(harness, app, ep, msg);
    const other = await addApplication(harness, 'neighbour');
    ids = { app, ep, msg, atmpt };
    strangers = {
      foreignOrg: (await harness.newOrg()).token,
      foreignApp: await harness.appToken(other),
      ownApp: await harness.appToken(app),
    };
  });

  it('keeps one organisation’s message, endpoint and attempt out of another application’s paths', async () => {
    const other = (await call('GET', '/app/neighbour')).body.id;
    for (const path of [
      `/app/${other}/endpoint/${ids.ep}`,
      `/app/${other}/msg/${ids.msg}`,
      `/app/${other}/msg/guarded-msg`,
      `/app/${other}/attempt/endpoint/guarded-ep`,
      `/app/${other}/msg/${ids.msg}/attempt/${ids.atmpt}`,
    ]) {
      expect([path, (await call('GET', path)).status]).toEqual([path, 404]);
    }
    const task = await call('POST', `/app/${ids.app}/endpoint/${ids.ep}/recover`, {
      body: { since: new Date().toISOString() },
    });
    const seen = await call('GET', `/background-task/${task.body.id}`, { token: strangers.foreignApp });
    expect(seen.status).toBe(404);
    const foreign = await call('GET', `/background-task/${task.body.id}`, { token: strangers.foreignOrg });
    expect(foreign.status).toBe(404);
    expect((await call('GET', '/background-task', { token: strangers.ownApp })).status).toBe(403);
  });
});
