import { afterEach, describe, expect, it } from 'vitest';
import { work } from '../../src/inbox/index.ts';
import { type Child, startChild } from '../child.ts';
import { eventually } from '../eventually.ts';
import { eventOf } from '../events.ts';
import { inboxTests } from './setup.ts';

const tests = inboxTests();
const children: Child[] = [];
afterEach(async () => {
  await Promise.all(children.splice(0).map(({ kill }) => kill()));
});

const EVENTS = 100;
const KILLS = 4;
const CONCURRENCY = 4;

describe('workers that are killed in the middle', () => {
  const survive = async (mode: 'plain' | 'transaction'): Promise<number[]> => {
    const inbox = await tests.inbox({ table: `killed_${mode}` });
    const effects = `${inbox.name}_effect`;
    const pool = tests.pool();
    await pool.query(`create table ${effects} (id text not null)`);
    for (let index = 0; index < EVENTS; index += 1) await inbox.put(eventOf(`e${index}`), `e${index}`);
    const start = async (): Promise<Child> => {
      const child = startChild(new URL('worker.ts', import.meta.url), [tests.url(), inbox.name, mode]);
      children.push(child);
      await child.line();
      return child;
    };
    const done = async (): Promise<number> => {
      const { rows } = await pool.query(`select count(*)::int as n from ${inbox.name} where state = 'done'`);
      return (rows[0] as { n: number }).n;
    };
    for (let kill = 1; kill <= KILLS; kill += 1) {
      const child = await start();
      // In the middle of the work: some is done and some runs.
      await eventually(done, (count) => count >= kill * 10);
      await eventually(
        () => inbox.counts(),
        ({ running }) => running > 0,
      );
      await child.kill();
    }
    expect((await inbox.counts()).running).toBeGreaterThan(0);
    await start();
    await eventually(done, (count) => count === EVENTS);
    expect(await inbox.counts()).toMatchObject({ waiting: 0, running: 0, dead: 0 });
    const { rows } = await pool.query(`select count(*)::int as n from ${effects} group by id`);
    return rows.map(({ n }: { n: number }) => n);
  };

  it('lose no event and write the effect of each exactly once, in a transaction', async () => {
    expect(await survive('transaction')).toEqual(Array.from({ length: EVENTS }, () => 1));
  });

  it('lose no event and repeat only what was running, without one', async () => {
    const counts = await survive('plain');
    expect(counts).toHaveLength(EVENTS);
    const repeated = counts.reduce((sum, count) => sum + count - 1, 0);
    expect(repeated).toBeLessThanOrEqual(KILLS * CONCURRENCY);
  });
});

it('goes on after every connection was cut, and ends what ran meanwhile', async () => {
  const inbox = await tests.inbox({ table: 'cut' });
  for (let index = 0; index < 20; index += 1) await inbox.put(eventOf(`e${index}`), null);
  const pool = tests.pool();
  pool.on('error', () => {});
  const errors: unknown[] = [];
  const handled: string[] = [];
  let cut = false;
  const workers = work(
    inbox,
    async ({ id }) => {
      if (!cut) {
        cut = true;
        await pool
          .query(`select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database()`)
          .catch(() => {});
      }
      handled.push(id ?? '');
    },
    { pollMs: 20, concurrency: 4, onError: (error) => errors.push(error) },
  );
  await eventually(
    () => inbox.counts().catch(() => ({ waiting: 1, running: 1 })),
    ({ waiting, running }) => waiting + running === 0,
  );
  await workers.stop();
  expect(new Set(handled).size).toBe(20);
});
