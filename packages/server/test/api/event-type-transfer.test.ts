import { stringify } from 'yaml';
import { describe, expect, it } from 'vitest';
import { addApplication } from './fixtures.ts';
import { useApi } from './harness.ts';
import { refusalOf, useSvix } from './sdk-clients.ts';

const harness = useApi();
const { call } = harness;
const svix = useSvix(harness);

const documentOf = (webhooks: Record<string, unknown>) => ({
  openapi: '3.1.0',
  info: { title: 't', version: '1' },
  webhooks,
});
const webhook = (description: string, more: object = {}) => ({
  post: {
    description,
    requestBody: { content: { 'application/json': { schema: { type: 'object' } } } },
    ...more,
  },
});

/** An organisation of its own, with the SDK's client for it. */
const organisation = async () => {
  const { token } = await harness.newOrg();
  const client = svix(token);
  const list = async () =>
    (await client.eventType.list({ includeArchived: true, withContent: true })).data.map((one) => [
      one.name,
      one.description,
      one.archived,
    ]);
  return { token, client, list };
};

describe('importing event types', () => {
  it('creates, updates and brings back, from JSON', async () => {
    const { client, list } = await organisation();
    await client.eventType.create({
      name: 'kept',
      description: 'old',
      groupName: 'mine',
      featureFlags: ['f'],
    });
    await client.eventType.create({ name: 'other', description: 'other' });
    await client.eventType.create({ name: 'back', description: 'away' });
    await client.eventType.delete('back');
    const spec = documentOf({ kept: webhook('new'), back: webhook('again'), fresh: webhook('born') });
    const { data } = await client.eventType.importOpenapi({ spec });
    expect(data).toMatchObject({ modified: ['kept', 'back', 'fresh'], toModify: undefined });
    expect(await list()).toEqual([
      ['back', 'again', false],
      ['fresh', 'born', false],
      ['kept', 'new', false],
      ['other', 'other', false],
    ]);
    expect(await client.eventType.get('kept')).toMatchObject({
      groupName: 'mine',
      featureFlags: ['f'],
      schemas: { 1: { type: 'object' } },
    });
    expect(harness.changes.at(-1)).toMatchObject({ applicationId: null, endpointIds: [] });
  });

  it('reads text as YAML or as JSON', async () => {
    const { client, list } = await organisation();
    const document = documentOf({ a: webhook('in yaml', { 'x-svix-group-name': 'g' }) });
    await client.eventType.importOpenapi({ specRaw: stringify(document) });
    expect((await client.eventType.get('a')).groupName).toBe('g');
    await client.eventType.importOpenapi({
      specRaw: ` ${JSON.stringify(documentOf({ a: webhook('in json') }))}`,
    });
    expect(await list()).toEqual([['a', 'in json', false]]);
  });

  it('keeps a priority, and takes the one that the document says', async () => {
    const { token, client } = await organisation();
    const priorityOf = async (name: string) =>
      (await harness.call('GET', `/event-type/${name}`, { token })).body['priority'];
    await harness.call('POST', '/event-type', {
      token,
      body: { name: 'a', description: 'a', priority: 'bulk' },
    });
    await client.eventType.importOpenapi({
      spec: documentOf({ a: webhook('a'), b: webhook('b', { 'x-posthorn-priority': 'critical' }) }),
    });
    expect([await priorityOf('a'), await priorityOf('b')]).toEqual(['bulk', 'critical']);
  });

  it('archives what the document does not name, when asked to', async () => {
    const { client, list } = await organisation();
    await client.eventType.create({ name: 'gone', description: 'old' });
    const { data } = await client.eventType.importOpenapi({
      replaceAll: true,
      spec: documentOf({ here: webhook('new') }),
    });
    expect(data.modified).toEqual(['here', 'gone']);
    expect(await list()).toEqual([
      ['gone', 'old', true],
      ['here', 'new', false],
    ]);
  });

  it('tells what it would do, and does nothing', async () => {
    const { client, list } = await organisation();
    await client.eventType.create({ name: 'gone', description: 'old' });
    const spec = documentOf({ a: webhook('new', { deprecated: true }) });
    const { data } = await client.eventType.importOpenapi({ dryRun: true, replaceAll: true, spec });
    expect(data).toMatchObject({
      modified: [],
      toModify: [
        { name: 'a', description: 'new', deprecated: true, schemas: { 1: { type: 'object' } } },
        { name: 'gone', description: 'old', deprecated: false },
      ],
    });
    expect(await list()).toEqual([['gone', 'old', false]]);
  });

  it('refuses no document and two, what cannot be read, and what is wrong in it; then nothing is written', async () => {
    const { client, list, token } = await organisation();
    const spec = documentOf({ fine: webhook('fine') });
    for (const body of [{}, { spec, specRaw: '{}' }]) {
      expect(await refusalOf(client.eventType.importOpenapi(body))).toMatchObject({ code: 400 });
    }
    const refusals: [body: object, loc: string[]][] = [
      [{ specRaw: 'a: [' }, ['body', 'specRaw']],
      [{ specRaw: '&a [*a]' }, ['body', 'specRaw']],
      [{ specRaw: 'a: 1\na: 2' }, ['body', 'specRaw']],
      [{ specRaw: `{"webhooks":${'['.repeat(500)}${']'.repeat(500)}}` }, ['body', 'specRaw']],
      [{ specRaw: 'webhooks: {"a b": {post: {}}}' }, ['body', 'specRaw', 'webhooks', 'a b']],
      [
        { spec: documentOf({ fine: webhook('fine'), bad: { post: { 'x-svix-group-name': '!' } } }) },
        ['body', 'spec', 'webhooks', 'bad'],
      ],
      [{ spec: documentOf({ bad: { $ref: '#/components/%' } }) }, ['body', 'spec', 'webhooks', 'bad']],
      [
        {
          spec: documentOf({
            bad: webhook('x', {
              requestBody: { content: { 'application/json': { schema: { $ref: '#/%' } } } },
            }),
          }),
        },
        ['body', 'spec', 'webhooks', 'bad'],
      ],
      [{ spec: 'text' }, ['body', 'spec']],
    ];
    for (const [body, loc] of refusals) {
      const reply = await call('POST', '/event-type/import/openapi', { token, body });
      expect([reply.status, reply.body.detail[0].loc]).toEqual([422, loc]);
    }
    const wrong = await call('POST', '/event-type/import/openapi', {
      token,
      body: { specRaw: 'openapi: 3.1.0\nwebhooks:\n\ta: 1' },
    });
    expect(wrong.body.detail[0].msg).toBe('The document cannot be read: line 3: a tab indents; use spaces.');
    expect(await list()).toEqual([]);
    const app = await addApplication(harness);
    const stranger = await harness.appToken(app);
    const refused = await call('POST', '/event-type/import/openapi', { token: stranger, body: { spec } });
    expect(refused.status).toBe(403);
  });
});

describe('YAML documents', () => {
  it('of one organisation do not keep those of another waiting, and are refused when too many wait', async () => {
    const [greedy, modest] = [await organisation(), await organisation()];
    const specRaw = stringify(documentOf({ a: webhook('A') }));
    const ended: string[] = [];
    const read = async ({ token }: { token: string }, who: string): Promise<number> => {
      const { status, body } = await call('POST', '/event-type/import/openapi', { token, body: { specRaw } });
      if (status === 200) ended.push(who);
      else expect([status, body['code']]).toEqual([503, 'overloaded']);
      return status;
    };
    const statuses = await Promise.all([
      ...Array.from({ length: 6 }, () => read(greedy, 'greedy')),
      read(modest, 'modest'),
    ]);
    // One is read, two wait, three are too many.
    expect(statuses.filter((status) => status === 503).length).toBe(3);
    expect(statuses.at(-1)).toBe(200);
    expect(ended.indexOf('modest')).toBeLessThan(3);
  });
});

describe('exporting event types', () => {
  it('ends in a document that makes the same event types elsewhere', async () => {
    const here = await organisation();
    await here.client.eventType.importOpenapi({
      spec: { ...documentOf({ a: webhook('A', { deprecated: true }), b: webhook('B') }) },
    });
    await here.client.eventType.delete('b');
    const started = await call('POST', '/event-type/export/openapi', { token: here.token });
    expect([started.status, started.body.task]).toEqual([202, 'sdk.generate']);
    await harness.runTasks();
    const task = await here.client.backgroundTask.get(started.body.id);
    expect(task.status).toBe('finished');
    const there = await organisation();
    await there.client.eventType.importOpenapi({ spec: (task.data as { spec: object }).spec });
    expect(await there.list()).toEqual([['a', 'A', false]]);
    expect(await there.client.eventType.get('a')).toMatchObject({
      deprecated: true,
      schemas: { 1: { type: 'object' } },
    });
    expect((await call('GET', `/background-task/${started.body.id}`, { token: there.token })).status).toBe(
      404,
    );
  });
});

describe('a schema with a name of all kinds of characters', () => {
  it('comes through an import and an export', async () => {
    const { client, token } = await organisation();
    const name = 'a/b %~ü';
    const spec = {
      ...documentOf({
        a: webhook('A', {
          requestBody: {
            content: { 'application/json': { schema: { $ref: '#/components/schemas/a~1b%20%25~0%C3%BC' } } },
          },
        }),
      }),
      components: { schemas: { [name]: { type: 'string' } } },
    };
    await client.eventType.importOpenapi({ spec });
    const { schemas } = await client.eventType.get('a');
    expect(schemas).toEqual({
      1: { $ref: '#/definitions/a~1b%20%25~0%C3%BC', definitions: { [name]: { type: 'string' } } },
    });
    const started = await call('POST', '/event-type/export/openapi', { token });
    await harness.runTasks();
    const task = await client.backgroundTask.get(started.body.id);
    const there = await organisation();
    await there.client.eventType.importOpenapi({ spec: (task.data as { spec: object }).spec });
    expect((await there.client.eventType.get('a')).schemas).toMatchObject({
      1: { definitions: { [`a.${name}`]: { type: 'string' } } },
    });
  });
});

describe('the retry schedule of an event type', () => {
  it('is shown and set in seconds and nanoseconds', async () => {
    const { client, token } = await organisation();
    await client.eventType.create({ name: 'a', description: '' });
    const at = '/event-type/a/retry-schedule';
    expect((await call('GET', at, { token })).body).toEqual({ retrySchedule: null });
    const retrySchedule = [
      { secs: 0, nanos: 500_000_000 },
      { secs: 5, nanos: 0 },
    ];
    const put = await call('PUT', at, { token, body: { retrySchedule } });
    expect([put.status, put.body]).toEqual([200, { retrySchedule }]);
    expect((await call('GET', at, { token })).body).toEqual({ retrySchedule });
    expect((await call('GET', '/event-type/a', { token })).body.retryPolicy).toEqual({
      kind: 'list',
      waitsSeconds: [0.5, 5],
    });
    const exponential = { kind: 'exponential', baseSeconds: 1, factor: 2, ceilingSeconds: 3, retries: 3 };
    await call('PATCH', '/event-type/a', { token, body: { retryPolicy: exponential } });
    expect(
      (await call('GET', at, { token })).body.retrySchedule.map(({ secs }: { secs: number }) => secs),
    ).toEqual([1, 2, 3]);
    expect((await call('PUT', at, { token, body: { retrySchedule: null } })).body).toEqual({
      retrySchedule: null,
    });
    expect((await call('PUT', at, { token, body: { retrySchedule: [] } })).body).toEqual({
      retrySchedule: [],
    });
    for (const [body, loc] of [
      [{ retrySchedule: [{ secs: -1, nanos: 0 }] }, ['body', 'retrySchedule', '[0]', 'secs']],
      [{ retrySchedule: [{ secs: 1, nanos: 1e9 }] }, ['body', 'retrySchedule', '[0]', 'nanos']],
      [{ retrySchedule: [{ secs: 1e9, nanos: 0 }] }, ['body', 'retrySchedule']],
      [{ retrySchedule: [5] }, ['body', 'retrySchedule', '[0]']],
    ] as const) {
      const reply = await call('PUT', at, { token, body });
      expect([reply.status, reply.body.detail[0].loc]).toEqual([422, loc]);
    }
    for (const method of ['GET', 'PUT']) {
      const foreign = await call(method, at, method === 'PUT' ? { body: { retrySchedule: [] } } : {});
      expect(foreign.status).toBe(404);
    }
  });
});
