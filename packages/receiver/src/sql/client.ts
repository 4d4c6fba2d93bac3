/** What is used of a client of `pg`; {@link postgresJs} makes one of postgres.js. */
export type SqlClient = {
  readonly query: (text: string, values?: unknown[]) => Promise<SqlResult>;
};

type SqlResult = {
  readonly rows: Record<string, unknown>[];
  readonly rowCount: number | null;
  /** The tag that Postgres answered with, as `COMMIT`. */
  readonly command: string;
};

/** A connection of a pool. `release(true)` closes it, because its state is not known. */
export type SqlConnection = SqlClient & { readonly release: (destroy?: boolean) => void };

export type SqlPool = SqlClient & { readonly connect: () => Promise<SqlConnection> };

/**
 * Runs work in a transaction: committed when it resolves, rolled back when it rejects.
 *
 * @throws what the work or the database throws; after a lost reply to COMMIT it may be committed.
 */
export const inTransaction = async <T>(pool: SqlPool, work: (tx: SqlClient) => Promise<T>): Promise<T> => {
  const connection = await pool.connect();
  let broken = false;
  try {
    await connection.query('begin');
    const result = await work(connection);
    // Postgres answers ROLLBACK, and no error, where a statement failed and the work went on.
    if ((await connection.query('commit')).command !== 'COMMIT')
      throw new Error(
        'The transaction was rolled back: one of its statements failed and the handler went on. Let that error through, or use a savepoint.',
      );
    return result;
  } catch (error) {
    await connection.query('rollback').catch(() => {
      broken = true;
    });
    throw error;
  } finally {
    connection.release(broken);
  }
};

/** A table's name, with or without a schema, as it may stand in a statement. @throws TypeError */
export const tableName = (name: string): string => {
  if (!/^[a-z_][a-z0-9_]{0,40}(\.[a-z_][a-z0-9_]{0,40})?$/.test(name))
    throw new TypeError(`expected a table's name in lower case, letters, digits and _, got '${name}'`);
  return name;
};

/** Runs `create … if not exists` statements; processes that start together take turns, or one would fail. */
export const createTable = async (client: SqlClient, statements: string): Promise<void> => {
  // Without values it is one message, and so one transaction.
  await client.query(`select pg_advisory_xact_lock(hashtext('posthorn tables'));\n${statements}`);
};
