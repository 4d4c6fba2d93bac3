// Operational webhooks and tokens through both generations of the official SDK.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AppPortalCapability, Svix } from 'svix';
import { Svix as SvixV1 } from 'svix-v1';
import { listen } from '../../src/api/listen.ts';
import type { Listening } from '../../src/api/listen.ts';
import { addApplication } from './fixtures.ts';
import { useApi } from './harness.ts';
import { refusalOf } from './sdk-clients.ts';

const harness = useApi();
let server: Listening;
let serverUrl: string;
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
  serverUrl = `http://127.0.0.1:${server.port}`;
  svix = new Svix(harness.token, { serverUrl });
  old = new SvixV1(harness.token, { serverUrl });
});
afterAll(async () => {
  server?.destroy();
  await server?.close();
});

const url = 'https://operator.test/hook';

describe('operational webhooks', () => {
  it('work with svix 2', async () => {
    const { endpoint } = svix.operationalWebhook;
    const created = await endpoint.create({ url, uid: 'two', eventTypes: ['endpoint.disabled'] });
    expect([created.url, created.uid, created.eventTypes, created.createdAt]).toEqual([
      url,
      'two',
      ['endpoint.disabled'],
      expect.any(Date),
    ]);
    expect((await endpoint.list({ limit: 1 })).data[0]?.id).toBe(created.id);
    expect((await endpoint.get('two')).id).toBe(created.id);
    expect((await endpoint.upsert('two', { url, uid: 'two', description: 'd' })).description).toBe('d');
    await endpoint.setHeaders('two', { headers: { 'x-a': 'b' } });
    expect((await endpoint.getHeaders('two')).headers).toEqual({ 'x-a': 'b' });
    const { key } = await endpoint.getSecret('two');
    await endpoint.rotateSecret('two', {});
    expect((await endpoint.getSecret('two')).key).not.toBe(key);
    await endpoint.delete('two');
    expect(await refusalOf(endpoint.get('two'))).toMatchObject({ code: 404 });
  });

  it('work with svix 1', async () => {
    const { operationalWebhookEndpoint: endpoint } = old;
    const created = await endpoint.create({ url, uid: 'one', filterTypes: ['message.attempt.failing'] });
    expect(created.filterTypes).toEqual(['message.attempt.failing']);
    expect((await endpoint.list()).data.map(({ id }) => id)).toContain(created.id);
    expect((await endpoint.update('one', { url, uid: 'one', rateLimit: 3 })).rateLimit).toBe(3);
    await endpoint.updateHeaders('one', { headers: { 'x-a': 'b' } });
    expect((await endpoint.getHeaders('one')).headers).toEqual({ 'x-a': 'b' });
    await endpoint.rotateSecret('one', {});
    expect((await endpoint.getSecret('one')).key).toMatch(/^whsec_/);
    await endpoint.delete('one');
  });
});

describe('tokens', () => {
  it('are given, limited and taken back by both', async () => {
    await addApplication(harness, 'customer');
    const viewer = await svix.authentication.appPortalAccess('customer', {
      capabilities: [AppPortalCapability.ViewBase],
      sessionId: 'viewer',
      expiry: 3600,
      featureFlags: [],
    });
    const keeper = await old.authentication.appPortalAccess('customer', { featureFlags: [] });
    const viewing = new Svix(viewer.token, { serverUrl });
    const keeping = new SvixV1(keeper.token, { serverUrl });
    expect((await viewing.endpoint.list('customer')).data).toEqual([]);
    expect(await refusalOf(viewing.endpoint.create('customer', { url }))).toMatchObject({ code: 403 });
    await keeping.endpoint.create('customer', { url });
    await svix.authentication.expireAll('customer', { sessionIds: ['viewer'] });
    expect(await refusalOf(viewing.endpoint.list('customer'))).toMatchObject({ code: 401 });
    await keeping.authentication.logout();
    expect(await refusalOf(keeping.endpoint.list('customer'))).toMatchObject({ code: 401 });
    expect(await refusalOf(svix.authentication.logout())).toMatchObject({ code: 400 });
  });

  it('what is left out tells an SDK so', async () => {
    const refusal = await refusalOf(svix.connector.list());
    expect(refusal.code).toBe(501);
    expect(JSON.parse(String(refusal.body))).toMatchObject({ code: 'not_implemented' });
  });
});
