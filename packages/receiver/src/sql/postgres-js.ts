import type { SqlClient, SqlPool } from './client.ts';

type Result = Iterable<Record<string, unknown>> & { readonly count: number; readonly command: string };
type Unsafe = (text: string, values?: never[] | undefined) => PromiseLike<Result>;

/** What is used of postgres.js. */
export type PostgresJs = {
  readonly unsafe: Unsafe;
  readonly reserve: () => Promise<{ readonly unsafe: Unsafe; readonly release: () => void }>;
};

/** Makes postgres.js (`postgres(url)`) fit where a pool of `pg` is expected. */
export const postgresJs = (sql: PostgresJs): SqlPool => {
  const query =
    (unsafe: Unsafe): SqlClient['query'] =>
    async (text, values) => {
      const result = await unsafe(text, values as never[] | undefined);
      return { rows: [...result], rowCount: result.count, command: result.command };
    };
  return {
    query: query((text, values) => sql.unsafe(text, values)),
    connect: async () => {
      const reserved = await sql.reserve();
      return {
        query: query((text, values) => reserved.unsafe(text, values)),
        release: () => reserved.release(),
      };
    },
  };
};
