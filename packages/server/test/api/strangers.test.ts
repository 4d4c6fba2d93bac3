// Every operation of the document, tried with the tokens that it is not meant for.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { mediaOf, neededQuery, operationsOf, readDocument, rolesOf } from './document.ts';
import type { Operation } from './document.ts';
import { contentsOf, startPopulated } from './populated.ts';
import type { Populated } from './populated.ts';

/** What every application of an organisation may read, or does to its own token only. */
const OPEN_TO_APPLICATIONS = [
  'v1.event-type.list',
  'v1.event-type.get',
  'v1.authentication.logout',
  'v1.authentication.whoami',
  'v1.environment.get-settings',
];

/** Served, but not documented: the older paths. */
const HIDDEN: readonly Pick<Operation, 'operationId' | 'method' | 'path' | 'security'>[] = [
  {
    operationId: 'v1.authentication.dashboard-access',
    method: 'POST',
    path: '/api/v1/auth/dashboard-access/{app_id}',
    security: [{ HTTPBearer: ['organisation'] }],
  },
  ...[
    '/api/v1/app/{app_id}/msg/{msg_id}/attempt',
    '/api/v1/app/{app_id}/msg/{msg_id}/endpoint/{endpoint_id}/attempt',
  ].map((path) => ({
    operationId: `${path} (older)`,
    method: 'GET',
    path,
    security: [{ HTTPBearer: ['organisation'] }, { HTTPBearer: ['application'] }],
  })),
];

type Try = { readonly who: string; readonly token: string | null; readonly status: number };

const hasOwner = ({ path }: Operation): boolean => path.includes('{');

/** An upsert of another organisation's thing makes one of one's own. */
const makesOwn = ({ method, path, responses }: Operation): boolean =>
  method === 'PUT' && '201' in responses && path.match(/\{/g)?.length === 1;

/** Who must be turned away, and how. */
const triesOf = (operation: Operation, { tokens }: Populated): Try[] => {
  const forApplications = rolesOf(operation).includes('application');
  const tries: Try[] = [{ who: 'nobody', token: null, status: 401 }];
  if (rolesOf(operation).includes('operator')) {
    const { operator: _operator, ...others } = tokens;
    return [...tries, ...Object.entries(others).map(([who, token]) => ({ who, token, status: 403 }))];
  }
  tries.push({ who: 'the operator', token: tokens.operator, status: 403 });
  if (hasOwner(operation) && !makesOwn(operation))
    tries.push({ who: 'another organisation', token: tokens.foreignOrg, status: 404 });
  if (!forApplications)
    tries.push(
      { who: 'the application itself', token: tokens.app, status: 403 },
      { who: 'another application', token: tokens.foreignApp, status: 403 },
    );
  else if (!OPEN_TO_APPLICATIONS.includes(operation.operationId))
    tries.push({ who: 'another application', token: tokens.foreignApp, status: 404 });
  return tries;
};

describe('an operation', () => {
  let world: Populated;
  let operations: Operation[];
  beforeAll(async () => {
    world = await startPopulated();
    const document = await readDocument((path) => world.server.call('GET', path));
    operations = [
      ...operationsOf(document).filter(({ security }) => security !== undefined),
      ...HIDDEN.map((one) => ({ ...one, responses: {} })),
    ];
  });
  afterAll(() => world?.stop());

  const attempt = async (operation: Operation, token: string | null): Promise<number> => {
    const body: unknown = mediaOf(operation.requestBody)?.example;
    const response = await fetch(world.server.url + world.fill(operation.path) + neededQuery(operation), {
      method: operation.method,
      headers: token === null ? {} : { authorization: `Bearer ${token}` },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    await response.arrayBuffer();
    return response.status;
  };

  it(
    'is turned away from whom it is not meant for, and nothing is written',
    { timeout: 120_000 },
    async () => {
      expect(operations.length).toBeGreaterThan(40);
      const before = await contentsOf(world.server);
      const wrong: string[] = [];
      for (const operation of operations) {
        for (const { who, token, status } of triesOf(operation, world)) {
          const got = await attempt(operation, token);
          if (got !== status) wrong.push(`${operation.operationId} for ${who}: ${got} instead of ${status}`);
        }
        const after = await contentsOf(world.server);
        if (after !== before) wrong.push(`${operation.operationId} wrote: ${before} became ${after}`);
        if (after !== before) break;
      }
      expect(wrong).toEqual([]);
    },
  );

  it('is open to the operator where it says so', async () => {
    const theirs = operations.filter((operation) => rolesOf(operation).includes('operator'));
    expect(theirs.map(({ operationId }) => operationId)).toEqual(['v1.admin.server', 'v1.admin.cluster']);
    for (const operation of theirs) expect(await attempt(operation, world.tokens.operator)).toBe(200);
  });

  it('is open to the application itself where it says so', { timeout: 60_000 }, async () => {
    const readable = operations.filter(
      (operation) => operation.method === 'GET' && rolesOf(operation).includes('application'),
    );
    const statuses = new Map<string, number>();
    for (const operation of readable)
      statuses.set(operation.operationId, await attempt(operation, world.tokens.app));
    expect([...statuses].filter(([, status]) => status !== 200)).toEqual([]);
  });

  it('tells another organisation’s upsert nothing, and changes nothing of ours', async () => {
    for (const operation of operations.filter(makesOwn)) {
      const path = world.fill(operation.path);
      const ours = await world.server.call('GET', path);
      expect([operation.operationId, await attempt(operation, world.tokens.foreignOrg)]).toEqual([
        operation.operationId,
        201,
      ]);
      expect((await world.server.call('GET', path)).body).toEqual(ours.body);
    }
  });
});
