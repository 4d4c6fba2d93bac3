import type { IdempotencyEntry, IdempotencyStore } from '../api/port.ts';
import type { Database, Statement } from './postgres.ts';
import { timeParam } from './written.ts';

// A row without an answer belongs to a request at work; older than the lease, its process has died.
// A row older than what is kept is as good as none.
const claim: Statement = {
  name: 'idempotency_claim',
  text: `insert into idempotency as i (scope, key, request_hash, created_at)
    values ($1, $2, $3, clock_timestamp())
    on conflict (scope, key) do update
      set request_hash = excluded.request_hash, status = null, body = null, created_at = excluded.created_at
      where (i.status is null and i.created_at < clock_timestamp() - $4 * interval '1 millisecond')
        or i.created_at < clock_timestamp() - $5 * interval '1 millisecond'
    returning i.key`,
};
const read: Statement = {
  name: 'idempotency_read',
  text: `select i.request_hash, i.status, i.body from idempotency i where i.scope = $1 and i.key = $2`,
};
const finish: Statement = {
  name: 'idempotency_finish',
  text: `update idempotency i set status = $4, body = $5
    where i.scope = $1 and i.key = $2 and i.request_hash = $3`,
};
const release: Statement = {
  name: 'idempotency_release',
  text: `delete from idempotency i
    where i.scope = $1 and i.key = $2 and i.request_hash = $3 and i.status is null`,
};
const prune: Statement = {
  name: 'idempotency_prune',
  text: `delete from idempotency i where (i.scope, i.key) in (
      select o.scope, o.key from idempotency o
      where o.created_at < $1 limit 5000)
    returning i.key`,
};

type Row = { request_hash: string; status: number | null; body: Buffer<ArrayBuffer> | null };

const name = (entry: IdempotencyEntry): string[] => [entry.scope, entry.key, entry.requestHash];

/** Answers of repeated POSTs, and who is at work on which. */
export const createIdempotencyStore = (database: Database): IdempotencyStore => ({
  begin: async (entry, leaseMs, keepMs) => {
    for (;;) {
      const claimed = await database.rows(claim, [...name(entry), leaseMs, keepMs]);
      if (claimed.length > 0) return { kind: 'mine' };
      const [row] = await database.rows<Row>(read, [entry.scope, entry.key]);
      // Released between the two statements: claim again.
      if (row === undefined) continue;
      if (row.request_hash !== entry.requestHash) return { kind: 'other_request' };
      return row.status === null ? { kind: 'busy' } : { kind: 'done', status: row.status, body: row.body };
    }
  },

  finish: async (entry, status, body) => {
    await database.rows(finish, [
      ...name(entry),
      status,
      body === null ? null : Buffer.from(body.buffer, body.byteOffset, body.byteLength),
    ]);
  },

  release: async (entry) => {
    await database.rows(release, name(entry));
  },

  prune: async (beforeMs) => (await database.rows(prune, [timeParam(beforeMs)])).length,
});
