import { describe, expect, it } from 'vitest';
import { operatorToken } from '../../src/cli/sign-token.ts';
import { SECRET, useApi } from './harness.ts';

const api = useApi();

describe('GET /admin/server', () => {
  it('tells what a check-up needs to the operator, and nothing to tenants', async () => {
    const operator = operatorToken(SECRET, api.nowMs());
    const { status, body } = await api.call('GET', '/admin/server', { token: operator });
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
    for (const path of ['/admin/server', '/admin/cluster']) {
      expect((await api.call('GET', path, { token: consumer })).status).toBe(403);
      expect((await api.call('GET', path)).status).toBe(403);
      expect((await api.call('GET', path, { token: operator })).status).toBe(200);
    }
    for (const path of ['/app', '/auth/whoami', '/event-type'])
      expect((await api.call('GET', path, { token: operator })).status).toBe(403);
    const late = operatorToken(SECRET, api.nowMs() - 3_600_000);
    expect((await api.call('GET', '/admin/server', { token: late })).status).toBe(401);
  });
});
