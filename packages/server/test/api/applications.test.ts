import { describe, expect, it } from 'vitest';
import { addApplication, addEndpoint } from './fixtures.ts';
import { useApi } from './harness.ts';

const harness = useApi();
const { call } = harness;

describe('applications', () => {
  it('creates, reads by id and uid, and shows exactly the documented fields', async () => {
    const created = await call('POST', '/app', {
      body: { name: 'Acme', uid: 'acme-1', throttleRate: 10, metadata: { plan: 'gold' }, unknownField: 1 },
    });
    expect(created.status).toBe(201);
    expect(created.body).toEqual({
      uid: 'acme-1',
      name: 'Acme',
      throttleRate: 10,
      rateLimit: 10,
      id: expect.stringMatching(/^app_[A-Za-z0-9]{27}$/),
      createdAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
      updatedAt: created.body.createdAt,
      metadata: { plan: 'gold' },
    });
    expect((await call('GET', `/app/${created.body.id}`)).body).toEqual(created.body);
    expect((await call('GET', '/app/acme-1/')).body).toEqual(created.body);
  });

  it('answers 409 for a taken uid, and 200 with the present one under get_if_exists', async () => {
    const first = await addApplication(harness, 'twice');
    const again = await call('POST', '/app', { body: { name: 'b', uid: 'twice' } });
    expect(again.status).toBe(409);
    expect(again.body).toEqual({
      code: 'conflict',
      detail: 'An application with that id or uid already exists',
    });
    const got = await call('POST', '/app?get_if_exists=true', { body: { name: 'b', uid: 'twice' } });
    expect([got.status, got.body.id, got.body.name]).toEqual([200, first, 'an application']);
    const made = await call('POST', '/app?get_if_exists=true', { body: { name: 'b', uid: 'not-yet' } });
    expect(made.status).toBe(201);
  });

  it('upserts by PUT: updates what is there, creates under an id of its own what is not', async () => {
    const id = await addApplication(harness, 'upserted');
    const updated = await call('PUT', '/app/upserted', { body: { name: 'new', uid: 'upserted-2' } });
    expect([updated.status, updated.body.id, updated.body.uid]).toEqual([200, id, 'upserted-2']);
    const created = await call('PUT', '/app/nobody', { body: { name: 'fresh' } });
    expect(created.status).toBe(201);
    expect(created.body).not.toHaveProperty('uid');
    const cleared = await call('PUT', `/app/${id}`, { body: { name: 'new' } });
    expect(cleared.body).not.toHaveProperty('uid');
  });

  it('patches only what is named, and null clears', async () => {
    const id = await addApplication(harness, 'patched');
    const patched = await call('PATCH', `/app/${id}`, { body: { throttleRate: 5, metadata: { a: 'b' } } });
    expect(patched.body).toMatchObject({ name: 'an application', uid: 'patched', throttleRate: 5 });
    const cleared = await call('PATCH', `/app/${id}`, { body: { throttleRate: null, uid: null } });
    expect(cleared.body).toMatchObject({ throttleRate: null, metadata: { a: 'b' } });
    expect(cleared.body).not.toHaveProperty('uid');
    await addApplication(harness, 'taken-by-other');
    const taken = await call('PATCH', `/app/${id}`, { body: { uid: 'taken-by-other' } });
    expect([taken.status, taken.body.code]).toEqual([409, 'conflict']);
  });

  it('deletes softly: its uid is free, its endpoints are gone, its configuration version rose', async () => {
    const id = await addApplication(harness, 'mortal');
    const endpoint = await addEndpoint(harness, id);
    expect((await call('DELETE', `/app/${id}`)).status).toBe(204);
    expect((await call('GET', `/app/${id}`)).status).toBe(404);
    expect((await call('GET', '/app/mortal')).body).toEqual({
      code: 'not_found',
      detail: 'Entity not found',
    });
    expect((await call('DELETE', `/app/${id}`)).status).toBe(404);
    expect(harness.changes.at(-1)).toEqual({
      orgId: harness.org,
      applicationId: id,
      endpointIds: [endpoint],
    });
    const { rows } = await harness.pool.query(
      `select a.config_version::int, e.deleted_at is not null as deleted
       from application a join endpoint e on e.app_id = a.id where a.id = $1`,
      [id],
    );
    expect(rows).toEqual([{ config_version: 3, deleted: true }]);
    expect(await addApplication(harness, 'mortal')).not.toBe(id);
  });

  it('lists in order with iterators both ways', async () => {
    const { token } = await harness.newOrg();
    const ids: string[] = [];
    for (let i = 0; i < 7; i++) ids.push(await addApplication(harness, undefined, token));
    const [oldest, newest] = [ids[0]!, ids[6]!];
    const first = await call('GET', '/app?limit=3', { token });
    expect(first.body.data.map((app: { id: string }) => app.id)).toEqual(ids.slice(0, 3));
    expect(first.body).toMatchObject({ iterator: ids[2], prevIterator: `-${oldest}`, done: false });
    const second = await call('GET', `/app?limit=3&iterator=${first.body.iterator}`, { token });
    expect(second.body.data.map((app: { id: string }) => app.id)).toEqual(ids.slice(3, 6));
    const last = await call('GET', `/app?limit=3&iterator=${second.body.iterator}`, { token });
    expect(last.body).toMatchObject({ iterator: ids[6], done: true });
    const back = await call('GET', `/app?limit=2&iterator=${last.body.prevIterator}`, { token });
    expect(back.body.data.map((app: { id: string }) => app.id)).toEqual(ids.slice(4, 6));
    expect(back.body.done).toBe(false);
    const down = await call('GET', '/app?limit=2&order=descending', { token });
    expect(down.body.data.map((app: { id: string }) => app.id)).toEqual([ids[6], ids[5]]);
    const beyond = await call('GET', `/app?iterator=${newest}`, { token });
    expect(beyond.body).toEqual({ data: [], iterator: null, done: true });
  });

  it('leaves applications out that have no endpoint, or none that is enabled', async () => {
    const { token } = await harness.newOrg();
    await addApplication(harness, undefined, token);
    const withDisabled = await addApplication(harness, undefined, token);
    await call('POST', `/app/${withDisabled}/endpoint`, {
      token,
      body: { url: 'https://a.test', disabled: true },
    });
    const some = await call('GET', '/app?exclude_apps_with_no_endpoints=true', { token });
    expect(some.body.data.map((app: { id: string }) => app.id)).toEqual([withDisabled]);
    const none = await call('GET', '/app?exclude_apps_with_disabled_endpoints=true', { token });
    expect(none.body.data).toEqual([]);
  });
});
