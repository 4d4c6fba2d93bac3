// A worker process for tests that kill it. Every attempt leaves a row in `effect`.
// Arguments: URL, table, mode.
import pg from 'pg';
import { createInbox, type SqlClient, work, workInTransaction } from '../../src/inbox/index.ts';

const [url, table, mode] = process.argv.slice(2) as [string, string, 'plain' | 'transaction'];
const pool = new pg.Pool({ connectionString: url, max: 6 });
pool.on('error', () => {});
const inbox = createInbox({ pool, table });
const options = {
  concurrency: 4,
  leaseMs: 500,
  pollMs: 20,
  backoff: { firstMs: 10, ceilingMs: 50 },
  maxAttempts: 50,
};

const effect = async (client: SqlClient, id: string | null): Promise<void> => {
  await client.query(`insert into ${table}_effect (id) values ($1)`, [id]);
  await client.query('select pg_sleep(0.02)');
};

if (mode === 'transaction') workInTransaction(inbox, ({ id }, { tx }) => effect(tx, id), options);
else work(inbox, ({ id }) => effect(pool, id), options);
process.stdout.write('"working"\n');
