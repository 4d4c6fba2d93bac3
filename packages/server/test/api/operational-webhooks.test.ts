import { beforeEach, describe, expect, it } from 'vitest';
import { operationalEventTypes, operationalOrgId } from '../../src/domain/operational.ts';
import { ownEvents } from '../../src/api/own-events.ts';
import { addApplication } from './fixtures.ts';
import { useApi } from './harness.ts';
import type { Call } from './harness.ts';

const harness = useApi();
const { call } = harness;
const PATH = '/operational-webhook/endpoint';
const url = 'https://hooks.test/operational';

/** An organisation of its own for each test. */
let mine: Pick<Call, 'token'>;
let org: string;
beforeEach(async () => {
  const made = await harness.newOrg();
  mine = { token: made.token };
  org = made.org;
});

const noted = async (): Promise<{ type: string; data: Record<string, unknown> }[]> => {
  const { rows } = await harness.pool.query(
    'select org_id, type, payload from operational_event where org_id = $1 order by id',
    [org],
  );
  return rows.map(({ type, payload }) => {
    // As the OpenAPI document has it.
    ownEvents.find((event) => event.type === type)!.body.parse(JSON.parse(payload));
    return JSON.parse(payload);
  });
};

it('the documented event types are those that are sent', () => {
  expect(ownEvents.map(({ type }) => type)).toEqual([...operationalEventTypes]);
});

describe('endpoints for operational events', () => {
  it('are made, read, changed and deleted', async () => {
    expect((await call('GET', PATH, mine)).body).toEqual({ data: [], iterator: null, done: true });
    const created = await call('POST', PATH, {
      ...mine,
      body: {
        url,
        uid: 'ours',
        description: 'd',
        throttleRate: 7,
        eventTypes: ['message.attempt.failing'],
        metadata: { a: 'b' },
        headers: { 'x-a': '1' },
      },
    });
    expect(created.status).toBe(201);
    const shown = {
      id: expect.stringMatching(/^ep_[A-Za-z0-9]{27}$/),
      url,
      uid: 'ours',
      description: 'd',
      rateLimit: 7,
      throttleRate: 7,
      disabled: false,
      eventTypes: ['message.attempt.failing'],
      filterTypes: ['message.attempt.failing'],
      metadata: { a: 'b' },
      createdAt: expect.any(String),
      updatedAt: expect.any(String),
      delivering: { state: 'active' },
    };
    expect(created.body).toEqual(shown);
    for (const at of [`${PATH}/ours`, `${PATH}/${created.body.id}`]) {
      expect((await call('GET', at, mine)).body).toEqual(created.body);
    }
    expect((await call('GET', PATH, mine)).body).toEqual({
      data: [created.body],
      iterator: created.body.id,
      prevIterator: `-${created.body.id}`,
      done: true,
    });
    expect((await call('GET', `${PATH}/ours/headers`, mine)).body).toEqual({
      headers: { 'x-a': '1' },
      sensitive: [],
    });
    const put = await call('PUT', `${PATH}/ours`, { ...mine, body: { url, uid: 'ours', disabled: true } });
    expect(put.status).toBe(200);
    expect(put.body).toEqual({
      ...shown,
      id: created.body.id,
      description: '',
      rateLimit: null,
      throttleRate: null,
      disabled: true,
      delivering: { state: 'disabled' },
      eventTypes: null,
      filterTypes: null,
      metadata: {},
    });
    const headers = { ...mine, body: { headers: { 'x-b': '2', authorization: 'secret' } } };
    expect((await call('PUT', `${PATH}/ours/headers`, headers)).status).toBe(204);
    expect((await call('GET', `${PATH}/ours/headers`, mine)).body).toEqual({
      headers: { 'x-b': '2' },
      sensitive: ['authorization'],
    });
    const secret = (await call('GET', `${PATH}/ours/secret`, mine)).body['key'];
    expect(secret).toMatch(/^whsec_/);
    expect((await call('POST', `${PATH}/ours/secret/rotate`, { ...mine, body: {} })).status).toBe(204);
    expect((await call('GET', `${PATH}/ours/secret`, mine)).body['key']).not.toBe(secret);
    expect((await call('DELETE', `${PATH}/ours`, mine)).status).toBe(204);
    expect((await call('GET', `${PATH}/ours`, mine)).status).toBe(404);
    expect((await call('PUT', `${PATH}/new`, { ...mine, body: { url } })).status).toBe(201);
  });

  it('take only the event types that there are', async () => {
    const reply = await call('POST', PATH, { ...mine, body: { url, eventTypes: ['user.created'] } });
    expect([reply.status, reply.body['detail'][0].loc]).toEqual([422, ['body', 'eventTypes']]);
    const empty = await call('POST', PATH, { ...mine, body: { url, eventTypes: [] } });
    expect(empty.status).toBe(422);
  });

  it('are the organisation’s own, and nobody lists what they hang on', async () => {
    const created = await call('POST', PATH, { ...mine, body: { url, uid: 'ours' } });
    const other = await harness.newOrg();
    expect((await call('GET', PATH, { token: other.token })).body.data).toEqual([]);
    for (const at of [`${PATH}/ours`, `${PATH}/${created.body.id}`]) {
      expect((await call('GET', at, { token: other.token })).status).toBe(404);
    }
    expect((await call('GET', '/app', mine)).body.data).toEqual([]);
    const hidden = await harness.store.applications.find(operationalOrgId, org);
    for (const idOrUid of [org, hidden!.id]) {
      expect((await call('GET', `/app/${idOrUid}`, mine)).status).toBe(404);
      expect((await call('GET', `/app/${idOrUid}/endpoint`, mine)).status).toBe(404);
    }
    const app = await addApplication(harness, 'mine', mine.token ?? undefined);
    expect((await call('GET', `/app/${app}/endpoint/${created.body.id}`, mine)).status).toBe(404);
  });

  it('are not for an application’s token', async () => {
    const token = await harness.appToken(await addApplication(harness));
    for (const [method, path] of [
      ['GET', PATH],
      ['POST', PATH],
      ['GET', `${PATH}/x/secret`],
    ] as const) {
      const body = method === 'GET' ? {} : { body: { url } };
      expect((await call(method, path, { ...body, token })).status).toBe(403);
    }
  });
});

describe('what is noted with a change', () => {
  const addMine = async () => {
    const app = await call('POST', '/app', { ...mine, body: { name: 'a', uid: 'customer' } });
    return app.body.id;
  };
  const addTheirs = (app: string, uid: string | null = 'theirs') =>
    call('POST', `/app/${app}/endpoint`, { ...mine, body: { url, uid } });

  it('is nothing where nobody listens', async () => {
    const app = await addMine();
    await addTheirs(app);
    await call('PATCH', `/app/${app}/endpoint/theirs`, { ...mine, body: { disabled: true } });
    await call('DELETE', `/app/${app}`, mine);
    expect(await noted()).toEqual([]);
    // Nor where nobody listens any more.
    await call('POST', PATH, { ...mine, body: { url, uid: 'ours' } });
    await call('DELETE', `${PATH}/ours`, mine);
    const again = await addMine();
    await addTheirs(again);
    expect(await noted()).toEqual([]);
  });

  it('is each change of an endpoint, once', async () => {
    await call('POST', PATH, { ...mine, body: { url } });
    const app = await addMine();
    const theirs = (await addTheirs(app)).body.id;
    const at = `/app/${app}/endpoint/${theirs}`;
    await call('PATCH', at, { ...mine, body: { description: 'x' } });
    await call('PATCH', at, { ...mine, body: { disabled: true } });
    await call('PUT', at, { ...mine, body: { url, uid: 'renamed' } });
    await call('PUT', `${at}/headers`, { ...mine, body: { headers: { 'x-a': 'b' } } });
    await call('POST', `${at}/secret/rotate`, { ...mine, body: {} });
    // Refused, so not a change.
    await call('PATCH', at, { ...mine, body: { url: 'ftp://x' } });
    await call('DELETE', at, mine);
    const data = { appId: app, appUid: 'customer', endpointId: theirs, endpointUid: 'theirs' };
    const renamed = { ...data, endpointUid: 'renamed' };
    expect(await noted()).toEqual([
      { type: 'endpoint.created', data },
      { type: 'endpoint.updated', data },
      { type: 'endpoint.updated', data },
      { type: 'endpoint.disabled', data: { ...data, failSince: null, trigger: 'manual' } },
      { type: 'endpoint.updated', data: renamed },
      { type: 'endpoint.enabled', data: renamed },
      { type: 'endpoint.updated', data: renamed },
      { type: 'endpoint.updated', data: renamed },
      { type: 'endpoint.deleted', data: renamed },
    ]);
  });

  it('is the end of every endpoint of a deleted application', async () => {
    await call('POST', PATH, { ...mine, body: { url } });
    const app = await addMine();
    const ids = [(await addTheirs(app, null)).body.id, (await addTheirs(app, null)).body.id];
    await call('DELETE', `/app/${app}`, mine);
    const deleted = (await noted()).filter(({ type }) => type === 'endpoint.deleted');
    expect(deleted.map(({ data }) => String(data['endpointId'])).toSorted()).toEqual(ids.toSorted());
    expect(deleted[0]?.data).toEqual({
      appId: app,
      appUid: 'customer',
      endpointId: expect.any(String),
      endpointUid: null,
    });
  });

  it('is not what happens to the endpoints for it', async () => {
    const created = await call('POST', PATH, { ...mine, body: { url, uid: 'ours' } });
    await call('PUT', `${PATH}/ours`, { ...mine, body: { url, disabled: true } });
    await call('DELETE', `${PATH}/${created.body.id}`, mine);
    expect(
      (await harness.pool.query('select 1 from operational_event where org_id = $1', [operationalOrgId]))
        .rows,
    ).toEqual([]);
    expect(await noted()).toEqual([]);
  });

  it('goes with the change: neither is there without the other', async () => {
    await call('POST', PATH, { ...mine, body: { url } });
    const app = await addMine();
    await harness.pool.query(
      'alter table operational_event add constraint planted check (org_id <> $$' + org + '$$)',
    );
    try {
      expect((await addTheirs(app)).status).toBe(500);
      expect((await call('GET', `/app/${app}/endpoint`, mine)).body.data).toEqual([]);
    } finally {
      await harness.pool.query('alter table operational_event drop constraint planted');
      harness.reported.length = 0;
    }
  });
});

describe('a background task that ends', () => {
  const listening = async (): Promise<void> => {
    expect((await call('POST', PATH, { ...mine, body: { url } })).status).toBe(201);
  };
  const begin = async (path: string, body?: unknown): Promise<string> => {
    const begun = await call('POST', path, { ...mine, body });
    expect([path, begun.status]).toEqual([path, 202]);
    return begun.body.id;
  };
  const application = async (): Promise<string> =>
    (await call('POST', '/app', { ...mine, body: { name: 'a' } })).body.id;
  const range = { since: '2026-01-01T00:00:00.000Z', until: '2026-01-02T00:00:00.000Z' };

  it('is told of, with what came of it and without its list', async () => {
    await listening();
    const app = await application();
    const usage = await begin('/stats/usage/app', range);
    const purge = await begin(`/app/${app}/msg/expunge-all-contents`);
    expect(await noted()).toEqual([]);
    await harness.runTasks();
    const told = await noted();
    expect(told.map(({ type, data }) => [type, data['taskId'], data['task'], data['status']])).toEqual(
      expect.arrayContaining([
        ['background_task.finished', usage, 'application.stats', 'finished'],
        ['background_task.finished', purge, 'application.purge_content', 'finished'],
      ]),
    );
    expect(told.length).toBe(2);
    const of = (id: string) => told.find(({ data }) => data['taskId'] === id)!.data['data'];
    expect(of(usage)).toEqual({ since: range.since, until: range.until });
    expect(of(purge)).toMatchObject({ appId: app, messagesPurged: 0 });
  });

  it('is told of when it was canceled, once', async () => {
    await listening();
    const id = await begin('/stats/usage/app', range);
    expect((await call('POST', `/background-task/${id}/cancel`, mine)).status).toBe(200);
    expect((await call('POST', `/background-task/${id}/cancel`, mine)).status).toBe(409);
    await harness.runTasks();
    expect(await noted()).toEqual([
      {
        type: 'background_task.finished',
        data: {
          taskId: id,
          task: 'application.stats',
          status: 'failed',
          data: expect.objectContaining({ error: 'canceled' }),
        },
      },
    ]);
  });

  it('is told of when the database refuses it', async () => {
    await listening();
    const app = await application();
    const id = await begin(`/app/${app}/msg/expunge-all-contents`);
    // No chunk can be made of this: the database says so.
    await harness.pool.query(
      `update task set input = input || '{"untilMs": 8640000000000000}' where id = $1`,
      [id],
    );
    await harness.runTasks();
    const [told] = await noted();
    expect(told!.data).toMatchObject({ taskId: id, status: 'failed', data: { error: expect.any(String) } });
  });

  it('is not told of where nobody listens, or of kinds that SDKs do not know', async () => {
    await begin('/stats/usage/app', range);
    await harness.runTasks();
    await listening();
    const app = await application();
    const endpoint = await call('POST', `/app/${app}/endpoint`, { ...mine, body: { url } });
    await harness.pool.query('delete from operational_event where org_id = $1', [org]);
    const at = `/app/${app}/endpoint/${endpoint.body.id}/cancel-msgs`;
    const canceled = await call('POST', at, { ...mine, body: { createdBefore: range.until } });
    expect(canceled.status).toBe(204);
    await harness.runTasks();
    expect(await noted()).toEqual([]);
  });
});
