import { describe, expect, it } from 'vitest';
import { Svix } from 'svix';
import { listen } from '../../src/api/listen.ts';
import { useApi } from './harness.ts';

const harness = useApi();
const { call } = harness;

const types = [
  {
    name: 'invoice.paid',
    description: 'Paid',
    schemas: { 1: { type: 'object', properties: { b: {}, a: { type: 'string' } } } },
    featureFlags: ['beta'],
    groupName: 'invoice',
    deprecated: true,
  },
  { name: 'user.gone', description: 'Gone', archived: true },
];
const contents = async (token: string) => {
  const { body } = await call('POST', '/environment/export', { token });
  return {
    ...body,
    createdAt: null,
    eventTypes: body['eventTypes'].map((one: object) => ({ ...one, createdAt: null, updatedAt: null })),
  };
};

describe('environments', () => {
  it('go out and into an empty organisation, through the SDK, however often', async () => {
    const listening = await listen({
      listen: '127.0.0.1:0',
      tls: null,
      routes: [],
      fetch: (request) => harness.api.fetch(request),
    });
    if (listening.kind === 'failed') throw new Error(listening.message);
    const serverUrl = `http://127.0.0.1:${listening.server.port}`;
    try {
      const from = await harness.newOrg();
      const to = await harness.newOrg();
      for (const body of types)
        expect((await call('POST', '/event-type', { token: from.token, body })).status).toBe(201);
      await call('PATCH', '/event-type/invoice.paid', {
        token: from.token,
        body: { retryPolicy: { delays: ['1s', '5s'] } },
      });
      const settings = { displayName: 'Acme', enableChannels: true, somethingNewer: { deep: [1] } };
      expect(
        (await call('POST', '/environment/import', { token: from.token, body: { settings } })).status,
      ).toBe(204);
      const source = new Svix(from.token, { serverUrl });
      const target = new Svix(to.token, { serverUrl });
      const document = await source.environment.export();
      expect([document.version, document.connectors]).toEqual([1, []]);
      expect(document.eventTypes.map(({ name }) => name)).toEqual(['invoice.paid', 'user.gone']);
      for (let times = 0; times < 2; times++) {
        await target.environment.import({ eventTypes: document.eventTypes, settings: document.settings });
        const whole = (await call('POST', '/environment/export', { token: from.token })).body;
        expect((await call('POST', '/environment/import', { token: to.token, body: whole })).status).toBe(
          204,
        );
        expect(await contents(to.token)).toEqual(await contents(from.token));
      }
      expect((await call('GET', '/environment/settings', { token: to.token })).body).toMatchObject({
        ...settings,
        enableTransformations: false,
        advancedEndpointTypes: [],
      });
    } finally {
      listening.server.destroy();
      await listening.server.close();
    }
  });

  it('add and change, and delete nothing', async () => {
    const { token } = await harness.newOrg();
    await call('POST', '/event-type', { token, body: types[0] });
    await call('POST', '/environment/import', {
      token,
      body: { settings: { displayName: 'A', customColor: '#fff' } },
    });
    const body = { eventTypes: [{ name: 'new', description: 'N' }], settings: { displayName: 'B' } };
    expect((await call('POST', '/environment/import', { token, body })).status).toBe(204);
    const after = await contents(token);
    expect(after.eventTypes.map(({ name }: { name: string }) => name)).toEqual(['invoice.paid', 'new']);
    expect(after).toMatchObject({ settings: { displayName: 'B', customColor: '#fff' } });
    expect(harness.changes.at(-1)).toMatchObject({ applicationId: null });
  });

  it.each<[string, unknown, string[]]>([
    ['no list of types', { eventTypes: {} }, ['body', 'eventTypes']],
    [
      'a type without a description',
      { eventTypes: [{ name: 'a', description: '' }, { name: 'b' }] },
      ['body', 'eventTypes', '[1]', 'description'],
    ],
    [
      'a name of another alphabet',
      { eventTypes: [{ name: 'a b', description: '' }] },
      ['body', 'eventTypes', '[0]', 'name', '__all__'],
    ],
    [
      'a type twice',
      {
        eventTypes: [
          { name: 'a', description: '' },
          { name: 'a', description: '' },
        ],
      },
      ['body', 'eventTypes', '[1]', 'name'],
    ],
    [
      'a schema that is none',
      {
        eventTypes: [
          { name: 'ok', description: '' },
          { name: 'a', description: '', schemas: { 1: { type: 'nonsense' } } },
        ],
      },
      ['body', 'eventTypes', '[1]', 'schemas', '1'],
    ],
    [
      'a retry policy that is none',
      { eventTypes: [{ name: 'a', description: '', retryPolicy: 5 }] },
      ['body', 'eventTypes', '[0]', 'retryPolicy'],
    ],
    [
      'settings of another type',
      { eventTypes: [{ name: 'a', description: '' }], settings: { enableChannels: 'yes' } },
      ['body', 'settings', 'enableChannels'],
    ],
    ['settings that are no object', { settings: [] }, ['body', 'settings']],
    [
      'connectors',
      { eventTypes: [{ name: 'a', description: '' }], connectors: [{ name: 'x' }] },
      ['body', 'connectors'],
    ],
  ])('refuse %s, and write nothing', async (_what, body, loc) => {
    const { token } = await harness.newOrg();
    const reply = await call('POST', '/environment/import', { token, body });
    expect([reply.status, reply.body['detail']?.[0].loc]).toEqual([422, loc]);
    expect(await contents(token)).toMatchObject({ eventTypes: [], settings: null });
  });
});
