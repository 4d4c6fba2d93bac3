import { expect } from 'vitest';
import type { Shown, TestServer } from './harness.ts';

const TABLES = [
  'application',
  'endpoint',
  'event_type',
  'message',
  'attempt',
  'live',
  'closed',
  'lane',
  'task',
  'idempotency',
];

/** What the database holds, as one text to compare. */
export const contentsOf = async (server: TestServer): Promise<string> => {
  const counts = TABLES.map((table) => `(select count(*)::int from ${table}) as ${table}`).join(', ');
  return JSON.stringify(
    await server.sql(`select ${counts}, (select sum(config_version)::int from application) as versions`),
  );
};

/** Sends a request and holds it to the rule: the documented status, a JSON body, nothing written. */
export const expectRefusal = async (
  server: TestServer,
  status: number,
  method: string,
  path: string,
  body?: string | Uint8Array,
  headers: Record<string, string> = {},
): Promise<Shown> => {
  const before = await contentsOf(server);
  const response = await fetch(server.url + path, {
    method,
    headers: { authorization: `Bearer ${server.token}`, ...headers },
    ...(body === undefined ? {} : { body: body as NonNullable<RequestInit['body']> }),
  });
  const text = await response.text();
  expect([path.slice(0, 100), response.status, text.slice(0, 300)]).toEqual([
    path.slice(0, 100),
    status,
    expect.any(String),
  ]);
  expect(response.headers.get('content-type')).toMatch(/^application\/(problem\+)?json/);
  const parsed = JSON.parse(text);
  if (status === 422) {
    expect(parsed.detail.length).toBeGreaterThan(0);
    for (const item of parsed.detail)
      expect(item).toEqual({ loc: expect.any(Array), msg: expect.any(String), type: expect.any(String) });
  } else {
    expect(parsed).toMatchObject({ code: expect.any(String), detail: expect.any(String) });
  }
  expect(await contentsOf(server)).toBe(before);
  return parsed;
};
