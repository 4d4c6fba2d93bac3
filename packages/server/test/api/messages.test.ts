import { beforeAll, describe, expect, it } from 'vitest';
import { addApplication, addMessage, makeDay } from './fixtures.ts';
import { useApi } from './harness.ts';

const harness = useApi();
const { call } = harness;
const DAY_MS = 86_400_000;

const idsOf = (reply: { body: { data: { id: string }[] } }): string[] => reply.body.data.map(({ id }) => id);

describe('messages', () => {
  it('shows the posted bytes of the payload, whatever their spelling', async () => {
    const app = await addApplication(harness);
    const payload = '{ "b": 1.0, "a":"\\u0000\\ud800", "b": 12345678901234567890 , "é":[]}';
    const id = await addMessage(harness, app, { payload, eventId: 'evt-1', channels: ['c'], tags: ['t'] });
    const got = await call('GET', `/app/${app}/msg/${id}`);
    expect(got.status).toBe(200);
    expect(got.text).toContain(`"payload":${payload},`);
    expect(got.body).toMatchObject({
      eventId: 'evt-1',
      eventType: 'user.created',
      channels: ['c'],
      tags: ['t'],
      id,
    });
    expect((await call('GET', `/app/${app}/msg/evt-1`)).text).toBe(got.text);
    const without = await call('GET', `/app/${app}/msg/${id}?with_content=false`);
    expect(without.body.payload).toEqual({});
    const listed = await call('GET', `/app/${app}/msg`);
    expect(listed.text).toContain(`"payload":${payload},`);
    expect(listed.body).toMatchObject({ iterator: id, prevIterator: `-${id}`, done: true });
  });

  it('shows what is no JSON object inside of one', async () => {
    const app = await addApplication(harness);
    const text = await addMessage(harness, app, { payload: '<a/>', contentType: 'application/xml' });
    expect((await call('GET', `/app/${app}/msg/${text}`)).body.payload).toEqual({
      rawPayload: '<a/>',
      contentType: 'application/xml',
    });
    const bytes = Buffer.from([0x7b, 0xff, 0x7d]);
    const binary = await addMessage(harness, app, {
      payload: bytes,
      contentType: 'application/octet-stream',
    });
    expect((await call('GET', `/app/${app}/msg/${binary}`)).body.payload).toEqual({
      rawPayloadBase64: bytes.toString('base64'),
      contentType: 'application/octet-stream',
    });
    const broken = await addMessage(harness, app, { payload: '{"not json', contentType: 'application/json' });
    expect((await call('GET', `/app/${app}/msg/${broken}`)).body.payload.rawPayload).toBe('{"not json');
  });

  it('expunges the payload and keeps the message', async () => {
    const app = await addApplication(harness);
    const id = await addMessage(harness, app);
    expect((await call('DELETE', `/app/${app}/msg/${id}/content`)).status).toBe(204);
    expect((await call('GET', `/app/${app}/msg/${id}`)).body.payload).toEqual({ expired: true });
    const unknown = await call('DELETE', `/app/${app}/msg/nope/content`);
    expect([unknown.status, unknown.body.detail]).toEqual([404, 'Message not found']);
  });

  it('shows an expired payload as expired before it is cleaned away', async () => {
    const app = await addApplication(harness);
    const id = await addMessage(harness, app);
    await harness.pool.query(`update message set payload_until = now() - interval '1 second' where id = $1`, [
      id,
    ]);
    expect((await call('GET', `/app/${app}/msg/${id}`)).body.payload).toEqual({ expired: true });
  });

  it('lists newest first with filters, limits and iterators both ways', async () => {
    const app = await addApplication(harness);
    const ids: string[] = [];
    for (let i = 0; i < 6; i++) {
      ids.unshift(
        await addMessage(harness, app, {
          eventType: i % 2 === 0 ? 'even' : 'odd',
          channels: i < 3 ? ['low', 'all'] : ['all'],
          tags: i === 0 ? ['first'] : null,
        }),
      );
    }
    const list = (query: string) => call('GET', `/app/${app}/msg?${query}`);
    const first = await list('limit=4');
    expect([idsOf(first), first.body.done]).toEqual([ids.slice(0, 4), false]);
    const next = await list(`limit=4&iterator=${first.body.iterator}`);
    expect([idsOf(next), next.body.done]).toEqual([ids.slice(4), true]);
    const back = await list(`limit=3&iterator=${next.body.prevIterator}`);
    expect([idsOf(back), back.body.done]).toEqual([ids.slice(1, 4), false]);
    expect(idsOf(await list('event_types=even'))).toEqual([ids[1], ids[3], ids[5]]);
    expect(idsOf(await list('event_types=even,odd'))).toEqual(ids);
    expect(idsOf(await list('event_types[]=odd&event_types[1]=none'))).toEqual([ids[0], ids[2], ids[4]]);
    expect(idsOf(await list('channel=low'))).toEqual(ids.slice(3));
    expect(idsOf(await list('tag=first'))).toEqual([ids[5]]);
    expect(idsOf(await list('limit=0'))).toEqual([]);
  });

  describe('by time', () => {
    const at = Date.UTC(2026, 5, 10, 12);
    beforeAll(async () => {
      for (let day = 0; day < 5; day++) await makeDay(harness, at + day * DAY_MS);
      await makeDay(harness, at - 91 * DAY_MS);
    });

    it('takes after as inclusive and before as exclusive, in both spellings of dates', async () => {
      const app = await addApplication(harness);
      const ids: string[] = [];
      for (let day = 0; day < 5; day++) ids.push(await addMessage(harness, app, { atMs: at + day * DAY_MS }));
      const iso = (day: number) => encodeURIComponent(new Date(at + day * DAY_MS).toISOString());
      const chrono = (day: number) =>
        encodeURIComponent(new Date(at + day * DAY_MS).toISOString().replace('T', ' ').replace('Z', ' UTC'));
      for (const date of [iso, chrono]) {
        const between = await call('GET', `/app/${app}/msg?before=${date(3)}&after=${date(1)}`);
        expect(idsOf(between)).toEqual([ids[2], ids[1]]);
        const after = await call('GET', `/app/${app}/msg?after=${date(1)}&limit=2`);
        expect([idsOf(after), after.body.done]).toEqual([[ids[2], ids[1]], false]);
        const on = await call('GET', `/app/${app}/msg?after=${date(1)}&iterator=${after.body.prevIterator}`);
        expect(idsOf(on)).toEqual([ids[4], ids[3]]);
      }
    });

    it('looks back 90 days from where it starts', async () => {
      const app = await addApplication(harness);
      const old = await addMessage(harness, app, { atMs: at - 91 * DAY_MS });
      const recent = await addMessage(harness, app, { atMs: at });
      const before = encodeURIComponent(new Date(at + DAY_MS).toISOString());
      expect(idsOf(await call('GET', `/app/${app}/msg?before=${before}`))).toEqual([recent]);
      const earlier = encodeURIComponent(new Date(at - DAY_MS).toISOString());
      expect(idsOf(await call('GET', `/app/${app}/msg?before=${earlier}`))).toEqual([old]);
    });
  });

  it('walks a bounded number of rows for a filter without an index, and goes on from there', async () => {
    const app = await addApplication(harness);
    const needle = await addMessage(harness, app, { eventType: 'needle', atMs: harness.nowMs() - 60_000 });
    await harness.pool.query(
      `insert into message (id, app_id, org_id, event_type, payload, content_type, retention_days, created_at)
       select 'msg_' || substr($2, 5, 20) || lpad((n + 4000000)::text, 7, '0'), $1, $3, 'hay', '{}', 'application/json', 90, now()
       from generate_series(1, 10500) n`,
      [app, harness.ids('message'), harness.org],
    );
    let reply = await call('GET', `/app/${app}/msg?event_types=needle`);
    expect(reply.body).toMatchObject({ data: [], done: false });
    reply = await call('GET', `/app/${app}/msg?event_types=needle&iterator=${reply.body.iterator}`);
    expect([idsOf(reply), reply.body.done]).toEqual([[needle], true]);
  });
});
