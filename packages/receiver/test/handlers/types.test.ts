// What a program writes has to compile: `npx tsc -b` is half of this test.
import type { app as azure } from '@azure/functions';
import fastify from 'fastify';
import fastify4 from 'fastify-v4';
import { Hono } from 'hono';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { allowList } from '../../src/allow-list/index.ts';
import { webhooks as forAzure } from '../../src/handlers/azure-functions.ts';
import { webhooks as forFastify } from '../../src/handlers/fastify.ts';
import { webhooks as forHono } from '../../src/handlers/hono.ts';
import { createReceiver, webhooks } from '../../src/handlers/index.ts';
import { standardWebhooks } from '../../src/standard-webhooks.ts';
import { SECRET, shown, signedRequest } from './requests.ts';

const source = standardWebhooks(SECRET);

describe('types', () => {
  it('of the schema reach the handler, and what it refuses is 422', async () => {
    const totals: number[] = [];
    const { receive } = createReceiver({
      source,
      schema: z.object({ order: z.object({ total: z.number() }) }),
      handle: ({ data }) => void totals.push(data.order.total),
    });
    expect(shown(await receive(await signedRequest('{"order":{"total":7}}')))).toMatchObject({ http: 200 });
    expect(totals).toEqual([7]);
    expect(shown(await receive(await signedRequest('{"order":{"total":"7"}}')))).toMatchObject({
      http: 422,
      error: 'schema_mismatch',
      field: 'order.total',
    });
    expect(shown(await receive(await signedRequest('{')))).toMatchObject({ http: 400, error: 'bad_json' });
  });

  it('let XML and binary through to the schema as bytes', async () => {
    const { receive } = createReceiver({
      source,
      schema: z.instanceof(Uint8Array),
      handle: ({ data }) => ({ body: new TextDecoder().decode(data) }),
    });
    const headers = { 'content-type': 'application/xml' };
    expect((await receive(await signedRequest('<a/>', { headers }))).body).toBe('<a/>');
  });

  it('of the hosts fit', async () => {
    const receiver = createReceiver({
      source,
      allow: allowList(['192.0.2.0/24']),
      handle: async () => undefined,
    });
    await fastify().register(forFastify(receiver), { prefix: '/webhooks' });
    await fastify4().register(forFastify(receiver), { prefix: '/webhooks' });
    new Hono<{ Bindings: { SECRET: string } }>().all('/webhooks', forHono(receiver));
    const handler: Parameters<typeof azure.http>[1]['handler'] = forAzure(receiver);
    expect(handler).toBeTypeOf('function');
    const response = await webhooks(receiver)(new Request('https://example.com', { method: 'POST' }));
    expect(await response.json()).toMatchObject({ error: 'address_unknown' });
  });
});
