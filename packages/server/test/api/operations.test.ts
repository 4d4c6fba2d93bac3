// Every operation of the Svix API is served or is turned down with a reason; nothing is simply missing.
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { notImplemented } from '../../src/api/left-out-routes.ts';
import { leftOut } from '../../src/api/left-out.ts';
import { useApi } from './harness.ts';

const harness = useApi({
  createMessages: async () => Response.json({ code: 'not_found', detail: '' }, { status: 404 }),
});

const operations = readFileSync(new URL('svix-operations.txt', import.meta.url), 'utf8')
  .trim()
  .split('\n')
  .map((line) => line.split(' ') as [method: string, path: string, where: 'open' | 'cloud']);

const rows = new Map(
  leftOut.flatMap((group) =>
    group.operations.flatMap((operation) => {
      const [path = '', ...methods] = operation.split(' ').toReversed();
      return methods.map((method) => [`${method} ${path}`, group] as const);
    }),
  ),
);

/** A path that names nothing that exists. */
const filled = (path: string): string => path.replaceAll(/\{\w+\}/g, 'no-such-thing');

describe('the operations of the Svix API', () => {
  it('are all in the list, and nothing else is left out', () => {
    expect(operations).toHaveLength(267);
    const known = new Set(operations.map(([method, path]) => `${method} ${path}`));
    expect([...rows.keys()].filter((operation) => !known.has(operation))).toEqual([]);
  });

  it('serve people a page, too', async () => {
    const get = (path: string) => harness.api.fetch(new Request(`http://posthorn.test${path}`));
    const root = await get('/');
    expect([root.status, root.headers.get('location')]).toEqual([307, '/docs']);
    expect((await get('/docs')).headers.get('content-type')).toContain('text/html');
  });

  it.each(operations.filter(([, path]) => path.includes('/api')))(
    '%s %s is served, or says why not',
    async (method, path, where) => {
      const reply = await harness.call(
        method,
        filled(path),
        method === 'GET' || method === 'HEAD' ? {} : { body: {} },
      );
      const group = rows.get(`${method} ${path}`);
      if (group !== undefined) {
        expect(where).toBe('cloud');
        expect([reply.status, reply.body]).toEqual([
          501,
          { code: 'not_implemented', detail: notImplemented(group) },
        ]);
        const none = await harness.call(method, filled(path), { token: null });
        expect([none.status, none.body.code]).toEqual([401, 'authentication_failed']);
        return;
      }
      expect(reply.status).not.toBe(405);
      expect(reply.status).toBeLessThan(500);
      expect(reply.body?.code).not.toBe('route_not_found');
    },
  );

  it('has another answer for what is no operation of it', async () => {
    const route = await harness.call('GET', '/app/no-such-thing/no-such-route');
    expect([route.status, route.body.code]).toEqual([404, 'route_not_found']);
    const entity = await harness.call('GET', '/app/no-such-thing/endpoint');
    expect([entity.status, entity.body]).toEqual([404, { code: 'not_found', detail: 'Entity not found' }]);
    const method = await harness.call('DELETE', '/connector');
    expect([method.status, method.headers.get('allow')]).toEqual([405, 'POST, GET, HEAD']);
  });
});

it('is what docs/compatibility.md says is left out', () => {
  const table = leftOut
    .map(({ what, why, instead, operations: paths }) => {
      const shown = paths.map((path) => `\`${path.replace(' /api/v1/', ' /')}\``).join(', ');
      return `| ${what} | ${why}. ${instead} | ${shown} |`;
    })
    .join('\n');
  const page = readFileSync(new URL('../../../../docs/compatibility.md', import.meta.url), 'utf8');
  expect(page).toContain(table);
});
