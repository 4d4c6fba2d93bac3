import { beforeAll, describe, expect, it } from 'vitest';
import { allows, capabilities } from '../../src/api/capabilities.ts';
import { createRevocations } from '../../src/api/revocations.ts';
import { createAuthenticator, mintToken } from '../../src/api/tokens.ts';
import { createRevocationStore } from '../../src/store/revocations.ts';
import { addApplication, addEndpoint } from './fixtures.ts';
import { SECRET, useApi } from './harness.ts';

const harness = useApi();
const { call } = harness;

let app: string;
beforeAll(async () => {
  app = await addApplication(harness, 'portal');
});

const access = async (body: Record<string, unknown> = {}): Promise<string> => {
  const reply = await call('POST', `/auth/app-portal-access/${app}`, { body });
  expect(reply.status).toBe(200);
  return reply.body.token;
};
const standing = async (...tokens: string[]): Promise<number[]> =>
  Promise.all(tokens.map(async (token) => (await call('GET', `/app/${app}`, { token })).status));
const expireAll = async (body?: Record<string, unknown>, of = app): Promise<void> => {
  const reply = await call('POST', `/auth/app/${of}/expire-all`, body === undefined ? {} : { body });
  expect([reply.status, reply.text]).toEqual([204, '']);
};

describe('logging out', () => {
  it('ends the token that it is asked with, and no other', async () => {
    const [mine, other] = [await access({ sessionId: 'a' }), await access({ sessionId: 'b' })];
    expect(await standing(mine, other)).toEqual([200, 200]);
    expect((await call('POST', '/auth/logout', { token: mine })).status).toBe(204);
    expect(await standing(mine, other)).toEqual([401, 200]);
    const again = await call('POST', '/auth/logout', { token: mine });
    expect([again.status, again.body]).toEqual([
      401,
      { code: 'authentication_failed', detail: 'Invalid token' },
    ]);
  });

  it('cannot be got round by another spelling of the signature', async () => {
    const token = await access();
    await call('POST', '/auth/logout', { token });
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
    const last = alphabet.indexOf(token.at(-1)!);
    // 256 bits in 43 characters: two bits of the last one mean nothing.
    const spelled = [0, 1, 2, 3].map((bits) => token.slice(0, -1) + alphabet[(last & ~3) | bits]);
    expect(await standing(...spelled)).toEqual([401, 401, 401, 401]);
  });

  it('is refused to an organisation’s token', async () => {
    const reply = await call('POST', '/auth/logout');
    expect([reply.status, reply.body.code]).toEqual([400, 'bad_token']);
    expect((await call('GET', '/app')).status).toBe(200);
  });
});

describe('expiring all tokens of an application', () => {
  it('ends those that were made before, at once, and none that are made after', async () => {
    const before = [await access(), await access({ sessionId: 'x' }), await harness.appToken(app)];
    const other = await addApplication(harness);
    const neighbour = await harness.appToken(other);
    await expireAll();
    const after = await access();
    expect(await standing(...before, after)).toEqual([401, 401, 401, 200]);
    expect((await call('GET', `/app/${other}`, { token: neighbour })).status).toBe(200);
    await expireAll({});
    expect(await standing(after)).toEqual([401]);
  });

  it('of some sessions leaves the others', async () => {
    const [a, b, none] = [await access({ sessionId: 'a' }), await access({ sessionId: 'b' }), await access()];
    await expireAll({ sessionIds: ['a', 'a', 'nobody'] });
    expect(await standing(a, b, none)).toEqual([401, 200, 200]);
    expect(await standing(await access({ sessionId: 'a' }))).toEqual([200]);
    // None is not all.
    const empty = await call('POST', `/auth/app/${app}/expire-all`, { body: { sessionIds: [] } });
    expect([empty.status, empty.body['detail'][0].loc]).toEqual([422, ['body', 'sessionIds']]);
    expect(await standing(b, none)).toEqual([200, 200]);
    await expireAll({ sessionIds: null });
    expect(await standing(b, none)).toEqual([401, 401]);
  });

  it('in a while does not end them yet, and takes nothing back that has ended', async () => {
    const early = await access();
    await expireAll();
    const late = await access();
    await expireAll({ expiry: 259_200 });
    expect(await standing(early, late)).toEqual([401, 200]);
  });

  it.each([
    [{ expiry: -1 }, ['body', 'expiry']],
    [{ expiry: 259_201 }, ['body', 'expiry']],
    [{ sessionIds: ['ü'] }, ['body', 'sessionIds', '[0]']],
    [{ sessionIds: 'a' }, ['body', 'sessionIds']],
  ])('refuses %j', async (body, loc) => {
    const reply = await call('POST', `/auth/app/${app}/expire-all`, { body });
    expect([reply.status, reply.body['detail'][0].loc]).toEqual([422, loc]);
  });

  it('takes a token that does not say when it was made for an old one', async () => {
    const bare = await harness.appToken(app);
    const [header = '', payload = ''] = bare.split('.');
    expect(header).not.toBe('');
    const claims = JSON.parse(Buffer.from(payload, 'base64url').toString());
    expect(claims.issued_ms).toBeGreaterThan(0);
    await expireAll();
    expect(await standing(bare)).toEqual([401]);
  });
});

describe('another process', () => {
  const other = () => {
    const revocations = createRevocations(createRevocationStore(harness.database), harness.nowMs);
    const authenticator = createAuthenticator([SECRET], harness.nowMs, revocations.isRevoked);
    const holds = async (token: string): Promise<boolean> =>
      (await authenticator.authenticate(`Bearer ${token}`)).kind === 'principal';
    return { revocations, authenticator, holds };
  };

  it('goes by a revocation once it has looked, also for tokens that it has verified before', async () => {
    const { revocations, authenticator, holds } = other();
    const [out, expired] = [await access({ sessionId: 'o' }), await access({ sessionId: 'e' })];
    await revocations.refresh();
    expect([await holds(out), await holds(expired)]).toEqual([true, true]);
    await call('POST', '/auth/logout', { token: out });
    await expireAll({ sessionIds: ['e'] });
    expect([await holds(out), await holds(expired)]).toEqual([true, true]);
    await revocations.refresh();
    expect(authenticator.cached(`Bearer ${out}`)).toBe(undefined);
    expect([await holds(out), await holds(expired)]).toEqual([false, false]);
  });

  it('knows all of them from its start', async () => {
    const token = await access();
    await call('POST', '/auth/logout', { token });
    const { revocations, holds } = other();
    await revocations.refresh();
    expect(await holds(token)).toBe(false);
    expect(await holds(await access())).toBe(true);
  });

  it('keeps what matters and forgets what does not', async () => {
    const store = createRevocationStore(harness.database);
    const owner = await addApplication(harness);
    const nowMs = Math.floor(harness.nowMs());
    const row = { orgId: harness.org, applicationId: owner, untilMs: null } as const;
    await store.add([
      { ...row, subject: '*', issuedBeforeMs: nowMs - 9000, effectiveAtMs: nowMs - 9000 },
      { ...row, subject: '*', issuedBeforeMs: nowMs - 5000, effectiveAtMs: nowMs - 5000 },
      { ...row, subject: '*', issuedBeforeMs: nowMs - 1000, effectiveAtMs: nowMs + 60_000 },
      { ...row, subject: '*', issuedBeforeMs: nowMs - 7000, effectiveAtMs: nowMs + 30_000 },
      { ...row, subject: 'session a', issuedBeforeMs: nowMs, effectiveAtMs: nowMs, untilMs: nowMs - 1 },
      { ...row, subject: 'session b', issuedBeforeMs: nowMs, effectiveAtMs: nowMs, untilMs: nowMs + 60_000 },
    ]);
    await store.prune();
    const { rows } = await harness.pool.query(
      'select subject, issued_before from revocation where app_id = $1 order by subject, effective_at',
      [owner],
    );
    expect(rows.map((one) => [one.subject, Math.round(one.issued_before.getTime() - nowMs)])).toEqual([
      ['*', -5000],
      ['*', -1000],
      ['session b', 0],
    ]);
    const seen = await store.since(null);
    expect(seen.revocations.filter(({ applicationId }) => applicationId === owner)).toHaveLength(3);
  });
});

describe('what a token is good for', () => {
  let ep: string;
  beforeAll(async () => {
    ep = await addEndpoint(harness, app);
  });
  const paths = {
    look: ['GET', () => `/app/${app}/endpoint/${ep}`],
    search: ['POST', () => `/app/${app}/msg/search`],
    secret: ['GET', () => `/app/${app}/endpoint/${ep}/secret`],
    rotate: ['POST', () => `/app/${app}/endpoint/${ep}/secret/rotate`],
    recover: ['POST', () => `/app/${app}/endpoint/${ep}/recover`],
    change: ['PATCH', () => `/app/${app}/endpoint/${ep}`],
  } as const;
  const may = async (token: string): Promise<string[]> => {
    const open: string[] = [];
    for (const [name, [method, path]] of Object.entries(paths)) {
      const body = method === 'GET' ? {} : { body: { since: new Date().toISOString() } };
      const reply = await call(method, path(), { token, ...body });
      if (reply.status === 403) expect(reply.body.code).toBe('insufficient access');
      else open.push(name);
    }
    return open;
  };
  const all = Object.keys(paths);

  it.each<[Record<string, unknown>, string[]]>([
    [{}, all],
    [{ readOnly: false }, all],
    [{ readOnly: true }, ['look', 'search']],
    [{ capabilities: ['ViewBase'] }, ['look', 'search']],
    [{ capabilities: [] }, ['look', 'search']],
    [{ capabilities: ['ViewBase', 'ViewEndpointSecret'] }, ['look', 'search', 'secret']],
    [{ capabilities: ['ViewBase', 'ManageEndpointSecret'] }, ['look', 'search', 'secret', 'rotate']],
    [{ capabilities: ['ViewBase', 'CreateAttempts'] }, ['look', 'search', 'recover']],
    [{ capabilities: ['ViewBase', 'ManageEndpoint'] }, ['look', 'search', 'secret', 'rotate', 'change']],
    [{ capabilities: ['ViewBase', 'CreateAttempts'], readOnly: true }, ['look', 'search', 'recover']],
    [{ capabilities: [...capabilities] }, all],
  ])('%j: %j', async (body, open) => {
    expect(await may(await access(body))).toEqual(open);
  });

  it('is never more than looking for a name that nobody knows', () => {
    expect(allows(['Everything'], 'ViewBase')).toBe(true);
    expect(allows(['Everything'], 'ManageEndpoint')).toBe(false);
  });

  it.each([
    [{ capabilities: ['All'] }, ['body', 'capabilities', '[0]']],
    [{ featureFlags: ['a b'] }, ['body', 'featureFlags', '[0]']],
    [{ sessionId: '' }, ['body', 'sessionId']],
    [{ expiry: 3599 }, ['body', 'expiry']],
  ])('refuses %j', async (body, loc) => {
    const reply = await call('POST', `/auth/app-portal-access/${app}`, { body });
    expect([reply.status, reply.body['detail'][0].loc]).toEqual([422, loc]);
  });

  it('and whose it is, it can be asked', async () => {
    const token = await access({ sessionId: 'user@1' });
    const who = { envId: harness.org, streamAppId: null, permissionSource: 'SvixJwt' };
    expect((await call('GET', '/auth/whoami', { token })).body).toEqual({
      ...who,
      appId: app,
      sessionId: 'user@1',
    });
    expect((await call('GET', '/auth/whoami')).body).toEqual({ ...who, appId: null, sessionId: null });
  });

  it('is asked for nothing by the database', async () => {
    const token = await mintToken({
      secret: SECRET,
      orgId: harness.org,
      applicationId: app,
      nowMs: harness.nowMs(),
    });
    const revocations = createRevocations(
      {
        add: () => Promise.reject(new Error('asked')),
        since: () => Promise.reject(new Error('asked')),
        prune: () => Promise.reject(new Error('asked')),
      },
      harness.nowMs,
    );
    const authenticator = createAuthenticator([SECRET], harness.nowMs, revocations.isRevoked);
    expect((await authenticator.authenticate(`Bearer ${token}`)).kind).toBe('principal');
    expect(authenticator.cached(`Bearer ${token}`)).toMatchObject({ subject: app });
  });
});
