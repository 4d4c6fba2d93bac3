import type { Database, Statement } from './postgres.ts';

/**
 * Sessions are told by the name that every process of ours gives its connections: somebody else's
 * long transaction in the same database writes no messages. The asking one is not meant.
 */
export const oldestWriterSql = `select extract(epoch from coalesce(min(least(xact_start, query_start)), clock_timestamp()))::float8 * 1000 as begun_ms
    from pg_stat_activity
    where datname = current_database() and backend_xid is not null and application_name like 'posthorn %'
      and pid <> pg_backend_pid()`;
const oldest: Statement = { name: 'oldest_writer', text: oldestWriterSql };

/**
 * When the oldest transaction of any Posthorn process that has written and not ended began, or now if
 * there is none; Unix milliseconds by the database's clock. What was written by a transaction that began
 * before it is committed or rolled back.
 */
export const createOldestWriter = (database: Database) => async (): Promise<number> => {
  const [row] = await database.rows<{ begun_ms: number }>(oldest, []);
  if (row === undefined) throw new Error('an aggregate without a row');
  return row.begun_ms;
};
