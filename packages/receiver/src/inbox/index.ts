export { type PostgresJs, postgresJs } from '../sql/postgres-js.ts';
export type { SqlClient, SqlConnection, SqlPool } from '../sql/client.ts';
export { createInboxTable } from '../sql/inbox.ts';
export type { Backoff } from './backoff.ts';
export { createInbox, type DeadEvent, type Inbox, type InboxCounts, type InboxOptions } from './inbox.ts';
export { type JobContext, work, workInTransaction, type WorkOptions, type Workers } from './work.ts';
