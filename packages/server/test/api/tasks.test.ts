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
import { useSvix } from './sdk-clients.ts';

const harness = useApi();
const { call } = harness;
const svix = useSvix(harness);
const MINUTE_MS = 60_000;

const scene = async () => {
  const app = await addApplication(harness);
  return { app, endpoint: await addEndpoint(harness, app, { uid: 'hook' }) };
};

const rowsOf = async (endpoint: string) => {
  const live = await harness.pool.query('select msg_id from live where endpoint_id = $1 order by 1', [
    endpoint,
  ]);
  const closed = await harness.pool.query(
    'select msg_id, state, reason, letter, event_type from closed where endpoint_id = $1 order by 1',
    [endpoint],
  );
  return { live: live.rows.map((row) => row.msg_id as string), closed: closed.rows };
};

/** As if the pause before a walk is repeated were over. */
const pauseEnds = () => harness.pool.query("update task set due_at = now() where status = 'running'");

const tasksOf = async (query: string) => (await call('GET', `/background-task?${query}`)).body.data;

describe('background tasks', () => {
  it('are stopped where they are, once', async () => {
    const { app, endpoint } = await scene();
    for (let i = 0; i < 5; i++) {
      await addClosed(harness, app, endpoint, await addMessage(harness, app));
    }
    const since = new Date(harness.nowMs() - MINUTE_MS);
    const { id } = await svix().endpoint.recover(app, endpoint, { since });
    await harness.store.tasks.workOne(2, async () => null);
    const at = `/background-task/${id}/cancel`;
    const { token } = await harness.newOrg();
    expect((await call('POST', at, { token })).status).toBe(404);
    const stranger = await harness.appToken(await addApplication(harness));
    expect((await call('POST', at, { token: stranger })).status).toBe(404);
    const canceled = await call('POST', at, { token: await harness.appToken(app) });
    expect([canceled.status, canceled.body]).toMatchObject([
      200,
      { id, status: 'failed', data: { error: 'canceled', started: 2, messagesSent: 2 } },
    ]);
    await harness.runTasks();
    expect((await rowsOf(endpoint)).live).toHaveLength(2);
    expect(await svix().backgroundTask.get(id)).toMatchObject({
      status: 'failed',
      data: { error: 'canceled' },
    });
    const again = await call('POST', at);
    expect([again.status, again.body.code]).toEqual([409, 'task_not_running']);
  });

  it('are listed in the kinds that the SDKs know; ours when asked for', async () => {
    const { token } = await harness.newOrg();
    const made = await call('POST', '/app', { token, body: { name: 'a' } });
    const app = made.body.id;
    const since = new Date(harness.nowMs()).toISOString();
    await call('POST', `/app/${app}/dead-letter/replay`, { token, body: { since } });
    await call('POST', `/app/${app}/msg/expunge-all-contents`, { token });
    const kinds = async (query: string) =>
      (await call('GET', `/background-task?${query}`, { token })).body.data.map(
        ({ task }: { task: string }) => task,
      );
    expect(await kinds('')).toEqual(['application.purge_content']);
    expect(await kinds('task=application.replay')).toEqual(['application.replay']);
    expect(await kinds('include_own=true&order=ascending')).toEqual([
      'application.replay',
      'application.purge_content',
    ]);
    expect(await kinds('include_own=true&status=failed')).toEqual([]);
    await harness.runTasks();
  });
});

describe('bulk-replay', () => {
  it('goes by the class of the last status code', async () => {
    const { app, endpoint } = await scene();
    const sent = async (responseStatus: number) => {
      const message = await addMessage(harness, app);
      const status = responseStatus === 200 ? 0 : 2;
      const final = status === 0 ? 'succeeded' : 'dead';
      await addAttempt(harness, app, endpoint, message, { status, final, responseStatus });
      if (status === 2) await addClosed(harness, app, endpoint, message);
      return message;
    };
    const none = await sent(0);
    const fine = await sent(200);
    const missing = await sent(404);
    const broken = await sent(503);
    const never = await addMessage(harness, app);
    await addClosed(harness, app, endpoint, never, { reason: 'payload_gone' });
    const since = new Date(harness.nowMs() - MINUTE_MS);
    const replay = async (statusCodeClass: 0 | 100 | 200 | 400 | 500) => {
      await svix().endpoint.bulkReplay(app, endpoint, { since, statusCodeClass });
      await harness.runTasks(2);
      const { live } = await rowsOf(endpoint);
      await harness.pool.query('delete from live where endpoint_id = $1', [endpoint]);
      return live;
    };
    expect(await replay(400)).toEqual([missing]);
    expect(await replay(500)).toEqual([broken]);
    expect(await replay(200)).toEqual([fine]);
    expect(await replay(0)).toEqual([none]);
    expect(await replay(100)).toEqual([]);
    const at = `/app/${app}/endpoint/${endpoint}/bulk-replay`;
    const bad = await call('POST', at, { body: { since: since.toISOString(), statusCodeClass: 250 } });
    expect([bad.status, bad.body.detail[0].loc]).toEqual([422, ['body', 'statusCodeClass']]);
  });

  it('opens a discarded letter, too, when asked for its message', async () => {
    const { app, endpoint } = await scene();
    const message = await addMessage(harness, app);
    await addAttempt(harness, app, endpoint, message, { status: 2, final: 'dead' });
    await addClosed(harness, app, endpoint, message, { letter: 'discarded' });
    await svix().endpoint.bulkReplay(app, endpoint, { since: new Date(harness.nowMs() - MINUTE_MS) });
    await harness.runTasks();
    expect(await rowsOf(endpoint)).toMatchObject({ live: [message], closed: [{ letter: 'replayed' }] });
  });
});

describe('cancel-msgs', () => {
  const cancel = (app: string, createdBefore: string) =>
    call('POST', `/app/${app}/endpoint/hook/cancel-msgs`, { body: { createdBefore } });
  const now = () => new Date(harness.nowMs() + 8).toISOString();

  it('cancels what waits from before the moment, in chunks, and nothing else', async () => {
    const { app, endpoint } = await scene();
    const other = await addEndpoint(harness, app);
    const waiting: string[] = [];
    for (let i = 0; i < 5; i++) {
      const message = await addMessage(harness, app, { eventType: 'x' });
      await addLive(harness, app, endpoint, message);
      await addLive(harness, app, other, message);
      waiting.push(message);
    }
    await makeDay(harness, harness.nowMs() + MINUTE_MS);
    const later = await addMessage(harness, app, { atMs: harness.nowMs() + MINUTE_MS });
    await addLive(harness, app, endpoint, later);
    expect((await cancel(app, now())).status).toBe(204);
    await harness.store.tasks.workOne(2, async () => null);
    expect((await rowsOf(endpoint)).closed).toHaveLength(2);
    const [task] = await tasksOf('task=endpoint.cancel&limit=1');
    expect(task).toMatchObject({ status: 'running', data: { messagesCanceled: 2, endpointId: endpoint } });
    await harness.runTasks(2);
    await pauseEnds();
    await harness.runTasks(2);
    expect(await rowsOf(endpoint)).toEqual({
      live: [later],
      closed: waiting.map((msg_id) => ({
        msg_id,
        state: 'canceled',
        reason: 'canceled',
        letter: null,
        event_type: 'x',
      })),
    });
    expect((await rowsOf(other)).live).toHaveLength(5);
    expect((await tasksOf('task=endpoint.cancel&limit=1'))[0]).toMatchObject({
      status: 'finished',
      data: { messagesCanceled: 5 },
    });
    expect((await svix().messageAttempt.listAttemptedDestinations(app, waiting[0]!)).data).toHaveLength(2);
    expect(await svix().endpoint.getStats(app, endpoint)).toMatchObject({ canceled: 5 });
    expect((await call('GET', `/app/${app}/dead-letter`)).body.data).toEqual([]);
  });

  it('waits for what is being sent, and cancels it when it comes back', async () => {
    const { app, endpoint } = await scene();
    const message = await addMessage(harness, app);
    await addLive(harness, app, endpoint, message, 'held');
    await cancel(app, now());
    await harness.runTasks();
    expect(await tasksOf('task=endpoint.cancel&limit=1')).toMatchObject([{ status: 'running' }]);
    expect((await rowsOf(endpoint)).live).toEqual([message]);
    await harness.pool.query(
      `update live set state = 'waiting', node = null, epoch = null, held_at = null where msg_id = $1`,
      [message],
    );
    for (let i = 0; i < 2; i++) {
      await pauseEnds();
      await harness.runTasks();
    }
    expect(await tasksOf('task=endpoint.cancel&limit=1')).toMatchObject([{ status: 'finished' }]);
    expect(await rowsOf(endpoint)).toMatchObject({
      live: [],
      closed: [{ msg_id: message, state: 'canceled' }],
    });
  });

  it('refuses no date, and strangers', async () => {
    const { app } = await scene();
    const bad = await cancel(app, 'now');
    expect([bad.status, bad.body.detail[0].loc]).toEqual([422, ['body', 'createdBefore']]);
    const { token } = await harness.newOrg();
    const at = `/app/${app}/endpoint/hook/cancel-msgs`;
    expect((await call('POST', at, { token, body: { createdBefore: now() } })).status).toBe(404);
    expect(
      (await call('POST', `/app/${app}/endpoint/none/cancel-msgs`, { body: { createdBefore: now() } }))
        .status,
    ).toBe(404);
  });
});
