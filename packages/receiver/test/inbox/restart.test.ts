import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { clean, start, type Started, temporaryDirectory } from '../../../server/test/embedded-starter.ts';
import { createInbox, work } from '../../src/inbox/index.ts';
import { eventually } from '../eventually.ts';
import { eventOf } from '../events.ts';

let directory: string;
let postgres: Started;
let pool: pg.Pool;
beforeAll(async () => {
  directory = await temporaryDirectory();
  postgres = await start(directory);
  pool = new pg.Pool({ connectionString: postgres.url, max: 8 });
  pool.on('error', () => {});
});
afterAll(async () => {
  await pool.end();
  await postgres.stop();
  await clean(directory);
});

it('survives a restart of Postgres with events in the hands of the workers', async () => {
  const inbox = createInbox({ pool });
  await inbox.createTable();
  for (let index = 0; index < 60; index += 1) await inbox.put(eventOf(`e${index}`), `e${index}`);
  const handled: string[] = [];
  const errors: unknown[] = [];
  const workers = work(
    inbox,
    async ({ id }) => {
      handled.push(id ?? '');
      // The first ones are in hand while there is no database, and end without it.
      if (handled.length <= 4)
        await eventually(
          () => errors.length,
          (count) => count > 0,
        );
    },
    { pollMs: 20, concurrency: 4, onError: (error) => errors.push(error) },
  );
  await eventually(
    () => handled,
    ({ length }) => length >= 4,
  );
  await postgres.stop();
  await expect(inbox.put(eventOf('meanwhile'), 'meanwhile')).rejects.toThrow();
  await eventually(
    () => errors,
    ({ length }) => length > 0,
  );
  postgres = await start(directory, { preferredPort: postgres.port });
  await eventually(
    () => inbox.counts().catch(() => ({ waiting: 1, running: 1 })),
    ({ waiting, running }) => waiting + running === 0,
  );
  await workers.stop();
  expect(handled.toSorted()).toEqual(Array.from({ length: 60 }, (_, index) => `e${index}`).toSorted());
  expect(await inbox.put(eventOf('meanwhile'), 'meanwhile')).toEqual({ kind: 'stored' });
});
