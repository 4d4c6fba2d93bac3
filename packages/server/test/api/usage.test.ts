// Counts of endpoints, applications and what they were sent.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Svix } from 'svix';
import { listen } from '../../src/api/listen.ts';
import type { Listening } from '../../src/api/listen.ts';
import { createRollUp } from '../../src/store/statistic-roll-up.ts';
import { addApplication, addAttempt, addClosed, addEndpoint, addMessage } from './fixtures.ts';
import { useApi } from './harness.ts';

const harness = useApi();
const { call } = harness;
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

const rollUp = () => createRollUp(harness.database, () => performance.now())();

describe('counts of endpoints and applications', () => {
  it('tell active ones from disabled ones, without those at the playground unless asked', async () => {
    const { token } = await harness.newOrg();
    const make = async (urls: readonly [url: string, disabled: boolean][]) => {
      const app = await addApplication(harness, undefined, token);
      for (const [url, disabled] of urls) {
        await call('POST', `/app/${app}/endpoint`, { token, body: { url, disabled } });
      }
      return app;
    };
    await make([]);
    await make([
      ['https://hooks.test/a', false],
      ['https://hooks.test/b', true],
    ]);
    await make([['https://hooks.test/c', true]]);
    await make([['https://play.svix.com/in/x/', false]]);
    const gone = await make([['https://hooks.test/d', false]]);
    await call('DELETE', `/app/${gone}`, { token });
    const get = async (path: string) => (await call('GET', path, { token })).body;
    expect(await get('/stats/endpoint/count')).toEqual({ active: 1, disabled: 2 });
    expect(await get('/stats/endpoint/count?exclude_svix_play=false')).toEqual({ active: 2, disabled: 2 });
    expect(await get('/app/stats/count-active')).toEqual({ count: 1 });
    expect(await get('/app/stats/count-active?exclude_disabled=false')).toEqual({ count: 2 });
    expect(await get('/app/stats/count-active?exclude_svix_play=false')).toEqual({ count: 2 });
  });
});

describe('usage, through the SDK', () => {
  let server: Listening;
  let svix: Svix;
  beforeAll(async () => {
    const listening = await listen({
      listen: '127.0.0.1:0',
      tls: null,
      routes: [],
      fetch: (request) => harness.api.fetch(request),
    });
    if (listening.kind === 'failed') throw new Error(listening.message);
    server = listening.server;
    svix = new Svix(harness.token, { serverUrl: `http://127.0.0.1:${server.port}` });
  });
  afterAll(async () => {
    server?.destroy();
    await server?.close();
  });

  it('counts the deliveries of each application', async () => {
    const a = await addApplication(harness, 'usage-a');
    const b = await addApplication(harness);
    const endpoint = await addEndpoint(harness, a);
    await harness.pool.query(
      "update statistic_mark set upto = date_trunc('second', now() - interval '20 hours')",
    );
    for (const atMs of [harness.nowMs() - 2 * HOUR_MS, harness.nowMs()]) {
      const message = await addMessage(harness, a, { atMs });
      await addAttempt(harness, a, endpoint, message, { atMs, status: 2 });
      await addAttempt(harness, a, endpoint, message, { atMs, final: 'succeeded' });
      await addAttempt(harness, a, endpoint, message, { atMs, status: 2, final: 'dead', run: 1 });
      await addClosed(harness, a, endpoint, message, { atMs, run: 1 });
    }
    await rollUp();
    const started = await svix.statistics.aggregateAppStats({
      since: new Date(harness.nowMs() - DAY_MS / 2),
      until: new Date(harness.nowMs()),
      appIds: ['usage-a', a, b, 'nobody'],
    });
    expect(started).toMatchObject({
      task: 'application.stats',
      status: 'running',
      unresolvedAppIds: ['nobody'],
    });
    await harness.runTasks(1);
    const task = await svix.backgroundTask.get(started.id);
    expect(task).toMatchObject({
      status: 'finished',
      data: {
        appStats: [
          { appId: a, appUid: 'usage-a', messageDestinations: 4 },
          { appId: b, appUid: null, messageDestinations: 0 },
        ],
      },
    });
    const everybody = await svix.statistics.aggregateAppStats({
      since: new Date(harness.nowMs() - DAY_MS / 2),
      until: new Date(harness.nowMs()),
    });
    await harness.runTasks(2);
    const all = (await svix.backgroundTask.get(everybody.id)).data['appStats'] as { appId: string }[];
    const { rows } = await harness.pool.query(
      'select id from application where org_id = $1 and deleted_at is null order by id',
      [harness.org],
    );
    expect(all.map(({ appId }) => appId)).toEqual(rows.map(({ id }) => id));
  });

  it('collects what each application subscribes to', async () => {
    for (const name of ['stat.a', 'stat.b', 'stat.c'])
      await svix.eventType.upsert(name, { description: name });
    const app = await addApplication(harness);
    await addEndpoint(harness, app, { eventTypes: ['stat.b', 'stat.a'] });
    await addEndpoint(harness, app, { eventTypes: ['stat.c', 'stat.a'] });
    const catchAll = await addApplication(harness);
    await addEndpoint(harness, catchAll);
    const started = await svix.statistics.aggregateEventTypes();
    await harness.runTasks(3);
    const task = await svix.backgroundTask.get(started.id);
    expect([task.status, task.task]).toEqual(['finished', 'event-type.aggregate']);
    expect(task.data['event_types']).toEqual(
      expect.arrayContaining([
        {
          appId: app,
          explicitlySubscribedEventTypes: ['stat.a', 'stat.b', 'stat.c'],
          hasCatchAllEndpoint: false,
        },
        { appId: catchAll, explicitlySubscribedEventTypes: [], hasCatchAllEndpoint: true },
      ]),
    );
  });

  it('refuses what makes no sense, and shows tasks to their organisation only', async () => {
    const bad = (body: unknown) => call('POST', '/stats/usage/app', { body });
    const since = '2026-01-01T00:00:00Z';
    expect((await bad({ since })).body.detail[0].loc).toEqual(['body', 'until']);
    expect((await bad({ since, until: 'x' })).body.detail[0].loc).toEqual(['body', 'until']);
    expect((await bad({ since, until: since })).body.detail[0].loc).toEqual(['body', 'until']);
    expect((await bad({ since, until: '2026-01-02T00:00:00Z', appIds: ['a b'] })).body.detail[0].loc).toEqual(
      ['body', 'appIds', '[0]', '__all__'],
    );
    const task = (await bad({ since, until: '2026-01-02T00:00:00Z' })).body;
    const { token } = await harness.newOrg();
    expect((await call('GET', `/background-task/${task.id}`, { token })).status).toBe(404);
    await harness.runTasks();
  });
});
