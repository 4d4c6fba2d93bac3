import { expect, it } from 'vitest';
import { judgeDatabase, type DatabaseFacts } from './doctor-checks.ts';

const facts: DatabaseFacts = {
  serverVersion: '18.4',
  nowMs: 0,
  schemaVersion: 27,
  programVersion: 27,
  connections: 5,
  maxConnections: 100,
  rowSecurity: true,
};

it('warns where the database does not keep tenants apart, and says what to run', () => {
  const judge = (more: Partial<DatabaseFacts>) => judgeDatabase({ ...facts, ...more }, 10, 0, 'in use');
  expect(judge({}).map(({ state }) => state)).toEqual(['ok', 'ok']);
  const [, , found] = judge({ rowSecurity: false });
  expect(found).toMatchObject({ state: 'warning', check: 'database' });
  expect(found!.remedy).toContain('create role "posthorn_tenant_USER" nologin; grant');
  // Before the first migration there is nothing to keep apart.
  expect(judge({ rowSecurity: false, schemaVersion: null })).toHaveLength(3);
  expect(judge({ rowSecurity: false, schemaVersion: null })[2]!.found).toContain('schema');
});
