import { describe, expect, it } from 'vitest';
import {
  addApplication,
  addAttempt,
  addClosed,
  addEndpoint,
  addLive,
  addMessage,
  makeDay,
} from './fixtures.ts';
import { useApi } from './harness.ts';

const harness = useApi();
const { call } = harness;
const MINUTE_MS = 60_000;

const scene = async () => {
  const app = await addApplication(harness);
  const endpoint = await addEndpoint(harness, app, { uid: 'hook' });
  return { app, endpoint };
};

const letter = async (
  app: string,
  endpoint: string,
  fixture: Parameters<typeof addClosed>[4] & { payload?: null } = {},
) => {
  const message = await addMessage(harness, app, fixture.payload === null ? { payload: null } : {});
  await addClosed(harness, app, endpoint, message, fixture);
  return message;
};

const messagesOf = (reply: { body: { data: { msgId: string }[] } }) =>
  reply.body.data.map(({ msgId }) => msgId);

const liveOf = async (endpoint: string) => {
  const { rows } = await harness.pool.query(
    'select msg_id, run, state, priority, bytes from live where endpoint_id = $1 order by msg_id',
    [endpoint],
  );
  return rows;
};

describe('dead letters', () => {
  it('lists with reason, state and time; by endpoint, event type, state and time; in pages', async () => {
    const { app, endpoint } = await scene();
    const other = await addEndpoint(harness, app);
    const now = harness.nowMs();
    const a = await letter(app, endpoint, { atMs: now - 3 * MINUTE_MS, eventType: 'a' });
    const b = await letter(app, other, { atMs: now - 2 * MINUTE_MS, reason: 'endpoint_deleted' });
    const c = await letter(app, endpoint, { atMs: now - MINUTE_MS, letter: 'discarded' });
    await letter(app, endpoint, { state: 'canceled', reason: 'withdrawn' });
    const list = (query = '') => call('GET', `/app/${app}/dead-letter?${query}`);
    const all = await list();
    expect(messagesOf(all)).toEqual([c, b, a]);
    expect(all.body.data[2]).toEqual({
      msgId: a,
      endpointId: endpoint,
      run: 0,
      eventType: 'a',
      reason: 'exhausted',
      state: 'open',
      diedAt: new Date(Math.floor(now - 3 * MINUTE_MS)).toISOString(),
      changedAt: expect.any(String),
      review: null,
      replacedBy: null,
      orderingKey: null,
      blocks: false,
    });
    expect(messagesOf(await list('endpoint_id=hook'))).toEqual([c, a]);
    expect(messagesOf(await list('event_types=a'))).toEqual([a]);
    expect(messagesOf(await list('state=open'))).toEqual([b, a]);
    expect(messagesOf(await list('reason=endpoint_deleted'))).toEqual([b]);
    const since = encodeURIComponent(new Date(now - 2.5 * MINUTE_MS).toISOString());
    const until = encodeURIComponent(new Date(now - 1.5 * MINUTE_MS).toISOString());
    expect(messagesOf(await list(`since=${since}&until=${until}`))).toEqual([b]);
    for (const scope of ['', 'endpoint_id=hook&']) {
      const expected = scope === '' ? [c, b, a] : [c, a];
      const first = await list(`${scope}limit=1`);
      expect([messagesOf(first), first.body.done]).toEqual([[c], false]);
      const next = await list(`${scope}limit=5&iterator=${first.body.iterator}`);
      expect([messagesOf(next), next.body.done]).toEqual([expected.slice(1), true]);
      const back = await list(`${scope}iterator=${next.body.prevIterator}`);
      expect(messagesOf(back)).toEqual([c]);
    }
  });

  it('replays one: a new run, due now, and the letter is replayed', async () => {
    const { app, endpoint } = await scene();
    const message = await letter(app, endpoint);
    const at = `/app/${app}/dead-letter/${message}/endpoint/hook/replay`;
    const replayed = await call('POST', at);
    expect([replayed.status, replayed.body.state]).toEqual([202, 'replayed']);
    expect(await liveOf(endpoint)).toEqual([
      { msg_id: message, run: 1, state: 'waiting', priority: 1, bytes: 7 },
    ]);
    const { rows } = await harness.pool.query(
      'select next_due <= now() as due from lane where endpoint_id = $1',
      [endpoint],
    );
    expect(rows).toEqual([{ due: true }]);
    expect(harness.woken).toContain(endpoint);
    const again = await call('POST', at);
    expect([again.status, again.body.code]).toEqual([409, 'dead_letter_not_open']);
    expect(again.headers.get('content-type')).toBe('application/problem+json');
    expect(again.body).toMatchObject({ status: 409, title: expect.any(String), type: 'about:blank' });
  });

  it('refuses to replay what cannot be delivered, and leaves it open', async () => {
    const { app, endpoint } = await scene();
    const gone = await letter(app, endpoint, { payload: null });
    const post = (message: string) => call('POST', `/app/${app}/dead-letter/${message}/endpoint/hook/replay`);
    expect((await post(gone)).body.code).toBe('missing_payload');
    const message = await letter(app, endpoint);
    await call('PATCH', `/app/${app}/endpoint/hook`, { body: { disabled: true } });
    expect((await post(message)).body.code).toBe('endpoint_disabled');
    expect((await post(await addMessage(harness, app))).status).toBe(404);
    expect(await liveOf(endpoint)).toEqual([]);
    expect(messagesOf(await call('GET', `/app/${app}/dead-letter?state=open`))).toEqual([message, gone]);
  });

  it('lets one of two simultaneous replays win', async () => {
    const { app, endpoint } = await scene();
    const message = await letter(app, endpoint);
    const replies = await Promise.all(
      [1, 2, 3, 4].map(() => call('POST', `/app/${app}/dead-letter/${message}/endpoint/hook/replay`)),
    );
    expect(replies.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([202, 409, 409, 409]);
    expect(await liveOf(endpoint)).toHaveLength(1);
  });

  it('discards one', async () => {
    const { app, endpoint } = await scene();
    const message = await letter(app, endpoint);
    const discarded = await call('POST', `/app/${app}/dead-letter/${message}/endpoint/hook/discard`);
    expect([discarded.status, discarded.body.state]).toEqual([200, 'discarded']);
    const again = await call('POST', `/app/${app}/dead-letter/${message}/endpoint/hook/discard`);
    expect(again.status).toBe(409);
    expect(await liveOf(endpoint)).toEqual([]);
  });

  it('keeps who looked at it, when, and what they noted', async () => {
    const { app, endpoint } = await scene();
    const message = await letter(app, endpoint);
    const other = await letter(app, endpoint);
    const at = `/app/${app}/dead-letter/${message}/endpoint/hook`;
    const reviewed = await call('POST', `${at}/review`, {
      body: { reviewer: 'ada@acme.test', note: 'Their certificate has expired' },
    });
    expect([reviewed.status, reviewed.body]).toMatchObject([
      200,
      {
        state: 'open',
        review: { by: 'ada@acme.test', at: expect.any(String), note: 'Their certificate has expired' },
      },
    ]);
    const list = async (query: string) => messagesOf(await call('GET', `/app/${app}/dead-letter?${query}`));
    expect(await list('reviewed=true')).toEqual([message]);
    expect(await list('reviewed=false')).toEqual([other]);
    // The token says who, where nobody else does; a note stays until another is made.
    const token = await harness.appToken(app);
    const discarded = await call('POST', `${at}/discard`, { token });
    expect(discarded.body).toMatchObject({
      state: 'discarded',
      review: { by: app, note: 'Their certificate has expired' },
    });
    const again = await call('POST', `${at}/review`, { body: { note: 'For good' } });
    expect(again.body).toMatchObject({ state: 'discarded', review: { by: harness.org, note: 'For good' } });
    const replayed = await call('POST', `${at.replace(message, other)}/replay`, { body: { reviewer: 'bo' } });
    expect(replayed.body).toMatchObject({ state: 'replayed', review: { by: 'bo', note: null } });
  });

  it('refuses reviews that are too long, of what is not there, and of strangers', async () => {
    const { app, endpoint } = await scene();
    const message = await letter(app, endpoint);
    const at = `/app/${app}/dead-letter/${message}/endpoint/hook`;
    for (const [body, field] of [
      [{ note: 'x'.repeat(4001) }, 'note'],
      [{ note: 'a\u0001' }, 'note'],
      [{ reviewer: '' }, 'reviewer'],
      [{ reviewer: 5 }, 'reviewer'],
    ] as const) {
      for (const action of ['review', 'discard', 'replay']) {
        const reply = await call('POST', `${at}/${action}`, { body });
        expect([reply.status, reply.body.errors[0].loc]).toEqual([422, ['body', field]]);
      }
    }
    const { token } = await harness.newOrg();
    for (const action of ['review', 'discard', 'replay', 'edit-and-replay']) {
      const body = action === 'edit-and-replay' ? { payload: {} } : {};
      expect((await call('POST', `${at}/${action}`, { token, body })).status).toBe(404);
      const none = `/app/${app}/dead-letter/${await addMessage(harness, app)}/endpoint/hook/${action}`;
      expect((await call('POST', none, { body })).status).toBe(404);
    }
    expect((await call('GET', `/app/${app}/dead-letter`)).body.data).toMatchObject([
      { state: 'open', review: null },
    ]);
  });

  it('puts away what a deleted endpoint has left', async () => {
    const { app, endpoint } = await scene();
    const message = await letter(app, endpoint, { reason: 'endpoint_deleted' });
    await call('DELETE', `/app/${app}/endpoint/hook`);
    const at = `/app/${app}/dead-letter/${message}/endpoint/${endpoint}`;
    for (const action of ['replay', 'edit-and-replay']) {
      const body = action === 'replay' ? {} : { payload: {} };
      expect((await call('POST', `${at}/${action}`, { body })).body.code).toBe('endpoint_deleted');
    }
    expect((await call('POST', `${at}/discard`)).body.state).toBe('discarded');
    const elsewhere = await addApplication(harness);
    const stranger = `/app/${elsewhere}/dead-letter/${await addMessage(harness, elsewhere)}`;
    expect((await call('POST', `${stranger}/endpoint/${endpoint}/discard`)).status).toBe(404);
  });

  it('replays many by endpoint, event type and time, in chunks that survive a restart', async () => {
    const { app, endpoint } = await scene();
    const other = await addEndpoint(harness, app);
    const now = harness.nowMs();
    const wanted: string[] = [];
    for (let i = 0; i < 7; i++)
      wanted.push(await letter(app, endpoint, { atMs: now - 1000, eventType: 'x' }));
    await letter(app, endpoint, { atMs: now - 1000, eventType: 'y' });
    await letter(app, other, { atMs: now - 1000, eventType: 'x' });
    await letter(app, endpoint, { atMs: now - 60 * MINUTE_MS, eventType: 'x' });
    await letter(app, endpoint, { atMs: now - 1000, eventType: 'x', letter: 'discarded' });
    const started = await call('POST', `/app/${app}/dead-letter/replay`, {
      body: { since: new Date(now - MINUTE_MS).toISOString(), endpointId: 'hook', eventTypes: ['x'] },
    });
    expect(started.status).toBe(202);
    expect(started.body).toMatchObject({ task: 'application.replay', status: 'running' });
    await harness.store.tasks.workOne(3, async () => null);
    const half = await call('GET', `/background-task/${started.body.id}`);
    expect(half.body).toMatchObject({ status: 'running', data: { started: 3 } });
    await harness.runTasks(3);
    const done = await call('GET', `/background-task/${started.body.id}`);
    expect(done.body).toMatchObject({
      status: 'finished',
      data: { started: 7, skipped: 3, endpointId: endpoint },
    });
    expect((await liveOf(endpoint)).map((row) => row.msg_id)).toEqual(wanted);
    expect((await liveOf(endpoint))[0]).toMatchObject({ run: 1, priority: 2 });
    expect(await liveOf(other)).toEqual([]);
  });
});

describe('recover', () => {
  it('opens new runs for what was failing in the range, and only that', async () => {
    const { app, endpoint } = await scene();
    const now = harness.nowMs();
    const early = await letter(app, endpoint, { atMs: now - 30 * MINUTE_MS });
    const inside = await letter(app, endpoint, { atMs: now - 5 * MINUTE_MS });
    const open = await letter(app, endpoint, { atMs: now - 5 * MINUTE_MS });
    await addLive(harness, app, endpoint, open);
    const gone = await letter(app, endpoint, { atMs: now - 5 * MINUTE_MS, payload: null });
    const started = await call('POST', `/app/${app}/endpoint/hook/recover`, {
      body: { since: new Date(now - 10 * MINUTE_MS).toISOString() },
    });
    expect(started.status).toBe(202);
    expect(started.body).toEqual({
      id: expect.stringMatching(/^qtask_[A-Za-z0-9]{27}$/),
      status: 'running',
      task: 'endpoint.recover',
      updatedAt: expect.any(String),
    });
    await harness.runTasks(2);
    expect((await liveOf(endpoint)).map((row) => [row.msg_id, row.run])).toEqual([
      [inside, 1],
      [open, 0],
    ]);
    expect(messagesOf(await call('GET', `/app/${app}/dead-letter?state=open`))).toEqual(
      expect.arrayContaining([early, open, gone]),
    );
    const tasks = await call('GET', '/background-task?status=finished&task=endpoint.recover');
    expect(tasks.body.data[0]).toMatchObject({ id: started.body.id, data: { started: 1, skipped: 3 } });
    expect((await call('GET', '/background-task?task=unknown')).body.data).toEqual([]);
  });

  it('reaches two weeks back and not further', async () => {
    const { app } = await scene();
    const since = new Date(harness.nowMs() - 15 * 24 * 60 * MINUTE_MS).toISOString();
    const reply = await call('POST', `/app/${app}/endpoint/hook/recover`, { body: { since } });
    expect([reply.status, reply.body.detail[0].loc]).toEqual([422, ['body', 'since']]);
    const turned = await call('POST', `/app/${app}/endpoint/hook/recover`, {
      body: {
        since: new Date(harness.nowMs()).toISOString(),
        until: new Date(harness.nowMs() - 5000).toISOString(),
      },
    });
    expect(turned.status).toBe(422);
  });

  it('is worked on by one at a time, and never twice', async () => {
    const { app, endpoint } = await scene();
    for (let i = 0; i < 20; i++) await letter(app, endpoint);
    await call('POST', `/app/${app}/endpoint/hook/recover`, {
      body: { since: new Date(harness.nowMs() - MINUTE_MS).toISOString() },
    });
    await Promise.all([harness.runTasks(3), harness.runTasks(4), harness.runTasks(5)]);
    await harness.runTasks(5);
    expect(await liveOf(endpoint)).toHaveLength(20);
    const [task] = (await call('GET', '/background-task?limit=1')).body.data;
    expect(task).toMatchObject({ status: 'finished', data: { started: 20, skipped: 0 } });
  });

  it('leaves a disabled endpoint alone', async () => {
    const { app, endpoint } = await scene();
    await letter(app, endpoint);
    await call('PATCH', `/app/${app}/endpoint/hook`, { body: { disabled: true } });
    await call('POST', `/app/${app}/endpoint/hook/recover`, {
      body: { since: new Date(harness.nowMs() - MINUTE_MS).toISOString() },
    });
    await harness.runTasks();
    expect(await liveOf(endpoint)).toEqual([]);
  });
});

describe('replay-missing and bulk-replay', () => {
  it('sends what was never meant for the endpoint and matches its filters', async () => {
    const app = await addApplication(harness);
    await call('POST', '/event-type', { body: { name: 'wanted', description: '' } });
    const missed = await addMessage(harness, app, { eventType: 'wanted', channels: ['c', 'd'] });
    await addMessage(harness, app, { eventType: 'unwanted', channels: ['c'] });
    await addMessage(harness, app, { eventType: 'wanted' });
    const endpoint = await addEndpoint(harness, app, {
      uid: 'late',
      eventTypes: ['wanted'],
      channels: ['c'],
    });
    const sent = await addMessage(harness, app, { eventType: 'wanted', channels: ['c'] });
    await addAttempt(harness, app, endpoint, sent, { final: 'succeeded' });
    await makeDay(harness, harness.nowMs());
    const started = await call('POST', `/app/${app}/endpoint/late/replay-missing`, {
      body: { since: new Date(harness.nowMs() - MINUTE_MS).toISOString() },
    });
    expect(started.body.task).toBe('endpoint.replay');
    await harness.runTasks(2);
    expect((await liveOf(endpoint)).map((row) => [row.msg_id, row.run])).toEqual([[missed, 0]]);
  });

  it('sends again what was sent, by status and filter', async () => {
    const { app, endpoint } = await scene();
    const fine = await addMessage(harness, app, { eventType: 'x' });
    await addAttempt(harness, app, endpoint, fine, { final: 'succeeded' });
    const failed = await addMessage(harness, app, { eventType: 'x' });
    await addAttempt(harness, app, endpoint, failed, { status: 2, final: 'dead' });
    await addClosed(harness, app, endpoint, failed);
    await addMessage(harness, app, { eventType: 'x' });
    const since = new Date(harness.nowMs() - MINUTE_MS).toISOString();
    const at = `/app/${app}/endpoint/hook/bulk-replay`;
    await call('POST', at, { body: { since, eventTypes: ['y'] } });
    await call('POST', at, { body: { since, status: 2 } });
    await harness.runTasks(2);
    expect((await liveOf(endpoint)).map((row) => [row.msg_id, row.run])).toEqual([[failed, 1]]);
    await call('POST', at, { body: { since, eventTypes: ['x'] } });
    await harness.runTasks(2);
    expect((await liveOf(endpoint)).map((row) => [row.msg_id, row.run])).toEqual([
      [fine, 1],
      [failed, 1],
    ]);
  });
});
