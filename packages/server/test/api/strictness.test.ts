// What nobody knows is ignored on the Svix API's paths, unless asked otherwise, and refused on our own.
import { beforeAll, describe, expect, it } from 'vitest';
import { addApplication, addEndpoint } from './fixtures.ts';
import { useApi } from './harness.ts';

const harness = useApi();
const { call } = harness;
const strictly = { prefer: 'handling=strict' };

describe('an unknown field', () => {
  let app: string;
  let endpoint: string;
  beforeAll(async () => {
    app = await addApplication(harness);
    endpoint = await addEndpoint(harness, app);
  });

  it('is refused on a path of our own, and nothing is done', async () => {
    const at = `/app/${app}/endpoint/${endpoint}`;
    const refused = await call('POST', `${at}/pause`, { body: { untill: '2026-01-01T00:00:00Z' } });
    expect([refused.status, refused.headers.get('content-type')]).toEqual([422, 'application/problem+json']);
    expect(refused.body['errors']).toEqual([
      { loc: ['body', 'untill'], msg: 'unknown field `untill`', type: 'value_error' },
    ]);
    expect((await call('GET', at)).body['delivering']).toEqual({ state: 'active' });
    const query = await call('GET', `/app/${app}/dead-letter?stat=open`);
    expect([query.status, query.body['errors'][0].loc]).toEqual([422, ['query', 'stat']]);
    expect((await call('GET', `/app/${app}/dead-letter?state=open`)).status).toBe(200);
  });

  it('is ignored on the others', async () => {
    const made = await call('POST', '/app?x=1', { body: { name: 'a', tags: ['x'], nmae: 'b' } });
    expect(made.status).toBe(201);
  });

  it('is refused there, too, when nothing is to be ignored', async () => {
    const body = { name: 'a', metadata: { any: 'thing' } };
    expect((await call('POST', '/app', { headers: strictly, body })).status).toBe(201);
    const refused = await call('POST', '/app', { headers: strictly, body: { ...body, nmae: 'b' } });
    expect([refused.status, refused.body['detail'][0].loc]).toEqual([422, ['body', 'nmae']]);
    const query = await call('GET', '/app?limitt=5', { headers: strictly });
    expect([query.status, query.body['detail'][0].loc]).toEqual([422, ['query', 'limitt']]);
    const lists = await call('GET', `/app/${app}/msg?event_types[0]=a&limit=5`, { headers: strictly });
    expect(lists.status).toBe(200);
  });
});
