import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { checkSeal } from '../../src/store/check-seal.ts';
import { openDatabase, type Database } from '../../src/store/postgres.ts';
import { createSealer } from '../../src/store/sealed.ts';
import { createTestDatabase, type TestDatabase } from '../postgres.ts';

const first = 'the main secret of the first start, 32 bytes';
const second = 'the main secret after a rotation, 32 bytes';

let test: TestDatabase;
let database: Database;

beforeAll(async () => {
  test = await createTestDatabase();
  database = openDatabase({
    url: test.url,
    applicationName: 'check-seal',
    size: 1,
    statementTimeoutMs: 5000,
    lockTimeoutMs: 5000,
    connectTimeoutMs: 5000,
    plans: 'standard',
  });
});
afterAll(async () => {
  await database.close();
  await test.drop();
});

const check = (...secrets: string[]) => checkSeal(database, createSealer(secrets, randomBytes));

describe('checkSeal', () => {
  it('fits the first secret for ever, another one only beside it', async () => {
    expect(await check(first)).toBe('fits');
    expect(await check(first)).toBe('fits');
    expect(await check(second)).toBe('other_secret');
    expect(await check(second, first)).toBe('fits');
  });
});
