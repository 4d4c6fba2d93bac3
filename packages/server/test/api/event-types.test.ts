import { describe, expect, it } from 'vitest';
import { addApplication } from './fixtures.ts';
import { useApi } from './harness.ts';

const harness = useApi();
const { call } = harness;

const names = (reply: { body: { data: { name: string }[] } }): string[] =>
  reply.body.data.map(({ name }) => name);

describe('event types', () => {
  it('creates and reads, with schemas as they came', async () => {
    const schemas = { 1: { type: 'object', properties: { z: { type: 'string' }, a: { const: 1 } } } };
    const created = await call('POST', '/event-type', {
      body: {
        name: 'user.signup',
        description: 'A user has signed up',
        schemas,
        featureFlags: ['beta'],
        groupName: 'user',
        retryPolicy: [1],
      },
    });
    expect(created.status).toBe(201);
    expect(created.body).toEqual({
      name: 'user.signup',
      description: 'A user has signed up',
      archived: false,
      deprecated: false,
      schemas,
      createdAt: expect.any(String),
      updatedAt: expect.any(String),
      featureFlag: 'beta',
      featureFlags: ['beta'],
      groupName: 'user',
      retryPolicy: { kind: 'list', waitsSeconds: [1] },
    });
    expect((await call('GET', '/event-type/user.signup')).text).toBe(created.text);
  });

  it('answers 409 for a live one and takes an archived one back', async () => {
    await call('POST', '/event-type', { body: { name: 'back', description: 'one' } });
    const twice = await call('POST', '/event-type', { body: { name: 'back', description: 'two' } });
    expect([twice.status, twice.body.code]).toEqual([409, 'event_type_exists']);
    expect((await call('DELETE', '/event-type/back')).status).toBe(204);
    expect((await call('GET', '/event-type/back')).body.archived).toBe(true);
    const again = await call('POST', '/event-type', { body: { name: 'back', description: 'two' } });
    expect([again.status, again.body.archived, again.body.description]).toEqual([201, false, 'two']);
    expect((await call('DELETE', '/event-type/back?expunge=true')).status).toBe(204);
    expect((await call('GET', '/event-type/back')).status).toBe(404);
    expect((await call('DELETE', '/event-type/back')).status).toBe(404);
  });

  it('upserts and patches', async () => {
    const made = await call('PUT', '/event-type/put.me', { body: { description: 'x', deprecated: true } });
    expect([made.status, made.body.deprecated]).toEqual([201, true]);
    const put = await call('PUT', '/event-type/put.me', { body: { description: 'y' } });
    expect([put.status, put.body.deprecated, put.body.description]).toEqual([200, false, 'y']);
    const patched = await call('PATCH', '/event-type/put.me', { body: { archived: true, groupName: 'g' } });
    expect(patched.body).toMatchObject({ description: 'y', archived: true, groupName: 'g' });
    expect((await call('PATCH', '/event-type/none', { body: {} })).status).toBe(404);
  });

  it('lists by name, both ways, without archived ones and without schemas unless asked', async () => {
    const { token } = await harness.newOrg();
    for (const name of ['d', 'b', 'a', 'c']) {
      await call('POST', '/event-type', { token, body: { name, description: '', schemas: { 1: true } } });
    }
    await call('DELETE', '/event-type/b', { token });
    const all = await call('GET', '/event-type', { token });
    expect(names(all)).toEqual(['a', 'c', 'd']);
    expect(all.body.data[0].schemas).toBeNull();
    expect(names(await call('GET', '/event-type?include_archived=true&limit=2', { token }))).toEqual([
      'a',
      'b',
    ]);
    const next = await call('GET', '/event-type?limit=1&iterator=a', { token });
    expect([names(next), next.body.prevIterator]).toEqual([['c'], '-c']);
    expect(names(await call('GET', '/event-type?iterator=-d', { token }))).toEqual(['a', 'c']);
    const full = await call('GET', '/event-type?with_content=true', { token });
    expect(full.body.data[0].schemas).toEqual({ 1: true });
  });

  it('shows an application only what its feature flags allow', async () => {
    const app = await addApplication(harness);
    await call('POST', '/event-type', { body: { name: 'flag.a', description: '', featureFlag: 'a' } });
    await call('POST', '/event-type', { body: { name: 'flag.b', description: '', featureFlags: ['b'] } });
    await call('POST', '/event-type', { body: { name: 'flag.none', description: '' } });
    const seen = async (flags?: string[]) =>
      names(await call('GET', '/event-type', { token: await harness.appToken(app, flags) })).filter((name) =>
        name.startsWith('flag.'),
      );
    expect(await seen()).toEqual(['flag.a', 'flag.b', 'flag.none']);
    expect(await seen([])).toEqual(['flag.none']);
    expect(await seen(['a'])).toEqual(['flag.a', 'flag.none']);
    const hidden = await call('GET', '/event-type/flag.b', { token: await harness.appToken(app, ['a']) });
    expect(hidden.status).toBe(404);
  });

  it.each<[string, Record<string, unknown>, string[]]>([
    ['no name', { description: 'x' }, ['body', 'name']],
    ['no description', { name: 'n' }, ['body', 'description']],
    ['a bad name', { name: 'a/b', description: 'x' }, ['body', 'name', '__all__']],
    ['a name of 257', { name: 'n'.repeat(257), description: 'x' }, ['body', 'name', '__all__']],
    [
      'a schema that is none',
      { name: 'n', description: 'x', schemas: { 1: { type: 'nonsense' } } },
      ['body', 'schemas', '1'],
    ],
    ['schemas that are no map', { name: 'n', description: 'x', schemas: [] }, ['body', 'schemas']],
    [
      'a flag that is no name',
      { name: 'n', description: 'x', featureFlags: ['a b'] },
      ['body', 'featureFlags', '[0]', '__all__'],
    ],
  ])('refuses %s', async (_what, body, loc) => {
    const { token } = await harness.newOrg();
    const reply = await call('POST', '/event-type', { token, body });
    expect(reply.status).toBe(422);
    expect(reply.body.detail[0].loc).toEqual(loc);
    expect((await call('GET', '/event-type', { token })).body.data).toEqual([]);
  });
});
