// A process that writes half of its effect in the transaction of its key, says so, and never ends by itself.
import pg from 'pg';
import { withDedup } from '../../src/dedup/postgres.ts';

const [url, key] = process.argv.slice(2) as [string, string];
const pool = new pg.Pool({ connectionString: url });
await withDedup(pool, key, async (tx) => {
  await tx.query('insert into effect (key, part) values ($1, 1)', [key]);
  process.stdout.write('"half"\n');
  await new Promise(() => setInterval(() => {}, 1_000));
});
