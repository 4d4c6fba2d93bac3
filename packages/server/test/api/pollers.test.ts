// Polling instead of being sent: through the SDK, with consumers, and against writers that commit late.
import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { Svix } from 'svix';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { listen } from '../../src/api/listen.ts';
import type { Listening } from '../../src/api/listen.ts';
import { createIdSource } from '../../src/domain/ids.ts';
import { addApplication, addEndpoint, addMessage } from './fixtures.ts';
import { useApi } from './harness.ts';

const harness = useApi();
const { call } = harness;
const MINUTE_MS = 60_000;
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

/** An application with an endpoint that is only polled. */
const scene = async (fields: Record<string, unknown> = {}) => {
  const app = await addApplication(harness);
  const sink = await addEndpoint(harness, app, { url: 'https://poll.invalid', disabled: true, ...fields });
  return { app, sink };
};
const idsOf = (page: { readonly data: readonly { readonly id: string }[] }): string[] =>
  page.data.map(({ id }) => id);

describe('a poller, through the SDK', () => {
  it('reads what the endpoint subscribes to from its beginning, in order, in pages', async () => {
    await svix.eventType.upsert('polled', { description: 'p' });
    const { app, sink } = await scene({ uid: 'sink', eventTypes: ['polled'] });
    const empty = await svix.message.poller.poll(app, 'sink');
    expect([empty.data, empty.done]).toEqual([[], true]);
    const ids: string[] = [];
    for (let n = 0; n < 5; n++) {
      ids.push(await addMessage(harness, app, { eventType: 'polled', payload: `{"n":${n}.0}` }));
      await addMessage(harness, app, { eventType: 'unwanted' });
    }
    const first = await svix.message.poller.poll(app, sink, { limit: 3, iterator: empty.iterator });
    expect([idsOf(first), first.done]).toEqual([ids.slice(0, 3), false]);
    expect(first.data[0]).toMatchObject({ eventType: 'polled', payload: { n: 0 } });
    const second = await svix.message.poller.poll(app, sink, { limit: 3, iterator: first.iterator });
    expect([idsOf(second), second.done]).toEqual([ids.slice(3), true]);
    const third = await svix.message.poller.poll(app, sink, { iterator: second.iterator });
    expect([idsOf(third), third.done]).toEqual([[], true]);
    expect(idsOf(await svix.message.poller.poll(app, sink))).toEqual(ids);
    expect(idsOf(await svix.message.poller.poll(app, sink, { eventType: 'unwanted' }))).toEqual([]);
    const later = await svix.message.poller.poll(app, sink, { after: new Date(harness.nowMs() + MINUTE_MS) });
    expect(later.data).toEqual([]);
  });

  it('filters by channel: the endpoint’s and the asked one', async () => {
    const { app, sink } = await scene({ channels: ['a', 'b'] });
    const a = await addMessage(harness, app, { channels: ['a'] });
    const b = await addMessage(harness, app, { channels: ['b', 'c'] });
    await addMessage(harness, app, { channels: ['c'] });
    await addMessage(harness, app);
    expect(idsOf(await svix.message.poller.poll(app, sink))).toEqual([a, b]);
    expect(idsOf(await svix.message.poller.poll(app, sink, { channel: 'c' }))).toEqual([b]);
  });

  it('gives a consumer what it has not confirmed, again and again', async () => {
    const { app, sink } = await scene();
    const ids = [];
    for (let n = 0; n < 4; n++) ids.push(await addMessage(harness, app));
    const { poller } = svix.message;
    const first = await poller.consumerPoll(app, sink, 'one', { limit: 2 });
    expect(idsOf(first)).toEqual(ids.slice(0, 2));
    expect(idsOf(await poller.consumerPoll(app, sink, 'one', { limit: 2 }))).toEqual(ids.slice(0, 2));
    const second = await poller.consumerPoll(app, sink, 'one', { limit: 2, iterator: first.iterator });
    expect(idsOf(second)).toEqual(ids.slice(2));
    // Confirmed: also for who asks without an iterator.
    expect(idsOf(await poller.consumerPoll(app, sink, 'one'))).toEqual(ids.slice(2));
    expect(idsOf(await poller.consumerPoll(app, sink, 'two'))).toEqual(ids);
    const seek = await poller.consumerSeek(app, sink, 'one', {
      after: new Date(harness.nowMs() - MINUTE_MS),
    });
    expect(seek.iterator).toMatch(/^[0-9A-Za-z]{27}$/);
    expect(idsOf(await poller.consumerPoll(app, sink, 'one'))).toEqual(ids);
  });

  it('refuses bad input and strangers', async () => {
    const { app, sink } = await scene();
    const at = `/app/${app}/poller/${sink}`;
    for (const query of ['limit=0', 'limit=251', 'iterator=nonsense', 'event_type=a%20b']) {
      const reply = await call('GET', `${at}?${query}`);
      const name = query.split('=')[0];
      expect([query, reply.status, reply.body['detail'][0].loc.slice(0, 2)]).toEqual([
        query,
        422,
        ['query', name],
      ]);
    }
    expect((await call('GET', `${at}?limit=x`)).status).toBe(400);
    expect((await call('POST', `${at}/consumer/c/seek`, { body: {} })).body['detail'][0].loc).toEqual([
      'body',
      'after',
    ]);
    const { token } = await harness.newOrg();
    for (const path of [at, `${at}/consumer/c`, `/app/${app}/polling-endpoint/${sink}/consumer/c`]) {
      expect((await call('GET', path, { token })).status).toBe(404);
      expect((await call('GET', path.replace(sink, 'ep_nobody'))).status).toBe(404);
      const ours = await harness.appToken(app);
      expect((await call('GET', path, { token: ours })).status).toBe(200);
    }
  });

  it('has at most 100 consumers at one endpoint', async () => {
    const { app, sink } = await scene();
    const seek = (n: number) =>
      call('POST', `/app/${app}/poller/${sink}/consumer/c${n}/seek`, {
        body: { after: '2026-01-01T00:00:00Z' },
      });
    for (let n = 0; n < 100; n++) expect((await seek(n)).status).toBe(200);
    expect((await seek(100)).body.code).toBe('limit_reached');
    expect((await seek(99)).status).toBe(200);
  });
});

describe('a polling endpoint with offsets', () => {
  const setUp = async () => {
    const { app, sink } = await scene();
    const at = `/app/${app}/polling-endpoint/${sink}/consumer/worker`;
    return {
      app,
      sink,
      poll: async (query = '') => (await call('GET', `${at}${query}`)).body,
      commit: (offset: unknown) => call('POST', `${at}/commit`, { body: { offset } }),
      endLease: () =>
        harness.pool.query(
          "update poll_consumer set lease_until = now() - interval '1 second' where endpoint_id = $1",
          [sink],
        ),
    };
  };
  const offsets = (page: { data: { id: string; offset: number }[] }) =>
    page.data.map(({ id, offset }) => [id, offset]);

  it('hands a batch to one at a time, and again when its lease ends', async () => {
    const { app, poll, commit, endLease } = await setUp();
    expect(await poll()).toEqual({ data: [], done: true });
    const ids: string[] = [];
    for (let n = 0; n < 5; n++) ids.push(await addMessage(harness, app));
    const first = await poll('?limit=3&lease_duration_ms=60000');
    expect([offsets(first), first['done']]).toEqual([
      [
        [ids[0], 0],
        [ids[1], 1],
        [ids[2], 2],
      ],
      false,
    ]);
    expect(await poll()).toEqual({ data: [], done: true });
    await endLease();
    expect(offsets(await poll())).toEqual(offsets(first));
    expect((await commit(0)).status).toBe(204);
    await endLease();
    expect(offsets(await poll())).toEqual(offsets(first).slice(1));
    expect((await commit(2)).status).toBe(204);
    // Confirming once more changes nothing.
    expect((await commit(1)).status).toBe(204);
    const rest = await poll();
    expect([offsets(rest), rest['done']]).toEqual([
      [
        [ids[3], 3],
        [ids[4], 4],
      ],
      true,
    ]);
    expect((await commit(4)).status).toBe(204);
    expect(await poll()).toEqual({ data: [], done: true });
  });

  it('goes on when what it had handed over is gone', async () => {
    const { app, poll, commit, endLease } = await setUp();
    const ids: string[] = [];
    for (let n = 0; n < 4; n++) ids.push(await addMessage(harness, app));
    expect(offsets(await poll('?limit=2')).map(([id]) => id)).toEqual(ids.slice(0, 2));
    await endLease();
    await harness.pool.query('delete from message where id = any($1)', [ids.slice(0, 2)]);
    expect(await poll()).toEqual({ data: [], done: false });
    expect(offsets(await poll())).toEqual([
      [ids[2], 2],
      [ids[3], 3],
    ]);
    expect((await commit(3)).status).toBe(204);
    expect(await poll()).toEqual({ data: [], done: true });
  });

  it('starts at the beginning or at the end', async () => {
    const { app, sink } = await setUp();
    const old = await addMessage(harness, app);
    // Ids tell 4 ms apart, and the end begins with the whole of its own.
    const drawnMs = harness.nowMs();
    while (harness.nowMs() < drawnMs + 8);
    const at = (name: string, where: string) =>
      call('GET', `/app/${app}/polling-endpoint/${sink}/consumer/${name}?starting_position=${where}`);
    expect((await at('late', 'latest')).body.data).toEqual([]);
    expect(idsOf((await at('early', 'earliest')).body)).toEqual([old]);
    const fresh = await addMessage(harness, app);
    expect(idsOf((await at('late', 'latest')).body)).toEqual([fresh]);
  });

  it('refuses offsets that were not handed out, and bad input', async () => {
    const { app, poll, commit } = await setUp();
    expect((await commit(0)).body['detail'][0].loc).toEqual(['body', 'offset']);
    await addMessage(harness, app);
    await poll();
    expect((await commit(1)).status).toBe(422);
    for (const offset of [-1, 1.5, 'x', undefined]) {
      const reply = await commit(offset);
      expect([offset, reply.status, reply.body['detail'][0].loc]).toEqual([offset, 422, ['body', 'offset']]);
    }
    expect((await poll('?lease_duration_ms=99999999'))['detail'][0].loc[1]).toBe('lease_duration_ms');
  });

  it('hands nothing to two of a kind that ask at once', async () => {
    const { app, poll } = await setUp();
    await poll();
    for (let n = 0; n < 20; n++) await addMessage(harness, app);
    const pages = await Promise.all(Array.from({ length: 8 }, () => poll('?limit=20')));
    expect(pages.map((page) => page.data.length).toSorted((a, b) => b - a)).toEqual([
      20, 0, 0, 0, 0, 0, 0, 0,
    ]);
  });
});

describe('pollers against writers', () => {
  it('lose nothing that commits late, and give an iterator nothing twice', { timeout: 60_000 }, async () => {
    const { app, sink } = await scene();
    const connectionString = (harness.pool as unknown as { options: { connectionString: string } }).options
      .connectionString;
    const written: string[] = [];
    let isOver = false;
    const ids = createIdSource(harness.nowMs, (count) => randomBytes(count));
    /** Draws ids, and commits them in another order than they were drawn, some much later. */
    const write = async (seed: number): Promise<void> => {
      const client = new pg.Client({ connectionString, application_name: 'posthorn a-writer' });
      await client.connect();
      for (let round = 0; round < 40; round++) {
        const drawn = Array.from({ length: 1 + ((seed + round) % 4) }, () => ids('message'));
        await client.query('begin');
        for (const id of drawn) {
          await client.query(
            `insert into message (id, app_id, org_id, event_type, payload, content_type, retention_days, created_at)
             values ($1, $2, $3, 'a', '{}', 'application/json', 90, now())`,
            [id, app, harness.org],
          );
        }
        // Others draw and commit meanwhile.
        for (let yields = 0; yields < (seed * 7 + round) % 5; yields++) await client.query('select 1');
        const rollsBack = (seed + round) % 7 === 0;
        await client.query(rollsBack ? 'rollback' : 'commit');
        if (!rollsBack) written.push(...drawn);
      }
      await client.end();
    };
    const read = async (limit: number): Promise<string[]> => {
      const got: string[] = [];
      let iterator: string | undefined;
      for (;;) {
        const isLast = isOver;
        const page = await svix.message.poller.poll(app, sink, {
          limit,
          ...(iterator === undefined ? {} : { iterator }),
        });
        got.push(...idsOf(page));
        ({ iterator } = page);
        if (isLast && page.done) return got;
      }
    };
    const consume = async (): Promise<string[]> => {
      const got: string[] = [];
      const at = `/app/${app}/polling-endpoint/${sink}/consumer/racer`;
      for (;;) {
        const isLast = isOver;
        const { data, done } = (await call('GET', `${at}?limit=9`)).body as unknown as {
          data: { id: string; offset: number }[];
          done: boolean;
        };
        got.push(...data.map(({ id }) => id));
        const last = data.at(-1);
        if (last !== undefined) {
          const confirmed = await call('POST', `${at}/commit`, { body: { offset: last.offset } });
          expect(confirmed.status).toBe(204);
        } else if (isLast && done) return got;
      }
    };
    const readers = [read(3), read(50), consume()];
    await Promise.all([1, 2, 3, 4].map(write));
    isOver = true;
    for (const got of await Promise.all(readers)) expect(got.toSorted()).toEqual(written.toSorted());
  });
});
