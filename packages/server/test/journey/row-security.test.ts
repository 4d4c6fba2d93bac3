// Row-level security as a running server has it: the API works in the tenants' role, what delivers does not.
import { pino } from 'pino';
import { describe, expect, it } from 'vitest';
import { useOwnedDatabases } from '../owned-databases.ts';
import { asOperator, startReceiver, startTestServer, type TestServer } from './harness.ts';

const { addUser, addDatabase } = useOwnedDatabases();

const lines: string[] = [];
const log = () => {
  lines.length = 0;
  return pino({ level: 'warn' }, { write: (line: string) => void lines.push(line) });
};

const using = async (user: string, work: (server: TestServer) => Promise<void>): Promise<void> => {
  const server = await startTestServer({}, {}, { databaseUrl: await addDatabase(user), log: log() });
  try {
    await work(server);
  } finally {
    await server.stop();
  }
};

const about = async (server: TestServer) =>
  (await server.call('GET', '/api/v1/admin/server', undefined, asOperator())).body['database'];

describe('row-level security', () => {
  it('is in force for the API and out of the way of messages', async () => {
    const user = await addUser('createrole');
    await using(user, async (server) => {
      expect(lines).toEqual([]);
      expect(await about(server)).toMatchObject({ rowSecurity: true });
      const app = await server.call('POST', '/api/v1/app', { name: 'mine' });
      expect(app.status).toBe(201);
      const receiver = await startReceiver();
      const endpoint = `/api/v1/app/${app.body.id}/endpoint`;
      expect((await server.call('POST', endpoint, { url: receiver.url })).status).toBe(201);
      // Who may nothing sees nothing: so it is this role that the API works in.
      await server.sql(`revoke all on all tables in schema public from "posthorn_tenant_${user}"`);
      expect((await server.call('GET', '/api/v1/app')).status).toBeGreaterThanOrEqual(500);
      const message = { eventType: 'a.b', payload: {} };
      expect((await server.call('POST', `/api/v1/app/${app.body.id}/msg`, message)).status).toBe(202);
      await receiver.until((arrivals) => arrivals.length > 0);
      await receiver.close();
      await server.sql(`alter table live disable row level security`);
      expect(await about(server)).toMatchObject({ rowSecurity: false });
    });
  });

  it('is off, and told of, where the user may not make its role', async () => {
    await using(await addUser(), async (server) => {
      expect(lines).toEqual([expect.stringContaining('row-level security between tenants is not in force')]);
      expect(lines[0]).toContain('create role');
      expect(await about(server)).toMatchObject({ rowSecurity: false });
      expect((await server.call('POST', '/api/v1/app', { name: 'mine' })).status).toBe(201);
      expect((await server.call('GET', '/api/v1/app')).body['data']).toHaveLength(1);
    });
  });
});
