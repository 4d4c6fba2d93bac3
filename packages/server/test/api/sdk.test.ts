// Both generations of the official SDK, unchanged, against a listening server.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ApiException, Svix } from 'svix';
import { Svix as SvixV1, Webhook } from 'svix-v1';
import { listen } from '../../src/api/listen.ts';
import type { Listening } from '../../src/api/listen.ts';
import { addAttempt, addClosed, addMessage } from './fixtures.ts';
import { useApi } from './harness.ts';

const harness = useApi();
let server: Listening;
let svix: Svix;
let old: SvixV1;

beforeAll(async () => {
  const listening = await listen({
    listen: '127.0.0.1:0',
    tls: null,
    routes: [],
    fetch: (request) => harness.api.fetch(request),
  });
  if (listening.kind === 'failed') throw new Error(listening.message);
  server = listening.server;
  const serverUrl = `http://127.0.0.1:${server.port}`;
  svix = new Svix(harness.token, { serverUrl });
  old = new SvixV1(harness.token, { serverUrl });
});
afterAll(async () => {
  server?.destroy();
  await server?.close();
});

const failure = async (work: Promise<unknown>) => {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason as { code: number; body: unknown },
  );
  return [error?.code, error?.body];
};

describe('svix 2', () => {
  it('works through applications, event types and endpoints', async () => {
    const app = await svix.application.create({ name: 'two', uid: 'two' });
    expect(app.createdAt).toBeInstanceOf(Date);
    expect((await svix.application.getOrCreate({ name: 'two', uid: 'two' })).id).toBe(app.id);
    expect((await svix.application.get('two')).name).toBe('two');
    expect((await svix.application.upsert('two', { name: 'II', uid: 'two' })).name).toBe('II');
    expect((await svix.application.patch('two', { metadata: { a: 'b' } })).metadata).toEqual({ a: 'b' });

    await svix.eventType.create({ name: 'two.happened', description: 'It happened', featureFlags: ['f'] });
    expect((await svix.eventType.get('two.happened')).featureFlags).toEqual(['f']);
    expect((await svix.eventType.upsert('two.other', { description: 'Other' })).name).toBe('two.other');
    expect((await svix.eventType.patch('two.other', { deprecated: true })).deprecated).toBe(true);
    await svix.eventType.delete('two.other', { expunge: true });
    expect((await svix.eventType.list({ withContent: true })).data.map(({ name }) => name)).toContain(
      'two.happened',
    );

    const endpoint = await svix.endpoint.create('two', {
      url: 'https://two.test/hook',
      uid: 'ep-two',
      eventTypes: ['two.happened'],
      channels: ['c'],
      headers: { 'x-a': '1' },
    });
    expect(endpoint.eventTypes).toEqual(['two.happened']);
    expect((await svix.endpoint.get('two', 'ep-two')).id).toBe(endpoint.id);
    expect((await svix.endpoint.patch('two', 'ep-two', { description: 'd' })).description).toBe('d');
    expect(
      (await svix.endpoint.upsert('two', 'ep-two', { url: 'https://two.test/b', uid: 'ep-two' })).url,
    ).toBe('https://two.test/b');
    const { key } = await svix.endpoint.getSecret('two', 'ep-two');
    await svix.endpoint.rotateSecret('two', 'ep-two', {});
    expect((await svix.endpoint.getSecret('two', 'ep-two')).key).not.toBe(key);
    expect(() => new Webhook(key)).not.toThrow();
    await svix.endpoint.setHeaders('two', 'ep-two', { headers: { 'x-b': '2', authorization: 'x' } });
    await svix.endpoint.patchHeaders('two', 'ep-two', { headers: { 'x-c': '3' }, deleteHeaders: ['x-b'] });
    expect(await svix.endpoint.getHeaders('two', 'ep-two')).toEqual({
      headers: { 'x-c': '3' },
      sensitive: ['authorization'],
    });
    expect(await svix.endpoint.getStats('two', 'ep-two')).toMatchObject({ success: 0, canceled: 0 });
    expect((await svix.endpoint.sendExample('two', 'ep-two', { eventType: 'svix.ping' })).payload).toEqual({
      success: true,
    });
    expect((await svix.endpoint.list('two')).data).toHaveLength(1);
    const access = await svix.authentication.appPortalAccess('two', { featureFlags: ['f'] });
    expect(access.token.split('.')).toHaveLength(3);
    expect((await svix.health.get()) ?? null).toBeDefined();
    await svix.endpoint.delete('two', 'ep-two');
    await svix.application.delete('two');
    expect(await failure(svix.application.get('two'))).toEqual([
      404,
      { code: 'not_found', detail: 'Entity not found' },
    ]);
  });

  it('works through messages, attempts, resend, recover and tasks', async () => {
    const app = await svix.application.create({ name: 'messages', uid: 'messages' });
    const endpoint = await svix.endpoint.create(app.id, { url: 'https://two.test/' });
    const message = await addMessage(harness, app.id, { eventId: 'e-1', channels: ['c'] });
    const attempt = await addAttempt(harness, app.id, endpoint.id, message, { status: 2, final: 'dead' });
    await addClosed(harness, app.id, endpoint.id, message);
    expect(
      (
        await svix.message.list(app.id, {
          eventTypes: ['user.created'],
          after: new Date(0),
          withContent: true,
        })
      ).data,
    ).toMatchObject([{ id: message, payload: { n: 1 } }]);
    expect((await svix.message.get(app.id, 'e-1')).timestamp).toBeInstanceOf(Date);
    const attempts = await svix.messageAttempt.listByMsg(app.id, message, {
      status: 2,
      withContent: false,
      limit: 2,
    });
    expect(attempts.data).toMatchObject([{ id: attempt, status: 2, responseStatusCode: 500 }]);
    expect(
      (await svix.messageAttempt.listByEndpoint(app.id, endpoint.id, { withMsg: true })).data[0]!.msg!.id,
    ).toBe(message);
    expect((await svix.messageAttempt.listAttemptedMessages(app.id, endpoint.id)).data).toMatchObject([
      { id: message, status: 2 },
    ]);
    expect((await svix.messageAttempt.listAttemptedDestinations(app.id, message)).data).toMatchObject([
      { id: endpoint.id, status: 2 },
    ]);
    expect((await svix.messageAttempt.get(app.id, message, attempt)).url).toBe('https://hooks.test/');
    await svix.messageAttempt.resend(app.id, message, endpoint.id);
    expect(harness.resent.at(-1)).toMatchObject({ messageId: message });
    const task = await svix.endpoint.recover(app.id, endpoint.id, { since: new Date(Date.now() - 60_000) });
    expect(task.task).toBe('endpoint.recover');
    await harness.runTasks();
    expect(await svix.backgroundTask.get(task.id)).toMatchObject({
      status: 'finished',
      data: { started: 1 },
    });
    expect((await svix.backgroundTask.list({ limit: 1 })).data).toHaveLength(1);
    await svix.endpoint.replayMissing(app.id, endpoint.id, { since: new Date() });
    await svix.endpoint.bulkReplay(app.id, endpoint.id, { since: new Date() });
    await svix.messageAttempt.expungeContent(app.id, message, attempt);
    await svix.message.expungeContent(app.id, message);
    expect((await svix.message.get(app.id, message)).payload).toEqual({ expired: true });
  });

  it('pages over 300 items and back', async () => {
    const { token } = await harness.newOrg();
    const mine = new Svix(token, { serverUrl: `http://127.0.0.1:${server.port}` });
    for (let i = 0; i < 300; i += 20) {
      await Promise.all(
        Array.from({ length: 20 }, (_, n) => mine.application.create({ name: `app ${i + n}` })),
      );
    }
    const seen: string[] = [];
    let iterator: string | null | undefined;
    let last;
    do {
      last = await mine.application.list({ limit: 70, ...(iterator ? { iterator } : {}) });
      seen.push(...last.data.map(({ id }) => id));
      iterator = last.iterator;
    } while (!last.done);
    expect([seen.length, new Set(seen).size]).toEqual([300, 300]);
    const back = await mine.application.list({ limit: 250, iterator: last.prevIterator! });
    expect(back.data.map(({ id }) => id)).toEqual(seen.slice(-last.data.length - 250, -last.data.length));
  });

  it('understands the errors', async () => {
    const bad = await svix.application.create({ name: '', uid: 'a b' }).catch((error: unknown) => error);
    expect(bad).toBeInstanceOf(ApiException);
    expect(bad).toMatchObject({
      code: 422,
      body: { detail: [{ loc: ['body', 'name'] }, { loc: ['body', 'uid', '__all__'] }] },
    });
    const wrong = new Svix('wrong', { serverUrl: `http://127.0.0.1:${server.port}` });
    expect(await failure(wrong.application.list())).toEqual([
      401,
      { code: 'authentication_failed', detail: 'Invalid token' },
    ]);
    expect(await failure(svix.application.get('nobody'))).toMatchObject([404, { code: 'not_found' }]);
  });
});

describe('svix 1', () => {
  it('works through its own spellings', async () => {
    const app = await old.application.create({ name: 'one', uid: 'one', rateLimit: 9 });
    expect(app.rateLimit).toBe(9);
    expect((await old.application.update('one', { name: 'I', uid: 'one' })).name).toBe('I');
    await old.eventType.create({ name: 'one.happened', description: 'It happened' });
    expect((await old.eventType.update('one.happened', { description: 'again' })).description).toBe('again');
    const endpoint = await old.endpoint.create('one', {
      url: 'https://one.test',
      version: 1,
      filterTypes: ['one.happened'],
    });
    expect([endpoint.filterTypes, endpoint.version]).toEqual([['one.happened'], 1]);
    const updated = await old.endpoint.update('one', endpoint.id, {
      url: 'https://one.test/b',
      filterTypes: ['one.happened'],
    });
    expect(updated.filterTypes).toEqual(['one.happened']);
    await old.endpoint.updateHeaders('one', endpoint.id, { headers: { a: 'b' } });
    expect((await old.endpoint.getHeaders('one', endpoint.id)).headers).toEqual({ a: 'b' });
    await old.endpoint.rotateSecret('one', endpoint.id, {});
    expect((await old.endpoint.getSecret('one', endpoint.id)).key).toMatch(/^whsec_/);
    const message = await addMessage(harness, app.id);
    await addAttempt(harness, app.id, endpoint.id, message, { final: 'succeeded' });
    expect((await old.messageAttempt.listByMsg('one', message)).data).toHaveLength(1);
    expect((await old.messageAttempt.listAttemptedMessages('one', endpoint.id)).data).toMatchObject([
      { status: 0 },
    ]);
    expect((await old.message.list('one')).data).toMatchObject([{ id: message }]);
    expect((await old.authentication.dashboardAccess('one')).token).toBeTruthy();
    await old.endpoint.delete('one', endpoint.id);
    await old.application.delete('one');
    expect((await failure(old.application.get('one')))[0]).toBe(404);
  });
});
