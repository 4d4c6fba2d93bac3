import { describe, expect, it } from 'vitest';
import { useApi } from './harness.ts';

const api = useApi();

describe('GET /admin/server', () => {
  it('tells what a check-up needs to an organisation, and nothing to one application', async () => {
    const { status, body } = await api.call('GET', '/admin/server');
    expect({ status, body }).toMatchObject({
      status: 200,
      body: {
        version: '1.2.3',
        endpoints: { httpsOnly: true, allowSubnets: ['192.0.2.0/24'] },
        database: { schemaVersion: expect.any(Number), pool: 10, now: expect.stringMatching(/Z$/) },
      },
    });
    expect(body.database.schemaVersion).toBe(body.database.programVersion);
    const consumer = await api.appToken('app_1');
    expect((await api.call('GET', '/admin/server', { token: consumer })).status).toBe(403);
  });
});
