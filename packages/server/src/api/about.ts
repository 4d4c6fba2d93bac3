import { OpenAPIHono, z } from '@hono/zod-openapi';
import { json } from './answers.ts';
import { formatDate } from './dates.ts';
import { operate } from './operation.ts';
import type { ApiDeps } from './port.ts';

const count = z.int().min(0);

const aboutOut = z
  .object({
    version: z.string(),
    node: z.object({ id: z.string(), name: z.string(), role: z.enum(['all', 'api']) }),
    publicUrl: z.string().nullable().describe('As it was set.'),
    endpoints: z
      .object({
        httpsOnly: z.boolean(),
        allowSubnets: z
          .array(z.string())
          .describe('Where endpoints may lie although the address guard forbids it.'),
      })
      .describe('What this server takes as an endpoint.'),
    database: z.object({
      serverVersion: z.string(),
      schemaVersion: count.nullable(),
      programVersion: count.describe('The newest migration that this server knows.'),
      connections: count,
      maxConnections: count,
      pool: count.describe('Connections that this server takes at most.'),
      now: z.iso.datetime(),
      rowSecurity: z
        .boolean()
        .describe('Whether the database itself keeps the rows of one tenant from the others.'),
    }),
  })
  .openapi('ServerOut', {
    example: {
      version: '0.1.0',
      publicUrl: 'https://posthorn.example.com',
      node: { id: '3e0f6bd2-0b8e-4a2b-9d0c-2b7a1f0c9e11', name: 'api-1', role: 'all' },
      endpoints: { httpsOnly: true, allowSubnets: [] },
      database: {
        serverVersion: '18.4',
        schemaVersion: 11,
        programVersion: 11,
        connections: 12,
        maxConnections: 100,
        pool: 10,
        now: '2026-01-31T12:00:00.000Z',
        rowSecurity: true,
      },
    },
  });

/** What a server runs with, for whoever examines it: no secrets, no paths, no addresses but the public ones. */
export const aboutRoutes = (deps: ApiDeps): OpenAPIHono => {
  const app = new OpenAPIHono();
  operate(
    app,
    deps,
    {
      id: 'v1.admin.server',
      method: 'get',
      path: '/admin/server',
      tag: 'Admin',
      summary: 'Version, database, and what this server takes as an endpoint',
      who: 'operator',
      answers: { 200: aboutOut },
      own: true,
    },
    async () => {
      const { database, ...server } = await deps.about();
      const { nowMs, ...facts } = database;
      return json(200, {
        ...server,
        database: { ...facts, now: formatDate(nowMs) },
      });
    },
  );
  return app;
};
