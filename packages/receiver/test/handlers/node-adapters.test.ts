import { createServer, type Server } from 'node:http';
import { serve } from '@hono/node-server';
import express5 from 'express';
import express4 from 'express-v4';
import fastify5 from 'fastify';
import fastify4 from 'fastify-v4';
import { Hono } from 'hono';
import { afterAll, beforeAll, describe } from 'vitest';
import { webhooks as forExpress } from '../../src/handlers/express.ts';
import { webhooks as forFastify } from '../../src/handlers/fastify.ts';
import { webhooks as forHono } from '../../src/handlers/hono.ts';
import { webhooks as forNode } from '../../src/handlers/node.ts';
import { app } from './app.ts';
import { contract } from './contract.ts';
import { close, listen, overHttp } from './hosts/http.ts';

const serving = (server: () => Server): void => {
  let port = 0;
  let running: Server;
  beforeAll(async () => {
    running = server();
    port = await listen(running);
  });
  afterAll(() => close(running));
  contract(overHttp(() => port));
};

describe('node:http', () => serving(() => createServer(forNode(app()))));

const expresses = [
  ['express 5', express5],
  ['express 4', express4],
] as const;

describe.each(expresses)('%s', (_, express) =>
  serving(() => {
    const server = express();
    server.all('/webhooks/:source', forExpress(app()));
    server.use(express.json());
    return createServer(server);
  }),
);

describe.each(expresses)('%s after parsers that keep the bytes', (_, express) =>
  serving(() => {
    const server = express();
    const keep = (request: object, _response: unknown, bytes: Buffer): void => {
      Object.assign(request, { rawBody: bytes });
    };
    const options = { limit: '2mb', verify: keep };
    server.use(
      express.json({ ...options, strict: false }),
      express.urlencoded({ ...options, extended: true }),
      express.text(options),
    );
    server.use(express.raw({ ...options, type: () => true }));
    server.use('/webhooks', forExpress(app()));
    return createServer(server);
  }),
);

// Their types differ where these tests do not look; types.test.ts holds the plugin to both.
const fastifies: readonly (readonly [string, typeof fastify5])[] = [
  ['fastify 5', fastify5],
  ['fastify 4', fastify4 as unknown as typeof fastify5],
];

describe.each(fastifies)('%s beside its own parsers', (_, fastify) => {
  const server = fastify();
  let port = 0;
  beforeAll(async () => {
    server.post('/orders', (request) => request.body);
    await server.register(forFastify(app()), { prefix: '/webhooks' });
    await server.listen({ host: '127.0.0.1', port: 0 });
    port = (server.server.address() as { port: number }).port;
  });
  afterAll(() => server.close());
  contract(overHttp(() => port));
});

describe('hono on node', () => {
  let server: Server;
  let port = 0;
  beforeAll(async () => {
    const api = new Hono();
    api.all('/webhooks/:source', forHono(app()));
    port = await new Promise((resolve) => {
      server = serve({ fetch: api.fetch, port: 0, hostname: '127.0.0.1' }, (info) =>
        resolve(info.port),
      ) as Server;
    });
  });
  afterAll(() => close(server));
  contract(overHttp(() => port));
});
