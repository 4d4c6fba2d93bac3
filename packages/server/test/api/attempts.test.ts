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

const idsOf = (reply: { body: { data: { id: string }[] } }): string[] => reply.body.data.map(({ id }) => id);

const scene = async () => {
  const app = await addApplication(harness);
  const endpoint = await addEndpoint(harness, app, { uid: 'hook' });
  const message = await addMessage(harness, app, { eventId: 'event-1' });
  return { app, endpoint, message };
};

describe('attempts', () => {
  it('lists by endpoint and by message, with the documented fields', async () => {
    const { app, endpoint, message } = await scene();
    const nextAtMs = Date.UTC(2027, 0, 1);
    const failed = await addAttempt(harness, app, endpoint, message, {
      status: 2,
      responseStatus: 503,
      response: 'busy',
      nextAtMs,
    });
    const done = await addAttempt(harness, app, endpoint, message, { final: 'succeeded', response: '' });
    const byMessage = await call('GET', `/app/${app}/attempt/msg/${message}`);
    expect(byMessage.body.data).toEqual([
      {
        url: 'https://hooks.test/',
        response: '',
        responseStatusCode: 200,
        responseDurationMs: 12,
        status: 0,
        statusText: 'success',
        triggerType: 0,
        msgId: message,
        endpointId: endpoint,
        id: done,
        timestamp: expect.any(String),
      },
      expect.objectContaining({
        id: failed,
        response: 'busy',
        responseStatusCode: 503,
        status: 2,
        statusText: 'fail',
        nextAttempt: new Date(nextAtMs).toISOString(),
        cause: 'http_500',
      }),
    ]);
    expect(byMessage.body).toMatchObject({ iterator: failed, prevIterator: `-${done}`, done: true });
    for (const path of [
      `/app/${app}/attempt/endpoint/hook`,
      `/app/${app}/attempt/msg/event-1`,
      `/app/${app}/attempt/msg/${message}?endpoint_id=hook`,
      `/app/${app}/msg/${message}/attempt`,
      `/app/${app}/msg/event-1/endpoint/hook/attempt/`,
    ]) {
      expect([path, (await call('GET', path)).text]).toEqual([path, byMessage.text]);
    }
  });

  it('filters by status, class, event type and endpoint, and pages', async () => {
    const { app, endpoint, message } = await scene();
    const other = await addEndpoint(harness, app);
    const made = [
      await addAttempt(harness, app, endpoint, message, { status: 2, responseStatus: 404 }),
      await addAttempt(harness, app, endpoint, message, {
        status: 2,
        responseStatus: 0,
        cause: 'connect_timeout',
        response: null,
      }),
      await addAttempt(harness, app, other, message, { status: 0, responseStatus: 204, eventType: 'x' }),
    ];
    const list = (query: string) => call('GET', `/app/${app}/attempt/msg/${message}?${query}`);
    expect(idsOf(await list('status=2'))).toEqual([made[1], made[0]]);
    expect(idsOf(await list('status_code_class=400'))).toEqual([made[0]]);
    const unanswered = await list('status_code_class=0');
    expect(unanswered.body.data).toMatchObject([
      { id: made[1], response: 'connect_timeout', responseStatusCode: 0 },
    ]);
    expect(idsOf(await list('event_types=x'))).toEqual([made[2]]);
    expect(idsOf(await list(`endpoint_id=${other}`))).toEqual([made[2]]);
    expect((await list('endpoint_id=nope')).status).toBe(404);
    const first = await list('limit=1');
    expect([idsOf(first), first.body.done]).toEqual([[made[2]], false]);
    expect(idsOf(await list(`limit=5&iterator=${first.body.iterator}`))).toEqual([made[1], made[0]]);
    const bare = await list('with_content=false&limit=1');
    expect(bare.body.data[0].response).toBe('{}');
    const withMessage = await call('GET', `/app/${app}/attempt/endpoint/${other}?with_msg=true`);
    expect(withMessage.body.data[0].msg).toMatchObject({ id: message, payload: {} });
  });

  it('gets one with its evidence, and expunges its response', async () => {
    const { app, endpoint, message } = await scene();
    const id = await addAttempt(harness, app, endpoint, message, { response: Buffer.from([0xff, 0xfe]) });
    const got = await call('GET', `/app/${app}/msg/${message}/attempt/${id}`);
    expect(got.body).toMatchObject({ id, response: '//4=', evidence: { bodyBytes: 7 } });
    const at = `/app/${app}/msg/${message}/attempt/${id}/content`;
    expect((await call('DELETE', at)).status).toBe(204);
    expect((await call('GET', `/app/${app}/msg/${message}/attempt/${id}`)).body.response).toBe('EXPUNGED');
    const unknown = await call('DELETE', `/app/${app}/msg/${message}/attempt/atmpt_x/content`);
    expect([unknown.status, unknown.body.detail]).toEqual([404, 'Message attempt not found']);
    const elsewhere = await addMessage(harness, app);
    expect((await call('GET', `/app/${app}/msg/${elsewhere}/attempt/${id}`)).status).toBe(404);
  });
});

describe('headers of an attempt', () => {
  it('are shown as sent and received; of secret ones only the names', async () => {
    const { app, endpoint, message } = await scene();
    const id = await addAttempt(harness, app, endpoint, message);
    const at = `/app/${app}/msg/event-1/attempt/${id}/headers`;
    // Lost with its node: nobody knows what was sent.
    expect((await call('GET', at)).body).toEqual({ sentHeaders: {}, responseHeaders: null, sensitive: [] });
    await harness.pool.query('update attempt set evidence = $2 where id = $1', [
      id,
      JSON.stringify({
        requestHeaders: 'host: a.test\r\nAuthorization: [redacted]\r\nx-a: 1\r\nx-a: 2\r\n',
        responseHeaders: 'Set-Cookie: a\r\nset-cookie: b\r\n',
      }),
    ]);
    expect((await call('GET', at)).body).toEqual({
      sentHeaders: { host: 'a.test', 'x-a': '1, 2' },
      responseHeaders: [
        ['Set-Cookie', 'a'],
        ['set-cookie', 'b'],
      ],
      sensitive: ['Authorization'],
    });
    expect((await call('GET', at.replace(id, 'atmpt_none'))).status).toBe(404);
    const { token } = await harness.newOrg();
    expect((await call('GET', at, { token })).status).toBe(404);
  });
});

describe('counting the attempts of an endpoint', () => {
  it('goes by the filters of the list', async () => {
    const { app, endpoint, message } = await scene();
    const hourAgo = harness.nowMs() - 3_600_000;
    await makeDay(harness, hourAgo);
    await addAttempt(harness, app, endpoint, message, { status: 2, responseStatus: 404, atMs: hourAgo });
    await addAttempt(harness, app, endpoint, message, { status: 2, responseStatus: 503 });
    await addAttempt(harness, app, endpoint, message, { eventType: 'x' });
    const count = async (query: string) =>
      (await call('GET', `/app/${app}/attempt/endpoint/hook/count?${query}`)).body;
    expect(await count('')).toEqual({ count: 3, approximated: false });
    expect(await count('status=2')).toMatchObject({ count: 2 });
    expect(await count('status_code_class=400')).toMatchObject({ count: 1 });
    expect(await count('event_types=x,y')).toMatchObject({ count: 1 });
    expect(await count('status=0&event_types=y')).toMatchObject({ count: 0 });
    const middle = encodeURIComponent(new Date(hourAgo + 60_000).toISOString());
    expect(await count(`before=${middle}`)).toMatchObject({ count: 1 });
    expect(await count(`after=${middle}`)).toMatchObject({ count: 2 });
    expect((await call('GET', `/app/${app}/attempt/endpoint/none/count`)).status).toBe(404);
    const bad = await call('GET', `/app/${app}/attempt/endpoint/hook/count?status=9`);
    expect([bad.status, bad.body.detail[0].loc]).toEqual([422, ['query', 'status', 'status']]);
    const { token } = await harness.newOrg();
    expect((await call('GET', `/app/${app}/attempt/endpoint/hook/count`, { token })).status).toBe(404);
  });

  it('stops at 10,000, and says that there are more', async () => {
    const { app, endpoint, message } = await scene();
    await harness.pool.query(
      `insert into attempt (id, org_id, app_id, msg_id, endpoint_id, run, status, trigger, response_status, duration_ms, url, event_type, created_at)
       select 'atmpt_' || substr($1, 7, 20) || lpad((n + 4000000)::text, 7, '0'), $2, $3, $4, $5, 0, case when n > 10001 then 2 else 0 end, 0, 200, 1, 'u', 'a', now()
       from generate_series(1, 10011) n`,
      [harness.ids('attempt'), harness.org, app, message, endpoint],
    );
    const at = `/app/${app}/attempt/endpoint/hook/count`;
    expect((await call('GET', at)).body).toEqual({ count: 10_000, approximated: true });
    expect((await call('GET', `${at}?status=2`)).body).toEqual({ count: 10, approximated: true });
  });
});

describe('where deliveries stand', () => {
  it('maps the states to the documented numbers, for messages and for endpoints', async () => {
    const { app, endpoint } = await scene();
    const add = () => addMessage(harness, app);
    const waiting = await add();
    await addLive(harness, app, endpoint, waiting);
    await addAttempt(harness, app, endpoint, waiting, { status: 2 });
    const held = await add();
    await addLive(harness, app, endpoint, held, 'held');
    const succeeded = await add();
    await addAttempt(harness, app, endpoint, succeeded, { final: 'succeeded' });
    const dead = await add();
    await addAttempt(harness, app, endpoint, dead, { status: 2, final: 'dead' });
    await addClosed(harness, app, endpoint, dead);
    const revived = await add();
    await addAttempt(harness, app, endpoint, revived, {
      status: 2,
      final: 'dead',
      atMs: harness.nowMs() - 60_000,
    });
    await addClosed(harness, app, endpoint, revived, { letter: 'replayed', atMs: harness.nowMs() - 59_000 });
    await addAttempt(harness, app, endpoint, revived, { final: 'succeeded', run: 1 });
    const canceled = await add();
    await addClosed(harness, app, endpoint, canceled, { state: 'canceled', reason: 'withdrawn' });
    const never = await add();

    const plain = await call('GET', `/app/${app}/endpoint/${endpoint}/msg?limit=1`);
    expect(plain.body.data).toMatchObject([{ id: canceled, status: 0, statusText: 'success' }]);
    const list = await call('GET', `/app/${app}/endpoint/${endpoint}/msg?expanded_statuses=true`);
    const shown = list.body.data.map((row: { id: string; status: number; statusText: string }) => [
      row.id,
      row.status,
      row.statusText,
    ]);
    expect(shown).toEqual([
      [canceled, 4, 'canceled'],
      [revived, 0, 'success'],
      [dead, 2, 'fail'],
      [succeeded, 0, 'success'],
      [held, 3, 'sending'],
      [waiting, 1, 'pending'],
    ]);
    expect(list.body.data[5]).toMatchObject({
      nextAttempt: expect.any(String),
      payload: { n: 1 },
      eventId: null,
    });
    expect(list.body.data[4].nextAttempt).toBeNull();
    expect(list.text).not.toContain(never);
    for (const [message, status] of [
      [waiting, 1],
      [held, 3],
      [succeeded, 0],
      [dead, 2],
      [revived, 0],
      [canceled, 4],
    ] as const) {
      const filtered = await call('GET', `/app/${app}/endpoint/${endpoint}/msg?status=${status}`);
      expect(idsOf(filtered)).toContain(message);
      const destinations = await call('GET', `/app/${app}/msg/${message}/endpoint`);
      expect(destinations.body.data).toMatchObject([{ id: endpoint, status }]);
    }
    const paged = await call('GET', `/app/${app}/endpoint/${endpoint}/msg?limit=2`);
    expect([idsOf(paged), paged.body.done]).toEqual([[canceled, revived], false]);
    const rest = await call(
      'GET',
      `/app/${app}/endpoint/${endpoint}/msg?limit=9&iterator=${paged.body.iterator}`,
    );
    expect([idsOf(rest), rest.body.done]).toEqual([[dead, succeeded, held, waiting], true]);

    const stats = await call('GET', `/app/${app}/endpoint/${endpoint}/stats`);
    expect(stats.body).toEqual({ success: 2, pending: 1, sending: 1, fail: 1, canceled: 1 });
  });

  it('lists all endpoints of a message in pages, deleted ones too, without their metadata', async () => {
    const { app, message } = await scene();
    const endpoints: string[] = [];
    for (let i = 0; i < 3; i++) {
      const id = await addEndpoint(harness, app, { metadata: { secret: 'x' } });
      await addAttempt(harness, app, id, message, { final: 'succeeded' });
      endpoints.unshift(id);
    }
    await call('DELETE', `/app/${app}/endpoint/${endpoints[0]!}`);
    const first = await call('GET', `/app/${app}/msg/${message}/endpoint?limit=2`);
    expect([idsOf(first), first.body.done]).toEqual([endpoints.slice(0, 2), false]);
    expect(first.body.data[0]).not.toHaveProperty('metadata');
    const next = await call(
      'GET',
      `/app/${app}/msg/${message}/endpoint?limit=2&iterator=${first.body.iterator}`,
    );
    expect([idsOf(next), next.body.done]).toEqual([endpoints.slice(2), true]);
  });

  it('walks the messages of an application where too many deliveries wait', async () => {
    const { app, endpoint } = await scene();
    await harness.pool.query(
      `insert into message (id, app_id, org_id, event_type, payload, content_type, retention_days, created_at)
       select 'msg_' || substr($2, 5, 20) || lpad((n + 4000000)::text, 7, '0'), $1, $3, 'many', '{}', 'application/json', 90, now()
       from generate_series(1, 10100) n`,
      [app, harness.ids('message'), harness.org],
    );
    await harness.pool.query(
      `insert into live (msg_id, endpoint_id, app_id, org_id, partition, state, due_at, bytes)
       select id, $2, app_id, org_id, 1, 'waiting', now(), 2 from message where app_id = $1 and event_type = 'many'`,
      [app, endpoint],
    );
    const seen = new Set<string>();
    let iterator = '';
    let pages = 0;
    for (let done = false; !done && pages < 60; pages++) {
      const page = await call(
        'GET',
        `/app/${app}/endpoint/${endpoint}/msg?limit=250&with_content=false${iterator}`,
      );
      for (const id of idsOf(page)) seen.add(id);
      done = page.body.done as boolean;
      iterator = `&iterator=${page.body.iterator}`;
    }
    expect([seen.size, pages]).toEqual([10_100, 41]);
  });

  it('refuses statistics over more than 28 days', async () => {
    const { app, endpoint } = await scene();
    const at = `/app/${app}/endpoint/${endpoint}/stats`;
    const long = await call('GET', `${at}?since=2026-01-01T00:00:00Z&until=2026-02-01T00:00:00Z`);
    expect([long.status, long.body.code]).toEqual([400, 'invalid_range']);
    const turned = await call('GET', `${at}?since=2026-02-01T00:00:00Z&until=2026-01-01T00:00:00Z`);
    expect(turned.body.code).toBe('invalid_range');
  });
});

describe('resend', () => {
  it('hands it on, does nothing for a disabled endpoint, refuses a payload that is gone', async () => {
    const { app, endpoint, message } = await scene();
    const at = `/app/${app}/msg/${message}/endpoint/hook/resend`;
    const sent = await call('POST', at);
    expect([sent.status, sent.text]).toEqual([202, '{}']);
    expect(harness.resent).toEqual([
      { orgId: harness.org, applicationId: app, endpointId: endpoint, messageId: message },
    ]);
    await call('PATCH', `/app/${app}/endpoint/hook`, { body: { disabled: true } });
    expect((await call('POST', at)).status).toBe(202);
    expect(harness.resent).toHaveLength(1);
    await call('DELETE', `/app/${app}/msg/${message}/content`);
    const gone = await call('POST', at);
    expect([gone.status, gone.body.code]).toEqual([400, 'missing_payload']);
    expect((await call('POST', `/app/${app}/msg/nope/endpoint/hook/resend`)).status).toBe(404);
  });
});

describe('send-example', () => {
  it('sends a ping, or the example of the newest schema', async () => {
    const { app, endpoint } = await scene();
    const at = `/app/${app}/endpoint/hook/send-example`;
    const ping = await call('POST', at, { body: { eventType: 'svix.ping' } });
    expect([ping.status, ping.body.payload]).toEqual([200, { success: true }]);
    await call('POST', '/event-type', {
      body: {
        name: 'ex',
        description: '',
        schemas: { 2: { examples: [{ v: 2 }] }, 10: { examples: [{ v: 10 }] } },
      },
    });
    const example = await call('POST', at, { body: { eventType: 'ex' } });
    expect(example.body).toMatchObject({ eventType: 'ex', payload: { v: 10 } });
    expect(harness.examples.at(-1)).toMatchObject({ endpointId: endpoint, eventType: 'ex' });
    const none = await call('POST', at, { body: { eventType: 'ex', exampleIndex: 1 } });
    expect([none.status, none.body.code]).toEqual([400, 'invalid_scheme']);
    expect((await call('POST', at, { body: { eventType: 'unknown' } })).status).toBe(404);
  });
});
