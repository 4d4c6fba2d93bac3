// Whatever an organisation can have of event types can be exported, and what was exported can be imported.
import { beforeAll, describe, expect, it } from 'vitest';
import { eventTypeLimits } from '../../src/domain/event-types.ts';
import { useApi } from './harness.ts';

const harness = useApi();
const { call } = harness;

type Org = { readonly org: string; readonly token: string };

const fill = (org: string, count: number, description = 'x') =>
  harness.pool.query(
    `insert into event_type (org_id, name, description, schemas, created_at, updated_at)
     select $1, 'type.' || lpad(n::text, 6, '0'), $3, '{"1":{"type":"object"}}', now(), now() from generate_series(1, $2) n`,
    [org, count, description],
  );
const countOf = async (org: string): Promise<number> => {
  const { rows } = await harness.pool.query('select count(*)::int as n from event_type where org_id = $1', [
    org,
  ]);
  return rows[0].n as number;
};
const exported = async ({ token }: Org) => {
  const reply = await call('POST', '/environment/export', { token });
  expect(reply.status).toBe(200);
  return reply;
};
const specOf = async ({ token }: Org): Promise<unknown> => {
  const started = await call('POST', '/event-type/export/openapi', { token });
  await harness.runTasks();
  return (await call('GET', `/background-task/${started.body.id}`, { token })).body.data.spec;
};
/** All but the times. */
const facts = (eventTypes: readonly Record<string, unknown>[]) =>
  eventTypes.map(({ createdAt: _created, updatedAt: _updated, ...rest }) => rest);

describe('an organisation with as many event types as it may have', () => {
  let full: Org;
  let most: string;
  beforeAll(async () => {
    full = await harness.newOrg();
    await fill(full.org, eventTypeLimits.count - 1);
    most = 'type.one-more';
    const before = await Promise.all(
      [most, 'type.too-much'].map((name) =>
        call('POST', '/event-type', { token: full.token, body: { name, description: 'x' } }),
      ),
    );
    // Two at once, and room for one.
    const statuses = before.map(({ status }) => status);
    expect(statuses.toSorted((a, b) => a - b)).toEqual([201, 400]);
    if (statuses[0] === 400) most = 'type.too-much';
  });

  it.each<[string, string, string, object]>([
    ['created', 'POST', '/event-type', { name: 'new', description: 'x' }],
    ['put', 'PUT', '/event-type/new', { description: 'x' }],
    ['imported', 'POST', '/environment/import', { eventTypes: [{ name: 'new', description: 'x' }] }],
    [
      'imported from OpenAPI',
      'POST',
      '/event-type/import/openapi',
      { spec: { webhooks: { new: { post: { description: 'x' } } } } },
    ],
  ])('gets none more when one is %s', async (_how, method, path, body) => {
    const reply = await call(method, path, { token: full.token, body });
    expect([reply.status, reply.body['code']]).toEqual([400, 'limit_reached']);
    expect(await countOf(full.org)).toBe(eventTypeLimits.count);
  });

  it('can change those that it has', async () => {
    const changed = await call('PATCH', `/event-type/${most}`, {
      token: full.token,
      body: { description: 'changed' },
    });
    expect([changed.status, changed.body['description']]).toEqual([200, 'changed']);
  });

  it('is exported and imported as it is', { timeout: 60_000 }, async () => {
    const out = await exported(full);
    expect(out.body['eventTypes'].length).toBe(eventTypeLimits.count);
    const there = await harness.newOrg();
    const { eventTypes, settings } = out.body;
    const imported = await call('POST', '/environment/import', {
      token: there.token,
      body: { eventTypes, settings },
    });
    expect([imported.status, imported.text]).toEqual([204, '']);
    expect(facts((await exported(there)).body['eventTypes'])).toEqual(facts(eventTypes));
  });

  it('is exported and imported as OpenAPI', { timeout: 60_000 }, async () => {
    const spec = await specOf(full);
    const there = await harness.newOrg();
    const imported = await call('POST', '/event-type/import/openapi', { token: there.token, body: { spec } });
    expect(imported.status).toBe(200);
    const asText = await call('POST', '/event-type/import/openapi', {
      token: there.token,
      body: { specRaw: JSON.stringify(spec) },
    });
    expect(asText.status).toBe(200);
    expect(facts((await exported(there)).body['eventTypes'])).toEqual(
      facts((await exported(full)).body['eventTypes']),
    );
  });
});

describe('a document', () => {
  it('of more event types than an organisation may have is refused', async () => {
    const { token, org } = await harness.newOrg();
    const eventTypes = Array.from({ length: eventTypeLimits.count + 1 }, (_, n) => ({
      name: `t${n}`,
      description: '',
    }));
    const reply = await call('POST', '/environment/import', { token, body: { eventTypes } });
    expect([reply.status, reply.body['detail'][0].loc]).toEqual([422, ['body', 'eventTypes']]);
    expect(await countOf(org)).toBe(0);
  });

  it('of an ordinary request is not larger for that', async () => {
    const { token } = await harness.newOrg();
    const body = { name: 'a', description: 'x'.repeat(2 * 1024 * 1024) };
    expect((await call('POST', '/event-type', { token, body })).status).toBe(413);
  });
});

describe('large event types', () => {
  it('end at a size that an export and an import can have', { timeout: 60_000 }, async () => {
    const here = await harness.newOrg();
    // What takes six characters where it is exported.
    const description = '\u001f'.repeat(150_000);
    const large = (name: string) => ({
      name,
      description,
      schemas: { 1: { description: 'x'.repeat(500_000) }, 2: { title: '"'.repeat(100_000) } },
      featureFlags: ['f'.repeat(256)],
      groupName: 'g'.repeat(256),
      retryPolicy: [0.5, 5, 50],
    });
    let refused = 0;
    for (let n = 0; n < 4; n++) {
      const reply = await call('POST', '/event-type', { token: here.token, body: large(`large.${n}`) });
      if (reply.status === 400) refused++;
      else expect(reply.status).toBe(201);
    }
    expect(refused).toBeGreaterThan(0);
    const out = await exported(here);
    expect(out.text.length).toBeLessThan(eventTypeLimits.bytes + 200);
    const there = await harness.newOrg();
    const { eventTypes } = out.body;
    const imported = await call('POST', '/environment/import', { token: there.token, body: { eventTypes } });
    expect(imported.status).toBe(204);
    expect(facts((await exported(there)).body['eventTypes'])).toEqual(facts(eventTypes));
  });

  it('come through as deep as they may be', async () => {
    const here = await harness.newOrg();
    const deep = (depth: number): object => (depth === 0 ? {} : { not: deep(depth - 1) });
    const create = (depth: number) =>
      call('POST', '/event-type', {
        token: here.token,
        body: { name: 'deep', description: '', schemas: { 1: deep(depth) } },
      });
    let depth = 64;
    while ((await create(depth)).status === 422) depth--;
    expect(depth).toBeGreaterThan(50);
    const there = await harness.newOrg();
    const { eventTypes } = (await exported(here)).body;
    const imported = await call('POST', '/environment/import', { token: there.token, body: { eventTypes } });
    expect(imported.status).toBe(204);
    const spec = await specOf(here);
    for (const body of [{ spec }, { specRaw: JSON.stringify(spec) }]) {
      const again = await call('POST', '/event-type/import/openapi', { token: there.token, body });
      expect(again.status).toBe(200);
    }
    expect(facts((await exported(there)).body['eventTypes'])).toEqual(facts(eventTypes));
  });
});
