// A parser that ran first: the answer has to say what to change, and the change has to help.
import { createServer, type RequestListener } from 'node:http';
import express from 'express';
import { Hono } from 'hono';
import { describe, expect, it } from 'vitest';
import { webhooks as forCloudFunctions } from '../../src/handlers/cloud-functions.ts';
import { webhooks as forExpress } from '../../src/handlers/express.ts';
import { webhooks as forHono } from '../../src/handlers/hono.ts';
import { webhooks as forWeb } from '../../src/handlers/index.ts';
import { webhooks as forNext } from '../../src/handlers/next.ts';
import { sign } from '../../src/sign.ts';
import { app, SECRET } from './app.ts';
import { close, listen, overHttp } from './hosts/http.ts';

const body = Buffer.from('{"a": 1.0}');
const signed = async () => ({
  method: 'POST',
  path: '/webhooks/main',
  headers: { 'content-type': 'application/json', ...(await sign(body, SECRET, { id: 'msg_1' })) },
  body,
});
const request = async (): Promise<Request> => {
  const { method, path, headers } = await signed();
  return new Request(`https://example.com${path}`, { method, headers, body });
};

const posted = async (listener: RequestListener) => {
  const server = createServer(listener);
  const port = await listen(server);
  try {
    const { status, body: text } = await overHttp(() => port)(await signed());
    return { status, ...(JSON.parse(text) as object) };
  } finally {
    await close(server);
  }
};
const shown = async (response: Response) => ({
  http: response.status,
  ...((await response.json()) as object),
});

const gone = (remedy: RegExp) => ({ error: 'body_already_parsed', message: expect.stringMatching(remedy) });

describe('a body that was parsed before', () => {
  it('express: tells to move the route above express.json()', async () => {
    const server = express();
    server.use(express.json());
    server.all('/webhooks/main', forExpress(app()));
    expect(await posted(server)).toMatchObject({ status: 500, ...gone(/express\.json\(\).*verify/) });
  });

  it.each([
    ['express.raw()', express.raw({ type: '*/*' })],
    ['express.text()', express.text({ type: '*/*' })],
  ])('express: takes what %s read', async (_name, parser) => {
    const server = express();
    server.use(parser);
    server.all('/webhooks/main', forExpress(app()));
    expect(await posted(server)).toMatchObject({ status: 200, length: body.length });
  });

  it('cloud functions: tells when rawBody is missing', async () => {
    const server = express();
    server.use(express.json());
    server.all('/webhooks/main', forCloudFunctions(app()));
    expect(await posted(server)).toMatchObject({ status: 500, ...gone(/functions-framework/) });
  });

  it('hono: takes what Hono keeps as text or bytes', async () => {
    for (const read of ['json', 'text', 'arrayBuffer'] as const) {
      const api = new Hono();
      api.use(async (context, next) => {
        await context.req[read]();
        await next();
      });
      api.all('/webhooks/main', forHono(app()));
      expect(await shown(await api.request(await request()))).toMatchObject({
        http: 200,
        length: body.length,
      });
    }
  });

  it('hono: tells when the request was read past Hono', async () => {
    const api = new Hono();
    api.use(async (context, next) => {
      await context.req.raw.json();
      await next();
    });
    api.all('/webhooks/main', forHono(app()));
    expect(await shown(await api.request(await request()))).toMatchObject({ http: 500, ...gone(/c\.req/) });
  });

  it.each([
    ['next', forNext(app()).POST, /request\.json\(\)/],
    ['fetch', forWeb(app()), /request\.clone\(\)/],
  ])('%s: tells to hand the request on unread', async (_name, handler, remedy) => {
    const used = await request();
    await used.json();
    expect(await shown(await handler(used))).toMatchObject({ http: 500, ...gone(remedy) });
  });
});
