import { describe, expect, it } from 'vitest';
import { addApplication, addEndpoint } from './fixtures.ts';
import { useApi } from './harness.ts';

const harness = useApi();
const { call } = harness;

const configVersion = async (applicationId: string): Promise<number> => {
  const { rows } = await harness.pool.query(
    'select config_version::int as v from application where id = $1',
    [applicationId],
  );
  return rows[0].v;
};

describe('endpoints', () => {
  it('creates with defaults, normalises the URL, and writes the lane and the version with it', async () => {
    const app = await addApplication(harness);
    const created = await call('POST', `/app/${app}/endpoint`, { body: { url: 'http://A.test:80' } });
    expect(created.status).toBe(201);
    expect(created.body).toEqual({
      description: '',
      rateLimit: null,
      throttleRate: null,
      uid: null,
      url: 'http://a.test/',
      version: 1,
      disabled: false,
      eventTypes: null,
      filterTypes: null,
      channels: null,
      createdAt: expect.any(String),
      updatedAt: expect.any(String),
      id: expect.stringMatching(/^ep_[A-Za-z0-9]{27}$/),
      metadata: {},
      fifo: false,
      poisonPolicy: 'skip',
      delivering: { state: 'active' },
    });
    const { rows } = await harness.pool.query('select org_id, partition from lane where endpoint_id = $1', [
      created.body.id,
    ]);
    expect(rows).toEqual([{ org_id: harness.org, partition: expect.any(Number) }]);
    expect(await configVersion(app)).toBe(2);
    expect(harness.changes.at(-1)).toMatchObject({ applicationId: app, endpointIds: [created.body.id] });
  });

  it('takes both spellings, and our own fields', async () => {
    const app = await addApplication(harness);
    await call('POST', '/event-type', { body: { name: 'a.b', description: 'x' } });
    const old = await call('POST', `/app/${app}/endpoint`, {
      body: {
        url: 'https://a.test/',
        version: 3,
        filterTypes: ['a.b', 'a.b'],
        rateLimit: 7,
        channels: ['c'],
      },
    });
    expect(old.body).toMatchObject({
      eventTypes: ['a.b'],
      filterTypes: ['a.b'],
      throttleRate: 7,
      rateLimit: 7,
      version: 3,
      channels: ['c'],
    });
    const ours = await call('POST', `/app/${app}/endpoint`, {
      body: {
        url: 'https://a.test/',
        ownerEmail: 'ops@a.test',
        retryPolicy: [0.5, 2],
        headers: { 'X-A': '1' },
      },
    });
    expect(ours.body).toMatchObject({
      ownerEmail: 'ops@a.test',
      retryPolicy: { kind: 'list', waitsSeconds: [0.5, 2] },
    });
    const headers = await call('GET', `/app/${app}/endpoint/${ours.body.id}/headers`);
    expect(headers.body).toEqual({ headers: { 'X-A': '1' }, sensitive: [] });
  });

  it('updates by PUT in full and by PATCH in part; both raise the version', async () => {
    const app = await addApplication(harness);
    const id = await addEndpoint(harness, app, { uid: 'e1', description: 'old', channels: ['x'] });
    const put = await call('PUT', `/app/${app}/endpoint/e1`, { body: { url: 'https://b.test' } });
    expect([put.status, put.body.id]).toEqual([200, id]);
    expect(put.body).toMatchObject({ uid: null, description: '', channels: null, url: 'https://b.test/' });
    const patch = await call('PATCH', `/app/${app}/endpoint/${id}`, {
      body: { disabled: true, uid: 'e2', metadata: { k: 'v' } },
    });
    expect(patch.body).toMatchObject({
      url: 'https://b.test/',
      disabled: true,
      uid: 'e2',
      metadata: { k: 'v' },
    });
    expect(await configVersion(app)).toBe(4);
    const created = await call('PUT', `/app/${app}/endpoint/fresh`, {
      body: { url: 'https://c.test', uid: 'fresh' },
    });
    expect([created.status, created.body.uid]).toEqual([201, 'fresh']);
    const taken = await call('PATCH', `/app/${app}/endpoint/fresh`, { body: { uid: 'e2' } });
    expect([taken.status, taken.body]).toEqual([
      409,
      { code: 'conflict', detail: 'A conflict has occurred' },
    ]);
  });

  it('forgets what was held against a receiver when it is enabled again', async () => {
    const app = await addApplication(harness);
    const id = await addEndpoint(harness, app);
    await harness.pool.query(`update endpoint set disabled = true, disabled_reason = 'gone' where id = $1`, [
      id,
    ]);
    await harness.pool.query(
      `update lane set gone_since = now(), blocked_until = now(), blocked_reason = 'gone' where endpoint_id = $1`,
      [id],
    );
    const shown = await call('GET', `/app/${app}/endpoint/${id}`);
    expect(shown.body).toMatchObject({ disabled: true, disabledReason: 'gone' });
    const enabled = await call('PATCH', `/app/${app}/endpoint/${id}`, { body: { disabled: false } });
    expect(enabled.body).not.toHaveProperty('disabledReason');
    const { rows } = await harness.pool.query(
      'select gone_since, blocked_until, blocked_reason from lane where endpoint_id = $1',
      [id],
    );
    expect(rows).toEqual([{ gone_since: null, blocked_until: null, blocked_reason: null }]);
  });

  it('deletes softly and frees the uid', async () => {
    const app = await addApplication(harness);
    const id = await addEndpoint(harness, app, { uid: 'again' });
    expect((await call('DELETE', `/app/${app}/endpoint/again`)).status).toBe(204);
    expect((await call('GET', `/app/${app}/endpoint/${id}`)).status).toBe(404);
    expect((await call('DELETE', `/app/${app}/endpoint/${id}`)).status).toBe(404);
    expect(await addEndpoint(harness, app, { uid: 'again' })).not.toBe(id);
  });

  it('lists newest first, both ways', async () => {
    const app = await addApplication(harness);
    const ids: string[] = [];
    for (let i = 0; i < 5; i++) ids.unshift(await addEndpoint(harness, app));
    const first = await call('GET', `/app/${app}/endpoint?limit=2`);
    expect(first.body.data.map((e: { id: string }) => e.id)).toEqual(ids.slice(0, 2));
    const next = await call('GET', `/app/${app}/endpoint?limit=2&iterator=${first.body.iterator}`);
    expect(next.body.data.map((e: { id: string }) => e.id)).toEqual(ids.slice(2, 4));
    const back = await call('GET', `/app/${app}/endpoint?limit=2&iterator=${next.body.prevIterator}`);
    expect(back.body).toMatchObject({ data: first.body.data, done: true });
    const up = await call('GET', `/app/${app}/endpoint?limit=1&order=ascending`);
    expect(up.body.data[0].id).toBe(ids[4]);
  });
});

describe('signing secrets', () => {
  it('makes one, takes one, shows of an ed25519 pair the public half only', async () => {
    const app = await addApplication(harness);
    const made = await addEndpoint(harness, app);
    const shown = await call('GET', `/app/${app}/endpoint/${made}/secret`);
    expect(shown.body.key).toMatch(/^whsec_[A-Za-z0-9+/]{32}$/);
    const secret = `whsec_${Buffer.alloc(32, 7).toString('base64')}`;
    const given = await addEndpoint(harness, app, { secret });
    expect((await call('GET', `/app/${app}/endpoint/${given}/secret`)).body).toEqual({ key: secret });
    const pair =
      'whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg==';
    const asymmetric = await addEndpoint(harness, app, { secret: pair });
    expect((await call('GET', `/app/${app}/endpoint/${asymmetric}/secret`)).body).toEqual({
      key: 'whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4=',
    });
    const { rows } = await harness.pool.query('select keys::text from endpoint where id = $1', [given]);
    expect(rows[0].keys).not.toContain(Buffer.alloc(32, 7).toString('base64'));
  });

  it.each([
    ['svix-libs/2.6.2/python', 204],
    ['svix-libs/1.99.1/java', 204],
    ['svix-libs/2.7.0/python', 200],
    ['svix-libs/2.10.0/go/suffix go/1.26', 200],
    ['svix-libs/3.0.0/rust', 200],
    ['something/2.9.0', 204],
  ])('answers a rotation by %s with %i', async (userAgent, status) => {
    const app = await addApplication(harness);
    const id = await addEndpoint(harness, app);
    const at = `/app/${app}/endpoint/${id}/secret`;
    const rotated = await call('POST', `${at}/rotate`, { body: {}, headers: { 'user-agent': userAgent } });
    const { body: secret } = await call('GET', at);
    expect([rotated.status, rotated.body]).toEqual([status, status === 200 ? secret : undefined]);
  });

  it('rotates: the old key signs along for the grace period, at most ten of them', async () => {
    const app = await addApplication(harness);
    const id = await addEndpoint(harness, app);
    const path = { orgId: harness.org, applicationId: app, endpointId: id };
    const before = (await harness.store.endpoints.keys(path))!;
    const rotated = await call('POST', `/app/${app}/endpoint/${id}/secret/rotate`, { body: {} });
    expect([rotated.status, rotated.text]).toEqual([204, '']);
    const after = (await harness.store.endpoints.keys(path))!;
    expect(after.map(({ key }) => key)).toEqual([expect.anything(), before[0]!.key]);
    expect(after[0]!.expiresAtMs).toBeNull();
    const grace = after[1]!.expiresAtMs! - harness.nowMs();
    expect(grace).toBeGreaterThan(86_390_000);
    expect(grace).toBeLessThanOrEqual(86_400_000);
    const ended = await call('POST', `/app/${app}/endpoint/${id}/secret/rotate`, {
      body: { gracePeriodSeconds: 0 },
    });
    expect(ended.status).toBe(204);
    expect((await harness.store.endpoints.keys(path))!).toHaveLength(2);
    for (let i = 0; i < 9; i++) await call('POST', `/app/${app}/endpoint/${id}/secret/rotate`, { body: {} });
    const eleventh = await call('POST', `/app/${app}/endpoint/${id}/secret/rotate`, { body: {} });
    expect([eleventh.status, eleventh.body.code]).toEqual([400, 'limit_reached']);
  });
});

describe('custom headers', () => {
  it('replaces, merges, removes, and never shows what is sensitive', async () => {
    const app = await addApplication(harness);
    const id = await addEndpoint(harness, app);
    const at = `/app/${app}/endpoint/${id}/headers`;
    expect((await call('GET', at)).body).toEqual({ headers: {}, sensitive: [] });
    const put = await call('PUT', at, {
      body: { headers: { 'X-One': '1', Authorization: 'Bearer deep secret', 'x-two': '2' } },
    });
    expect(put.status).toBe(204);
    const shown = await call('GET', at);
    expect(shown.body).toEqual({ headers: { 'X-One': '1', 'x-two': '2' }, sensitive: ['Authorization'] });
    expect(shown.text).not.toContain('deep secret');
    const patch = await call('PATCH', at, {
      body: { headers: { 'x-one': 'I', 'X-Two': null, 'x-three': '3' }, deleteHeaders: ['authorization'] },
    });
    expect(patch.status).toBe(204);
    expect((await call('GET', at)).body).toEqual({
      headers: { 'x-one': 'I', 'x-three': '3' },
      sensitive: [],
    });
  });

  it.each([
    ['User-Agent', 'x'],
    ['content-type', 'x'],
    ['Host', 'x'],
    ['x-amz-date', 'x'],
    ['Svix-Id', 'x'],
    ['webhook-id', 'x'],
    ['bad name', 'x'],
    ['', 'x'],
    ['x:y', 'x'],
    ['x-ok', 'a\r\nb: c'],
    ['x-ok', 'é'],
    ['x-ok', 'v'.repeat(4097)],
  ])('refuses the header %j: %j', async (name, value) => {
    const app = await addApplication(harness);
    const id = await addEndpoint(harness, app);
    const reply = await call('PUT', `/app/${app}/endpoint/${id}/headers`, {
      body: { headers: { [name]: value } },
    });
    expect(reply.status).toBe(422);
    expect(reply.body.detail[0].loc).toEqual(['body', 'headers', name]);
    expect((await call('GET', `/app/${app}/endpoint/${id}/headers`)).body.headers).toEqual({});
  });
});

describe('what an endpoint may not be', () => {
  const secretOf = (bytes: number) => `whsec_${Buffer.alloc(bytes, 1).toString('base64')}`;
  it.each<[string, Record<string, unknown>, string[]]>([
    ['no url', {}, ['body', 'url']],
    ['a bad url', { url: 'not a url' }, ['body', 'url']],
    ['another scheme', { url: 'ftp://a.test' }, ['body', 'url']],
    ['a script', { url: 'javascript:alert(1)' }, ['body', 'url']],
    ['a url that the guard refuses', { url: 'https://blocked.test/' }, ['body', 'url']],
    ['a url that is no text', { url: 5 }, ['body', 'url']],
    ['an unknown event type', { url: 'https://a.test', eventTypes: ['no.such'] }, ['body', 'eventTypes']],
    ['an empty filter', { url: 'https://a.test', eventTypes: [] }, ['body', 'eventTypes']],
    [
      'a bad event type',
      { url: 'https://a.test', filterTypes: ['ok', '&bad'] },
      ['body', 'filterTypes', '[1]', '__all__'],
    ],
    ['no channels', { url: 'https://a.test', channels: [] }, ['body', 'channels']],
    ['eleven channels', { url: 'https://a.test', channels: 'abcdefghijk'.split('') }, ['body', 'channels']],
    ['a bad channel', { url: 'https://a.test', channels: ['a b'] }, ['body', 'channels', '[0]', '__all__']],
    ['a uid like an id', { url: 'https://a.test', uid: 'ep_x' }, ['body', 'uid', '__all__']],
    ['a uid with blanks', { url: 'https://a.test', uid: 'a b' }, ['body', 'uid', '__all__']],
    ['an empty uid', { url: 'https://a.test', uid: '' }, ['body', 'uid', '__all__']],
    ['a long uid', { url: 'https://a.test', uid: 'u'.repeat(257) }, ['body', 'uid', '__all__']],
    ['a rate of zero', { url: 'https://a.test', throttleRate: 0 }, ['body', 'throttleRate']],
    ['a rate beyond 16 bits', { url: 'https://a.test', rateLimit: 65_536 }, ['body', 'rateLimit']],
    ['half a rate', { url: 'https://a.test', rateLimit: 1.5 }, ['body', 'rateLimit']],
    ['version 0', { url: 'https://a.test', version: 0 }, ['body', 'version']],
    ['a short secret', { url: 'https://a.test', secret: secretOf(23) }, ['body', 'secret', '__all__']],
    ['a long secret', { url: 'https://a.test', secret: secretOf(76) }, ['body', 'secret', '__all__']],
    [
      'a secret without prefix',
      { url: 'https://a.test', secret: secretOf(24).slice(6) },
      ['body', 'secret', '__all__'],
    ],
    [
      'a secret that is no Base64',
      { url: 'https://a.test', secret: `whsec_${'!'.repeat(32)}` },
      ['body', 'secret', '__all__'],
    ],
    [
      'a pair that does not belong together',
      { url: 'https://a.test', secret: `whsk_${Buffer.alloc(64, 3).toString('base64')}` },
      ['body', 'secret', '__all__'],
    ],
    [
      'metadata of 5 kB',
      { url: 'https://a.test', metadata: { a: 'x'.repeat(5000) } },
      ['body', 'metadata', '__all__'],
    ],
    ['metadata of numbers', { url: 'https://a.test', metadata: { a: 1 } }, ['body', 'metadata', 'a']],
    ['a bell in the description', { url: 'https://a.test', description: 'a\u0007' }, ['body', 'description']],
    ['a wrong e-mail', { url: 'https://a.test', ownerEmail: 'nobody' }, ['body', 'ownerEmail']],
    ['a wrong policy', { url: 'https://a.test', retryPolicy: [-1] }, ['body', 'retryPolicy']],
    ['forbidden headers', { url: 'https://a.test', headers: { host: 'x' } }, ['body', 'headers', 'host']],
  ])('refuses %s', async (_what, body, loc) => {
    const app = await addApplication(harness);
    const reply = await call('POST', `/app/${app}/endpoint`, { body });
    expect(reply.status).toBe(422);
    expect(reply.body.detail[0]).toEqual({
      loc,
      msg: expect.any(String),
      type: expect.stringMatching(/^value_error/),
    });
    expect((await call('GET', `/app/${app}/endpoint`)).body.data).toEqual([]);
  });
});
