// What the run's process tells its test files about the PostgreSQL that they share.
import 'vitest';

declare module 'vitest' {
  export interface ProvidedContext {
    /** Answers with a {@link TestServer}, or with status 500 and the reason as text. */
    testPostgres: string;
  }
}

export type TestServer = {
  /** A superuser's URL of a database that nobody else uses. */
  readonly adminUrl: string;
  /** The migrated database to clone. */
  readonly template: string;
  /** What the names of this run's databases begin with. */
  readonly prefix: string;
};

export const withDatabase = (url: string, database: string): string => {
  const changed = new URL(url);
  changed.pathname = `/${database}`;
  return changed.href;
};
