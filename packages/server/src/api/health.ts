import { OpenAPIHono, z } from '@hono/zod-openapi';
import { json, noContent } from './answers.ts';
import { operate } from './operation.ts';
import type { ApiDeps } from './port.ts';

const part = z.object({ status: z.enum(['ok', 'error']) });
const healthOut = z.object({ database: part, queue: part, cache: part }).openapi('HealthOut');
const egressOut = z
  .object({ ips: z.array(z.string()) })
  .openapi('EgressIpsOut', { example: { ips: ['198.51.100.7'] } });

/** Whether the server works, and where its webhooks come from. */
export const healthRoutes = (deps: ApiDeps): OpenAPIHono => {
  const app = new OpenAPIHono();

  operate(
    app,
    deps,
    {
      id: 'v1.health.get',
      method: 'get',
      path: '/health',
      tag: 'Health',
      summary: 'Whether the server and its database work',
      who: 'nobody',
      answers: { 200: healthOut, 500: healthOut },
    },
    async () => {
      const works = await deps.store.ping();
      // Queue and cache are the database's tables here; clients of the reference look for all three.
      const status = { status: works ? 'ok' : 'error' };
      return json(works ? 200 : 500, { database: status, queue: status, cache: status });
    },
  );

  operate(
    app,
    deps,
    {
      id: 'v1.health.ping',
      method: 'get',
      path: '/health/ping',
      tag: 'Health',
      summary: 'Whether the process answers',
      who: 'nobody',
      answers: { 204: null },
    },
    async () => noContent,
  );

  operate(
    app,
    deps,
    {
      id: 'v1.egress-ips.get',
      method: 'get',
      path: '/egress-ips',
      tag: 'Health',
      summary: 'The addresses that webhooks are sent from, for allow-lists of receivers',
      who: 'nobody',
      answers: { 200: egressOut },
      own: true,
    },
    async () => json(200, { ips: deps.egressIps }),
  );

  return app;
};
