import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { checkSeal, renewSealCheck } from '../../src/store/check-seal.ts';
import { openHeaders, openKeys, sealHeaders, sealKeys } from '../../src/store/endpoint-row.ts';
import type { Database } from '../../src/store/postgres.ts';
import { resealEndpoints } from '../../src/store/reseal.ts';
import { createSealer, type Sealer } from '../../src/store/sealed.ts';
import { useTestDatabase } from '../postgres.ts';
import { open, seed } from './setup.ts';

const OLD = 'the main secret before, long enough for it';
const NEW = 'the main secret afterwards, long enough too';
const old = createSealer([OLD], randomBytes);
const both = createSealer([NEW, OLD], randomBytes);
const next = createSealer([NEW], randomBytes);

const server = useTestDatabase();
let database: Database;
beforeAll(async () => {
  database = open(server.url, { plans: 'standard' });
  await seed(database, ['ep_1', 'ep_2', 'ep_3']);
});
afterAll(() => database.close());

const keyOf = (id: string) => ({
  key: { kind: 'hmac256' as const, key: Buffer.from(`of ${id}`) },
  expiresAtMs: null,
});
const seal = async (id: string, sealer: Sealer, headers: boolean): Promise<void> => {
  await database.rows(
    { name: 'plant', text: 'update endpoint set keys = $2::jsonb, headers = $3 where id = $1' },
    [
      id,
      sealKeys(id, [keyOf(id), { ...keyOf(id), expiresAtMs: 1_800_000_000_000 }], sealer),
      headers ? sealHeaders(id, [['X-Secret', id]], sealer) : null,
    ],
  );
};
type Row = { id: string; keys: unknown; headers: Buffer | null; updated_at: number; version: number };
const rows = (): Promise<Row[]> =>
  database.rows<Row>(
    { name: 'look', text: 'select id, keys, headers, updated_at, version from endpoint order by id' },
    [],
  );

beforeEach(async () => {
  for (const id of ['ep_1', 'ep_2', 'ep_3']) await seal(id, old, id !== 'ep_2');
});

it('seals anew in chunks, goes on after it was stopped, and changes nothing else', async () => {
  const before = await rows();
  expect(await resealEndpoints(database, both, null, 2)).toEqual({
    walked: 2,
    cursor: 'ep_2',
    resealed: 2,
    changed: 0,
    unreadable: [],
  });
  // Stopped here, and begun again.
  expect(await resealEndpoints(database, both, null, 2)).toMatchObject({ cursor: 'ep_2', resealed: 0 });
  expect(await resealEndpoints(database, both, 'ep_2', 2)).toMatchObject({ cursor: null, resealed: 1 });
  for (const [index, row] of (await rows()).entries()) {
    expect(openKeys(row.id, row.keys, next)).toEqual([
      keyOf(row.id),
      { ...keyOf(row.id), expiresAtMs: 1_800_000_000_000 },
    ]);
    expect(openHeaders(row.id, row.headers, next)).toEqual(row.id === 'ep_2' ? [] : [['X-Secret', row.id]]);
    const { updated_at, version } = before[index]!;
    expect(row).toMatchObject({ updated_at, version });
  }
});

it('keeps what an owner changes between look and write', async () => {
  const meddling: Database = {
    ...database,
    rows: async (statement, params) => {
      if (statement.name === 'reseal_write' && params[0] === 'ep_1') await seal('ep_1', old, false);
      if (statement.name === 'reseal_write' && params[0] === 'ep_3') {
        const headers = sealHeaders('ep_3', [['X-Secret', 'changed']], old);
        await database.rows(
          { name: 'plant_headers', text: `update endpoint set headers = $1 where id = 'ep_3'` },
          [headers],
        );
      }
      return database.rows(statement, params);
    },
  };
  expect(await resealEndpoints(meddling, both, null, 9)).toMatchObject({ resealed: 1, changed: 2 });
  expect(await resealEndpoints(database, both, null, 9)).toMatchObject({ resealed: 2, changed: 0 });
  const [one, , three] = await rows();
  expect(one?.headers).toBeNull();
  expect(openHeaders('ep_3', three!.headers, next)).toEqual([['X-Secret', 'changed']]);
});

it('leaves what it cannot open, and says so; but for what is deleted', async () => {
  const unknown = createSealer(['a main secret that nobody remembers any more'], randomBytes);
  await seal('ep_2', unknown, true);
  await seal('ep_3', unknown, true);
  await database.script(`update endpoint set deleted_at = now() where id = 'ep_3'`);
  expect(await resealEndpoints(database, both, null, 9)).toMatchObject({ resealed: 1, unreadable: ['ep_2'] });
  expect(openKeys('ep_2', (await rows())[1]!.keys, unknown)).toHaveLength(2);
});

it('lets a server in that has the new secret only, once it is told that all is done', async () => {
  expect(await checkSeal(database, old)).toBe('fits');
  expect(await checkSeal(database, next)).toBe('other_secret');
  await renewSealCheck(database, both);
  expect(await checkSeal(database, next)).toBe('fits');
  expect(await checkSeal(database, old)).toBe('other_secret');
  await renewSealCheck(database, both);
  expect(await checkSeal(database, next)).toBe('fits');
});
