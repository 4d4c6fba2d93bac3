import type { NoticeBoard } from '../api/port.ts';
import type { DispatchStore } from '../dispatch/port.ts';
import { int8Array, textArray } from './binary-array.ts';
import type { Database, Statement } from './postgres.ts';

export const noticeStatements = {
  notices: {
    name: 'notices',
    text: `select id, endpoint_id from notice where node = $1::uuid order by id limit 1000`,
  },
  confirmNotices: {
    name: 'confirm_notices',
    text: `delete from notice where id = any($1::int8[])`,
  },
} as const satisfies Record<string, Statement>;

const FORGET_HOURS = 1;

// Whoever takes a partition from now on reads the configuration then; who holds it may know an older one.
const post: Statement = {
  name: 'post_notices',
  text: `
with outdated as (
  delete from notice where created_at < clock_timestamp() - interval '${FORGET_HOURS} hour'
)
insert into notice (node, endpoint_id)
select p.node, e.id
from endpoint e join partition p on p.id = e.partition
where e.id = any($2::text[]) and p.node <> $1::uuid and p.lease_until > clock_timestamp()
returning id`,
};

// A node whose lease is over has stopped by itself, and forgets what it knew before it goes on.
const pending: Statement = {
  name: 'pending_notices',
  text: `
select n.id from notice n join node on node.id = n.node and node.until > clock_timestamp()
where n.id = any($1::int8[])`,
};

type Id = { readonly id: number };

/** The owner's side: see DispatchStore. */
export const createNoticeOperations = (
  database: Database,
  sql: { readonly [Key in keyof typeof noticeStatements]: Statement },
): Pick<DispatchStore, 'notices' | 'confirmNotices'> => ({
  notices: async (node) => {
    const rows = await database.rows<Id & { readonly endpoint_id: string }>(sql.notices, [node]);
    return rows.map(({ id, endpoint_id }) => ({ id, endpointId: endpoint_id }));
  },
  confirmNotices: async (ids) => {
    if (ids.length > 0) await database.rows(sql.confirmNotices, [int8Array(ids)]);
  },
});

/** The side of who has changed something: see NoticeBoard. */
export const createNoticeBoard = (database: Database): NoticeBoard => ({
  post: async (node, endpointIds) => {
    const rows = await database.rows<Id>(post, [node, textArray(endpointIds)]);
    return rows.map(({ id }) => id);
  },
  pending: async (ids) => {
    const rows = await database.rows<Id>(pending, [int8Array(ids)]);
    return rows.map(({ id }) => id);
  },
});
