import pg from 'pg';
import { afterAll, beforeAll } from 'vitest';
import { useTestDatabase } from '../../../server/test/postgres.ts';
import { createInbox, type Inbox, type InboxOptions } from '../../src/inbox/index.ts';

export type InboxTests = {
  readonly pool: () => pg.Pool;
  readonly url: () => string;
  /** An inbox with a table of its own. */
  readonly inbox: (options?: Partial<InboxOptions>) => Promise<Inbox>;
};

/** A database for the tests of a file. */
export const inboxTests = (): InboxTests => {
  const database = useTestDatabase();
  let pool: pg.Pool;
  let made = 0;
  beforeAll(() => {
    pool = new pg.Pool({ connectionString: database.url, max: 20, application_name: 'inbox test' });
  });
  afterAll(() => pool.end());
  return {
    pool: () => pool,
    url: () => database.url,
    inbox: async (options = {}) => {
      made += 1;
      const inbox = createInbox({ pool, table: `inbox_${made}`, ...options });
      await inbox.createTable();
      return inbox;
    },
  };
};

/** Polls often and tries again at once. */
export const QUICK = { pollMs: 20, backoff: { firstMs: 1, ceilingMs: 5 } } as const;
