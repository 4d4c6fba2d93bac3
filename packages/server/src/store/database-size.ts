import type { Database, Statement } from './postgres.ts';

const size: Statement = {
  name: 'database_size',
  text: 'select pg_database_size(current_database()) as bytes',
};

/** What the database takes on its disk, in bytes, without the write-ahead log. */
export const databaseBytes = async (database: Database): Promise<number> =>
  (await database.rows<{ bytes: number }>(size, []))[0]!.bytes;
