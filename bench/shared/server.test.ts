import { createHmac } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { metricValue, signToken } from './server.ts';

describe('signToken', () => {
  it('is an HS256 JWT over the raw bytes of the secret', () => {
    const [head = '', claims = '', signature = ''] = signToken('s3cret').split('.');
    expect(JSON.parse(Buffer.from(head, 'base64url').toString())).toMatchObject({ alg: 'HS256' });
    expect(JSON.parse(Buffer.from(claims, 'base64url').toString()).sub).toMatch(/^org_/);
    const expected = createHmac('sha256', Buffer.from('s3cret')).update(`${head}.${claims}`);
    expect(signature).toBe(expected.digest('base64url'));
  });
});

describe('metricValue', () => {
  const text = `# HELP posthorn_db_statements_total Statements\n# TYPE posthorn_db_statements_total counter
posthorn_db_statements_total{kind="insert"} 12
posthorn_db_statements_total{kind="settle"} 30
posthorn_db_statements_total_created 1.7e9
process_cpu_seconds_total 1.5
`;

  it('adds the samples of one name and no other', () => {
    expect(metricValue(text, 'posthorn_db_statements_total')).toBe(42);
    expect(metricValue(text, 'process_cpu_seconds_total')).toBe(1.5);
  });

  it('does not make a missing metric look like zero', () => {
    expect(metricValue(text, 'posthorn_nothing')).toBeNaN();
  });
});
