import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  createApplication,
  createEndpoint,
  eventually,
  startReceiver,
  startTestServer,
  tokenFor,
  type Receiver,
  type TestServer,
  type Json,
  type Shown,
} from './harness.ts';

let server: TestServer;
let receiver: Receiver;
beforeAll(async () => {
  server = await startTestServer();
  receiver = await startReceiver();
});
afterAll(async () => {
  await receiver.close();
  await server.stop();
});

const setUp = async (uid: string): Promise<string> => {
  const app = await createApplication(server, uid);
  await createEndpoint(server, app, { url: receiver.url });
  return app;
};
const withKey = (key: string) => ({ 'idempotency-key': key });
const messagesOf = async (app: string): Promise<Json[]> => (await server.call('GET', `${app}/msg`)).body.data;
const count = async (table: string): Promise<number> =>
  (await server.sql(`select count(*)::int as n from ${table}`))[0].n;

/** How often a message was tried, once nothing is under way any more. */
const attemptsInAll = async (id: string): Promise<number> => {
  await eventually(
    () => server.sql('select count(*)::int as n from live'),
    ([row]) => row.n === 0,
  );
  return (await server.sql('select count(*)::int as n from attempt where msg_id = $1', [id]))[0].n;
};

describe('a message posted twice with one key', () => {
  it('is one message with one delivery, and the same answer', async () => {
    const app = await setUp('twice');
    const body = { eventType: 'twice', payload: { n: 1 }, tags: ['a'] };
    const first = await server.call('POST', `${app}/msg`, body, withKey('one'));
    const second = await server.call('POST', `${app}/msg`, body, withKey('one'));
    expect([first.status, second.status]).toEqual([202, 202]);
    expect(second.body).toEqual(first.body);
    expect(await messagesOf(app)).toHaveLength(1);
    const { body: after } = await server.call('POST', `${app}/msg`, body, withKey('two'));
    expect(after.id).not.toBe(first.body.id);
    await receiver.until((all) => all.some((one) => one.headers['webhook-id'] === after.id));
    expect(await attemptsInAll(first.body.id)).toBe(1);
  });

  it('gets the first answer also when what it is scheduled for has passed meanwhile', async () => {
    const app = await setUp('late');
    const ahead = (ms: number): string => new Date(Date.now() + ms).toISOString();
    const body = { eventType: 'late', payload: { n: 1 }, deliverAt: ahead(2_000), expiresAt: ahead(60_000) };
    const first = await server.call('POST', `${app}/msg`, body, withKey('late'));
    const batch = { messages: [body, { ...body, payload: { n: 2 } }] };
    const firstBatch = await server.call('POST', `${app}/msg/batch`, batch, withKey('late'));
    expect([first.status, firstBatch.status]).toEqual([202, 202]);
    await receiver.until(
      (all) => all.filter(({ headers }) => headers['webhook-id'] === first.body.id).length === 1,
    );
    const again = await server.call('POST', `${app}/msg`, body, withKey('late'));
    expect([again.status, again.body]).toEqual([202, first.body]);
    const batchAgain = await server.call('POST', `${app}/msg/batch`, batch, withKey('late'));
    expect(batchAgain.body).toEqual(firstBatch.body);
    expect(await messagesOf(app)).toHaveLength(3);
    // Another request under the key, a key that nobody has used, and none at all are as before.
    const other = { ...body, payload: { n: 3 } };
    const reused = await server.call('POST', `${app}/msg`, other, withKey('late'));
    expect([reused.status, reused.body['detail'][0].loc]).toEqual([422, ['header', 'idempotency-key']]);
    const fresh = await server.call('POST', `${app}/msg`, body, withKey('unused'));
    expect([fresh.status, fresh.body['detail'][0].loc]).toEqual([422, ['body', 'deliverAt']]);
    const keyless = await server.call('POST', `${app}/msg`, body);
    expect([keyless.status, keyless.body['detail'][0].loc]).toEqual([422, ['body', 'deliverAt']]);
    // A field that was never right is not excused by the key.
    const bad = await server.call('POST', `${app}/msg`, { ...body, tags: 'x' }, withKey('late'));
    expect([bad.status, bad.body['detail'].length]).toEqual([422, 2]);
  });

  it('is refused when it is another message', async () => {
    const app = await setUp('reused');
    await server.call('POST', `${app}/msg`, { eventType: 'a', payload: {} }, withKey('k'));
    for (const other of [
      { eventType: 'a', payload: { b: 1 } },
      { eventType: 'b', payload: {} },
    ]) {
      const { status, body } = await server.call('POST', `${app}/msg`, other, withKey('k'));
      expect(status).toBe(422);
      expect(body.detail).toMatchObject([
        { loc: ['header', 'idempotency-key'], type: 'value_error', msg: expect.any(String) },
      ]);
    }
    expect(await messagesOf(app)).toHaveLength(1);
  });

  it('is two messages in two applications, and for two organisations', async () => {
    const [one, two] = [await setUp('scope-one'), await setUp('scope-two')];
    const body = { eventType: 'a', payload: {} };
    const ids = [];
    for (const app of [one, two])
      ids.push((await server.call('POST', `${app}/msg`, body, withKey('shared'))).body.id);
    const authorization = `Bearer ${await tokenFor('org_000000000000000000000000001')}`;
    await server.call('POST', '/api/v1/app', { name: 'theirs', uid: 'scope-one' }, { authorization });
    ids.push(
      (await server.call('POST', `${one}/msg`, body, { authorization, ...withKey('shared') })).body.id,
    );
    expect(new Set(ids).size).toBe(3);
  });

  it('is one message when a hundred post it at once', async () => {
    const app = await setUp('hundred');
    const before = receiver.arrivals.length;
    const body = { eventType: 'hundred', payload: { n: 1 } };
    const answers = await Promise.all(
      Array.from({ length: 100 }, () => server.call('POST', `${app}/msg`, body, withKey('h'))),
    );
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([202]));
    expect(new Set(answers.map((answer) => answer.body.id)).size).toBe(1);
    expect(await messagesOf(app)).toHaveLength(1);
    expect(await attemptsInAll(answers[0]!.body.id)).toBe(1);
    expect(receiver.arrivals).toHaveLength(before + 1);
  });

  it.each([
    ['empty', ''],
    ['256 characters', 'k'.repeat(256)],
    ['not ASCII', 'k\u00e9'],
    ['with a blank', 'a b'],
  ])('is refused as on every other POST when the key is %s', async (_, key) => {
    const app = (await server.call('POST', '/api/v1/app?get_if_exists=true', { name: 'keys', uid: 'keys' }))
      .body.id;
    const message = await server.call(
      'POST',
      `/api/v1/app/${app}/msg`,
      { eventType: 'a', payload: {} },
      withKey(key),
    );
    const application = await server.call('POST', '/api/v1/app', { name: 'a' }, withKey(key));
    expect([message.status, message.body.code]).toEqual([application.status, application.body.code]);
    expect(message).toMatchObject({ status: 400, body: { code: 'invalid_idempotency_key' } });
  });
});

describe('a batch', () => {
  it('answers for each message: what is good is accepted, what is bad says why', async () => {
    const app = await setUp('batch');
    const good = { eventType: 'good', payload: { n: 1 } };
    const messages = [
      good,
      { eventType: 'no good', payload: {} },
      good,
      { payload: {} },
      { eventType: 'good', payload: [] },
      { eventType: 'good', eventId: 'msg_x', payload: {} },
      null,
      good,
    ];
    const { status, body } = await server.call('POST', `${app}/msg/batch`, { messages });
    expect(status).toBe(202);
    expect(body.data.map((item: Shown) => item.status)).toEqual([202, 422, 202, 422, 422, 422, 422, 202]);
    expect(body.data[1].error.detail).toMatchObject([
      { loc: ['body', 'messages', '[1]', 'eventType', '__all__'] },
    ]);
    expect(body.data[0].message).toMatchObject({ eventType: 'good', payload: { n: 1 } });
    expect(body.data[0].message.id).not.toBe(body.data[2].message.id);
    const ids = body.data.flatMap((item: Shown) => item.message?.id ?? []);
    await receiver.until((all) =>
      ids.every((id: string) => all.some((one) => one.headers['webhook-id'] === id)),
    );
    expect(await messagesOf(app)).toHaveLength(3);
  });

  it('posted twice with one key is accepted once, and refused where an item has changed', async () => {
    const app = await setUp('batch-key');
    const messages = [
      { eventType: 'a', payload: { n: 1 } },
      { eventType: 'a', payload: { n: 2 } },
    ];
    const first = await server.call('POST', `${app}/msg/batch`, { messages }, withKey('b'));
    const second = await server.call('POST', `${app}/msg/batch`, { messages }, withKey('b'));
    expect(second.body).toEqual(first.body);
    for (const changed of [
      { eventType: 'b', payload: { n: 2 } },
      { eventType: 'a', payload: { n: 2 }, tags: ['x'] },
      { eventType: 'a', payload: { n: 3 } },
    ]) {
      const third = await server.call(
        'POST',
        `${app}/msg/batch`,
        { messages: [messages[0], changed] },
        withKey('b'),
      );
      expect(JSON.stringify(third.body)).toMatch(/idempotency-key/);
      expect(third.status === 422 ? 422 : third.body.data[1].status).toBe(422);
    }
    expect(await messagesOf(app)).toHaveLength(2);
  });

  it('keeps apart from a single message with the same key', async () => {
    const app = await setUp('batch-single');
    const message = { eventType: 'a', payload: { n: 1 } };
    const batch = await server.call('POST', `${app}/msg/batch`, { messages: [message] }, withKey('k'));
    // What a batch makes of a key for its first item is no key of anybody's.
    for (const key of ['k', 'k#0']) {
      const single = await server.call('POST', `${app}/msg`, message, withKey(key));
      expect([key, single.status]).toEqual([key, 202]);
      expect([key, single.body.id]).not.toEqual([key, batch.body.data[0].message.id]);
    }
  });

  it.each([
    ['an empty list', { messages: [] }],
    ['501 messages', { messages: Array.from({ length: 501 }, () => ({ eventType: 'a', payload: {} })) }],
    ['no list', { messages: {} }],
    ['nothing', {}],
  ])('of %s is refused as a whole', async (_, batch) => {
    const app = (
      await server.call('POST', '/api/v1/app?get_if_exists=true', { name: 'bad', uid: 'bad-batch' })
    ).body.id;
    const before = await count('message');
    expect((await server.call('POST', `/api/v1/app/${app}/msg/batch`, batch)).status).toBe(422);
    expect(await count('message')).toBe(before);
  });
});

describe('an event id', () => {
  it('names one message of its application: a second is a conflict, alone, in a batch and at once', async () => {
    const app = await setUp('event-ids');
    const message = { eventType: 'a', eventId: 'event-1', payload: {} };
    const first = await server.call('POST', `${app}/msg`, message);
    expect(first.status).toBe(202);
    expect(await server.call('POST', `${app}/msg`, message)).toMatchObject({
      status: 409,
      body: { code: 'conflict' },
    });
    const { body } = await server.call('POST', `${app}/msg/batch`, {
      messages: [message, { ...message, eventId: 'event-2' }, { ...message, eventId: 'event-2' }],
    });
    expect(body.data.map((item: Shown) => item.status).toSorted()).toEqual([202, 409, 409]);
    const racers = await Promise.all(
      Array.from({ length: 20 }, () => server.call('POST', `${app}/msg`, { ...message, eventId: 'event-3' })),
    );
    expect(racers.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([
      202,
      ...Array.from({ length: 19 }, () => 409),
    ]);
    expect((await server.call('GET', `${app}/msg/event-1`)).body.id).toBe(first.body.id);
    // Another application has event ids of its own.
    const other = await setUp('other-event-ids');
    expect((await server.call('POST', `${other}/msg`, message)).status).toBe(202);
  });

  it('with a key: the same request again is the same answer, not a conflict', async () => {
    const app = await setUp('event-and-key');
    const message = { eventType: 'a', eventId: 'event-1', payload: {} };
    const first = await server.call('POST', `${app}/msg`, message, withKey('k'));
    expect(await server.call('POST', `${app}/msg`, message, withKey('k'))).toMatchObject({
      status: 202,
      body: first.body,
    });
    expect((await server.call('POST', `${app}/msg`, message, withKey('k2'))).status).toBe(409);
  });
});

describe('any other POST with one key', () => {
  it('is done once: the same application, the same answer', async () => {
    const body = { name: 'Once' };
    const first = await server.call('POST', '/api/v1/app', body, withKey('app'));
    const second = await server.call('POST', '/api/v1/app', body, withKey('app'));
    expect([first.status, second.status]).toEqual([201, 201]);
    expect(second.body).toEqual(first.body);
    expect(await server.call('POST', '/api/v1/app', { name: 'Other' }, withKey('app'))).toMatchObject({
      status: 422,
      body: { detail: [{ loc: ['header', 'idempotency-key'] }] },
    });
    expect(
      await server.sql(`select count(*)::int as n from application where name in ('Once', 'Other')`),
    ).toEqual([{ n: 1 }]);
    const racers = await Promise.all(
      Array.from({ length: 10 }, () => server.call('POST', '/api/v1/app', { name: 'Race' }, withKey('race'))),
    );
    expect(new Set(racers.map((answer) => answer.body.id)).size).toBe(1);
  });

  it('that was refused may be sent again, corrected, under the same key', async () => {
    expect((await server.call('POST', '/api/v1/app', { name: '' }, withKey('corrected'))).status).toBe(422);
    expect(
      (await server.call('POST', '/api/v1/app', { name: 'Corrected' }, withKey('corrected'))).status,
    ).toBe(201);
  });

  it('keeps secrets out of the table of answers', async () => {
    const app = await createApplication(server, 'secrets');
    const secret = `whsec_${Buffer.from('a secret that must not be stored').toString('base64')}`;
    const endpoint = await server.call(
      'POST',
      `${app}/endpoint`,
      { url: receiver.url, secret },
      withKey('endpoint'),
    );
    expect(
      (await server.call('POST', `${app}/endpoint`, { url: receiver.url, secret }, withKey('endpoint'))).body
        .id,
    ).toBe(endpoint.body.id);
    const access = await server.call('POST', '/api/v1/auth/app-portal-access/secrets', {}, withKey('access'));
    expect(access.body.token).toMatch(/^ey/);
    expect(
      (await server.call('POST', '/api/v1/auth/app-portal-access/secrets', {}, withKey('access'))).body.token,
    ).toMatch(/^ey/);
    const kept = JSON.stringify(
      await server.sql(`select *, convert_from(body, 'UTF8') as text from idempotency`),
    );
    expect(kept).not.toContain(secret.replace('whsec_', ''));
    expect(kept).not.toContain(access.body.token);
    // A resend with the same key is one resend.
    expect(
      (await server.call('POST', `${app}/endpoint/${endpoint.body.id}/secret/rotate`, {}, withKey('rotate')))
        .status,
    ).toBe(204);
    const rotated = (await server.call('GET', `${app}/endpoint/${endpoint.body.id}/secret`)).body.key;
    expect(
      (await server.call('POST', `${app}/endpoint/${endpoint.body.id}/secret/rotate`, {}, withKey('rotate')))
        .status,
    ).toBe(204);
    expect((await server.call('GET', `${app}/endpoint/${endpoint.body.id}/secret`)).body.key).toBe(rotated);
  });
});
