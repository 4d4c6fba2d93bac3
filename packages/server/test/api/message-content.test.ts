import { describe, expect, it } from 'vitest';
import { addApplication, addEndpoint, addMessage, makeDay } from './fixtures.ts';
import { useApi } from './harness.ts';
import type { Reply } from './harness.ts';
import { refusalOf, useSvix } from './sdk-clients.ts';

const harness = useApi();
const { call } = harness;
const svix = useSvix(harness);

const idsOf = (reply: { body: { data: { id: string }[] } }): string[] => reply.body.data.map(({ id }) => id);
const locOf = (reply: Reply): string[] => reply.body['detail'][0].loc;

const payloadsOf = async (app: string) => {
  const { rows } = await harness.pool.query(
    'select id, payload is null as gone, payload_sha256 from message where app_id = $1 order by id',
    [app],
  );
  return rows;
};

describe('raw payloads', () => {
  it('come as the posted text, or as base64 where they are no text', async () => {
    const app = await addApplication(harness);
    const payload = '{ "b": 1.0, "a":"\\u0000", "b": 2 }';
    await addMessage(harness, app, { payload, eventId: 'evt' });
    expect((await call('GET', `/app/${app}/msg/evt/raw`)).body).toEqual({ payload });
    const binary = await addMessage(harness, app, { payload: Buffer.from([0xff, 0x00]) });
    expect((await call('GET', `/app/${app}/msg/${binary}/raw`)).body).toEqual({
      payload: '/wA=',
      encoding: 'base64',
    });
    await svix().message.expungeContent(app, 'evt');
    const gone = await call('GET', `/app/${app}/msg/evt/raw`);
    expect([gone.status, gone.body.code]).toEqual([400, 'missing_payload']);
    expect((await call('GET', `/app/${app}/msg/none/raw`)).status).toBe(404);
    const { token } = await harness.newOrg();
    expect((await call('GET', `/app/${app}/msg/${binary}/raw`, { token })).status).toBe(404);
  });
});

describe('expunging many', () => {
  it('deletes the payloads of those that are there, by id or event id, and tells of the others', async () => {
    const app = await addApplication(harness, 'bulk');
    const other = await addApplication(harness);
    const first = await addMessage(harness, app);
    const second = await addMessage(harness, app, { eventId: 'second' });
    const kept = await addMessage(harness, app, { eventId: 'kept' });
    const foreign = await addMessage(harness, other, { eventId: 'foreign' });
    const ids = [first, 'second', 'nobody', foreign, 'foreign'];
    expect((await svix().message.bulkExpungeContent('bulk', { ids })).results).toEqual({
      [first]: 'expunged',
      second: 'expunged',
      nobody: 'not-found',
      [foreign]: 'not-found',
      foreign: 'not-found',
    });
    expect(await payloadsOf(app)).toEqual([
      { id: first, gone: true, payload_sha256: expect.stringMatching(/^[0-9a-f]{64}$/) },
      { id: second, gone: true, payload_sha256: expect.any(String) },
      { id: kept, gone: false, payload_sha256: null },
    ]);
    expect((await payloadsOf(other)).map(({ gone }) => gone)).toEqual([false]);
    expect((await svix().message.bulkExpungeContent('bulk', { ids: [first] })).results).toEqual({
      [first]: 'expunged',
    });
    const none = await call('POST', '/app/bulk/msg/bulk-expunge', { body: { ids: [] } });
    expect([none.status, none.body]).toEqual([200, { results: {} }]);
    // Whoever means to delete and misspells it must not believe that it is done.
    for (const request of [{ body: {} }, { body: { id: [first] } }, {}]) {
      expect((await call('POST', '/app/bulk/msg/bulk-expunge', request)).status).toBe(422);
    }
  });

  it('refuses what is no id, too many of them, and the tokens of applications', async () => {
    const app = await addApplication(harness);
    const at = `/app/${app}/msg/bulk-expunge`;
    const bad = await call('POST', at, { body: { ids: ['a b'] } });
    expect([bad.status, locOf(bad)]).toEqual([422, ['body', 'ids', '[0]', '__all__']]);
    const many = await call('POST', at, { body: { ids: Array.from({ length: 1001 }, (_, n) => `m${n}`) } });
    expect([many.status, locOf(many)]).toEqual([422, ['body', 'ids']]);
    const token = await harness.appToken(app);
    for (const path of [at, `/app/${app}/msg/expunge-all-contents`]) {
      expect((await call('POST', path, { token, body: { ids: [] } })).status).toBe(403);
      const { token: stranger } = await harness.newOrg();
      expect((await call('POST', path, { token: stranger, body: {} })).status).toBe(404);
    }
  });

  it('deletes all of an application in a task that goes on where it was', async () => {
    const app = await addApplication(harness);
    const other = await addApplication(harness);
    for (let i = 0; i < 7; i++) await addMessage(harness, app);
    await addMessage(harness, other);
    const started = await svix().message.expungeAllContents(app);
    expect(started).toMatchObject({ task: 'application.purge_content', status: 'running' });
    await makeDay(harness, harness.nowMs() + 60_000);
    const later = await addMessage(harness, app, { atMs: harness.nowMs() + 60_000 });
    await harness.store.tasks.workOne(3, async () => null);
    expect((await svix().backgroundTask.get(started.id)).data).toMatchObject({ messagesPurged: 3 });
    expect((await payloadsOf(app)).filter(({ gone }) => gone)).toHaveLength(3);
    await harness.runTasks(3);
    expect(await svix().backgroundTask.get(started.id)).toMatchObject({
      status: 'finished',
      data: { messagesPurged: 7, appId: app },
    });
    expect((await payloadsOf(app)).filter(({ gone }) => !gone)).toMatchObject([{ id: later }]);
    expect((await payloadsOf(other)).map(({ gone }) => gone)).toEqual([false]);
  });
});

describe('search', () => {
  it('lists by criteria in the body, without content unless asked', async () => {
    const app = await addApplication(harness);
    const ids: string[] = [];
    for (let i = 0; i < 5; i++) {
      ids.unshift(
        await addMessage(harness, app, {
          eventType: i % 2 === 0 ? 'even' : 'odd',
          channels: i < 3 ? ['low'] : null,
          tags: i === 0 ? ['first'] : null,
        }),
      );
    }
    const search = (body: unknown) => call('POST', `/app/${app}/msg/search`, { body });
    const all = await search({});
    expect([idsOf(all), all.body.done, all.body.data[0].payload]).toEqual([ids, true, {}]);
    expect((await search({ with_content: true, limit: 1 })).body.data[0].payload).toEqual({ n: 1 });
    expect(idsOf(await search({ event_types: ['even'] }))).toEqual([ids[0], ids[2], ids[4]]);
    expect(idsOf(await search({ channel: 'low', tag: null }))).toEqual(ids.slice(2));
    expect(idsOf(await search({ tag: 'first', channel: 'low', event_types: ['even'] }))).toEqual([ids[4]]);
    const first = await search({ limit: 2 });
    expect([idsOf(first), first.body.done]).toEqual([ids.slice(0, 2), false]);
    expect(idsOf(await search({ limit: 2, iterator: first.body.iterator }))).toEqual(ids.slice(2, 4));
    expect(idsOf(await search({ before: new Date(harness.nowMs() - 60_000).toISOString() }))).toEqual([]);
    expect(idsOf(await call('POST', `/app/${app}/msg/search`))).toEqual(ids);
    for (const [body, loc] of [
      [{ limit: 251 }, ['body', 'limit']],
      [{ tag: 'a b' }, ['body', 'tag', '__all__']],
      [{ event_types: ['a', 'b c'] }, ['body', 'event_types', '[1]', '__all__']],
      [{ after: 'yesterday' }, ['body', 'after']],
      [{ iterator: 'a/b' }, ['body', 'iterator', '__all__']],
    ] as const) {
      const reply = await search(body);
      expect([reply.status, locOf(reply)]).toEqual([422, loc]);
    }
    const { token } = await harness.newOrg();
    expect((await call('POST', `/app/${app}/msg/search`, { token, body: {} })).status).toBe(404);
  });

  it('walks a bounded number of rows a request', async () => {
    const app = await addApplication(harness);
    const needle = await addMessage(harness, app, { tags: ['needle'], atMs: harness.nowMs() - 60_000 });
    await harness.pool.query(
      `insert into message (id, app_id, org_id, event_type, payload, content_type, retention_days, created_at)
       select 'msg_' || substr($2, 5, 20) || lpad((n + 4000000)::text, 7, '0'), $1, $3, 'hay', '{}', 'application/json', 90, now()
       from generate_series(1, 10500) n`,
      [app, harness.ids('message'), harness.org],
    );
    const search = (body: unknown) => call('POST', `/app/${app}/msg/search`, { body });
    const none = await search({ tag: 'needle' });
    expect(none.body).toMatchObject({ data: [], done: false });
    expect(idsOf(await search({ tag: 'needle', iterator: none.body.iterator }))).toEqual([needle]);
  });
});

describe('precheck', () => {
  it('says whether an enabled endpoint takes the event type and a channel', async () => {
    const app = await addApplication(harness, 'checked');
    const active = async (eventType: string, channels?: string[]) =>
      (
        await svix().message.precheck('checked', {
          eventType,
          ...(channels === undefined ? {} : { channels }),
        })
      ).active;
    expect(await active('a')).toBe(false);
    await call('POST', '/event-type', { body: { name: 'a', description: '' } });
    const endpoint = await addEndpoint(harness, app, { eventTypes: ['a'], channels: ['c', 'd'] });
    expect(await active('a', ['x', 'd'])).toBe(true);
    expect(await active('b', ['d'])).toBe(false);
    expect(await active('a', ['x'])).toBe(false);
    expect(await active('a')).toBe(false);
    await call('PATCH', `/app/checked/endpoint/${endpoint}`, { body: { disabled: true } });
    expect(await active('a', ['d'])).toBe(false);
    const open = await addEndpoint(harness, app);
    expect(await active('whatever')).toBe(true);
    await call('DELETE', `/app/checked/endpoint/${open}`);
    expect(await active('whatever')).toBe(false);
    const refused = await refusalOf(svix().message.precheck('checked', { eventType: 'a b' }));
    expect(refused).toMatchObject({
      code: 422,
      body: { detail: [{ loc: ['body', 'eventType', '__all__'] }] },
    });
    const { token } = await harness.newOrg();
    expect((await refusalOf(svix(token).message.precheck('checked', { eventType: 'a' }))).code).toBe(404);
  });
});
