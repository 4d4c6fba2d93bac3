import { describe, expect, it } from 'vitest';
import { addApplication, addEndpoint } from './fixtures.ts';
import { useApi } from './harness.ts';

const harness = useApi();
const { call } = harness;

const keyed = (key: string, body: unknown, token?: string) => ({
  body,
  headers: { 'idempotency-key': key },
  ...(token === undefined ? {} : { token }),
});

const rowsOf = async (key: string) => {
  const { rows } = await harness.pool.query(
    'select scope, status, body::text from idempotency where key = $1',
    [key],
  );
  return rows;
};

describe('idempotency keys', () => {
  it('answers a repeated request as the first time, and does its work once', async () => {
    const first = await call('POST', '/app', keyed('k1', { name: 'one' }));
    const again = await call('POST', '/app', keyed('k1', { name: 'one' }));
    expect([again.status, again.text]).toEqual([201, first.text]);
    expect(again.headers.get('content-type')).toBe('application/json');
    const { rows } = await harness.pool.query(
      `select count(*)::int as n from application where name = 'one'`,
    );
    expect(rows).toEqual([{ n: 1 }]);
  });

  it('refuses the key for another request', async () => {
    await call('POST', '/app', keyed('k2', { name: 'a' }));
    const other = await call('POST', '/app', keyed('k2', { name: 'b' }));
    expect(other.status).toBe(422);
    expect(other.body.detail).toEqual([
      { loc: ['header', 'idempotency-key'], msg: expect.any(String), type: 'value_error' },
    ]);
  });

  it('keeps the keys of tenants and of routes apart', async () => {
    const { token } = await harness.newOrg();
    const body = { name: 'same' };
    const mine = await call('POST', '/app', keyed('k3', body));
    const theirs = await call('POST', '/app', keyed('k3', body, token));
    expect([theirs.status, theirs.body.id === mine.body.id]).toEqual([201, false]);
    const elsewhere = await call('POST', '/app?get_if_exists=true', keyed('k3', body));
    expect(elsewhere.status).toBe(201);
    expect(await rowsOf('k3')).toHaveLength(3);
  });

  it('remembers successes only', async () => {
    const app = await addApplication(harness);
    const wrong = await call('POST', `/app/${app}/endpoint`, keyed('k4', { url: 'nope' }));
    expect(wrong.status).toBe(422);
    const conflicting = await call(
      'POST',
      `/app/${app}/endpoint`,
      keyed('k4', { url: 'https://a.test', eventTypes: ['later'] }),
    );
    expect(conflicting.status).toBe(422);
    expect(await rowsOf('k4')).toEqual([]);
    const right = await call('POST', `/app/${app}/endpoint`, keyed('k4', { url: 'https://a.test' }));
    expect(right.status).toBe(201);
  });

  it('rotates a secret once, and gives the empty answer again', async () => {
    const app = await addApplication(harness);
    const id = await addEndpoint(harness, app);
    const secret = async () => (await call('GET', `/app/${app}/endpoint/${id}/secret`)).body.key as string;
    await call('POST', `/app/${app}/endpoint/${id}/secret/rotate`, keyed('k5', {}));
    const rotated = await secret();
    const again = await call('POST', `/app/${app}/endpoint/${id}/secret/rotate`, keyed('k5', {}));
    expect([again.status, again.text]).toEqual([204, '']);
    expect(await secret()).toBe(rotated);
  });

  it('gives the secret again to whom the rotation answers with it, and stores none', async () => {
    const app = await addApplication(harness);
    const id = await addEndpoint(harness, app);
    const { body, headers } = keyed('k5b', {});
    const request = { body, headers: { ...headers, 'user-agent': 'svix-libs/2.7.0/python' } };
    const first = await call('POST', `/app/${app}/endpoint/${id}/secret/rotate`, request);
    const again = await call('POST', `/app/${app}/endpoint/${id}/secret/rotate`, request);
    const { body: secret } = await call('GET', `/app/${app}/endpoint/${id}/secret`);
    for (const { status, body: key } of [first, again]) expect([status, key]).toEqual([200, secret]);
    expect(await rowsOf('k5b')).toMatchObject([{ status: 200, body: null }]);
  });

  it('makes answers that hold a token again, and stores none', async () => {
    const app = await addApplication(harness);
    const first = await call('POST', `/auth/app-portal-access/${app}`, keyed('k6', {}));
    const again = await call('POST', `/auth/app-portal-access/${app}`, keyed('k6', {}));
    expect([first.status, again.status]).toEqual([200, 200]);
    expect(await rowsOf('k6')).toMatchObject([{ status: 200, body: null }]);
    expect((await call('GET', `/app/${app}`, { token: again.body.token })).status).toBe(200);
  });

  it('lets one of many simultaneous requests work, the others wait for its answer', async () => {
    const replies = await Promise.all(
      Array.from({ length: 8 }, () => call('POST', '/app', keyed('k7', { name: 'eight' }))),
    );
    expect(new Set(replies.map(({ text }) => text)).size).toBe(1);
    expect(replies.every(({ status }) => status === 201)).toBe(true);
  });

  it('answers 409 while a request of another process is at work, and goes on once that has died', async () => {
    const scope = `${harness.org} POST /api/v1/app`;
    const { createHash } = await import('node:crypto');
    const hash = createHash('sha256')
      .update(JSON.stringify({ name: 'stuck' }))
      .digest('hex');
    const insert = (age: string) =>
      harness.pool.query(
        `insert into idempotency (scope, key, request_hash, created_at) values ($1, 'k8', $2, now() - $3::interval)
         on conflict (scope, key) do update set created_at = excluded.created_at`,
        [scope, hash, age],
      );
    await insert('5 seconds');
    const busy = await call('POST', '/app', keyed('k8', { name: 'stuck' }));
    expect([busy.status, busy.body.code]).toEqual([409, 'idempotency_in_flight']);
    await insert('1 hour');
    expect((await call('POST', '/app', keyed('k8', { name: 'stuck' }))).status).toBe(201);
  });

  it.each(['k'.repeat(256), 'a b'])('refuses the key %s', async (key) => {
    const reply = await call('POST', '/app', keyed(key, { name: 'x' }));
    expect([reply.status, reply.body.code]).toEqual([400, 'invalid_idempotency_key']);
  });

  it('forgets what is old', async () => {
    await call('POST', '/app', keyed('k9', { name: 'old' }));
    await harness.pool.query(
      `update idempotency set created_at = now() - interval '2 days' where key = 'k9'`,
    );
    const pruned = await harness.store.idempotency.prune(harness.nowMs() - 86_400_000);
    expect(pruned).toBe(1);
    expect(await rowsOf('k9')).toEqual([]);
  });
});
