import type { ClusterNode, DispatchStore, Lease, NodeRole, OwnedPartition } from '../dispatch/port.ts';
import { int2Array, int8Array } from './binary-array.ts';
import type { Database, Statement } from './postgres.ts';

export const ownershipStatements = {
  // Renewal before taking: while it takes, a node waits for nobody, so two of them cannot deadlock.
  heartbeat: {
    name: 'heartbeat',
    text: `
with announced as (
  insert into node (id, name, role, takes, until)
  values ($1::uuid, $2, $6, $7, clock_timestamp() + $3 * interval '1 ms')
  on conflict (id) do update set name = excluded.name, takes = excluded.takes, seen_at = clock_timestamp(),
    until = excluded.until,
    joined_at = case when node.until < clock_timestamp() then clock_timestamp() else node.joined_at end
), gone as (
  update node set until = '-infinity', takes = false where $5 and id <> $1::uuid
), renewed as (
  update partition set lease_until = clock_timestamp() + $3 * interval '1 ms'
  where node = $1::uuid
  returning id, epoch
), free as (
  select id from partition
  where (node is null or lease_until < clock_timestamp() or $5) and node is distinct from $1::uuid
    and (select count(*) from renewed) >= 0
  order by id
  limit $4
  for update skip locked
), taken as (
  update partition p
  set node = $1::uuid, epoch = p.epoch + 1, lease_until = clock_timestamp() + $3 * interval '1 ms'
  from free where p.id = free.id
  returning p.id, p.epoch
)
select o.id as partition, o.epoch, extract(epoch from clock_timestamp())::float8 * 1000 as database_ms
from (select 1) as one
left join (select * from renewed union all select * from taken) o on true
order by o.id`,
  },
  cluster: {
    name: 'cluster',
    text: `
select n.id as node, n.name, n.role, n.takes, f.free,
  extract(epoch from clock_timestamp() - n.joined_at)::float8 * 1000 as age_ms
from (select count(*)::int4 as free from partition where node is null or lease_until < clock_timestamp()) f
left join node n on n.until > clock_timestamp()
order by n.id`,
  },
  // Only what this token holds; a row of a tenure that drains already gets the new deadline.
  release: {
    name: 'release',
    text: `
with t as materialized (
  select *, 1 as one from unnest($2::int2[], $3::int8[]) as t(partition, epoch)
), gone as (
  update node set until = '-infinity', takes = false where $5 and id = $1::uuid
), freed as (
  update partition p set node = null, lease_until = '-infinity'
  from t where t.one = 1 and p.id = t.partition and p.epoch = t.epoch and p.node = $1::uuid
  returning p.id, p.epoch
), listed as (
  insert into draining (partition, epoch, node, deadline)
  select id, epoch, $1::uuid, clock_timestamp() + $4 * interval '1 ms' from freed where $4 > 0
), renewed as (
  update draining d set deadline = clock_timestamp() + $4 * interval '1 ms'
  from t where t.one = 1 and $4 > 0 and d.partition = t.partition and d.epoch = t.epoch and d.node = $1::uuid
)
delete from draining d using t
where t.one = 1 and $4 <= 0 and d.partition = t.partition and d.epoch = t.epoch and d.node = $1::uuid`,
  },
} as const satisfies Record<string, Statement>;

type ClusterRow = {
  node: string | null;
  name: string;
  role: NodeRole;
  takes: boolean;
  free: number;
  age_ms: number;
};
type HeartbeatRow = { partition: number | null; epoch: number | null; database_ms: number };

export const createOwnershipOperations = (
  database: Database,
  sql: { readonly [Key in keyof typeof ownershipStatements]: Statement },
): Pick<DispatchStore, 'heartbeat' | 'cluster' | 'release'> => ({
  heartbeat: async ({ node, name, role, isTaking, leaseMs, take, seize }): Promise<Lease> => {
    const params = [node, name, leaseMs, take, seize, role, isTaking];
    const rows = await database.rows<HeartbeatRow>(sql.heartbeat, params);
    const owned: OwnedPartition[] = [];
    for (const { partition, epoch } of rows) {
      if (partition !== null && epoch !== null) owned.push({ partition, epoch });
    }
    return { owned, databaseMs: rows[0]!.database_ms };
  },
  cluster: async () => {
    const rows = await database.rows<ClusterRow>(sql.cluster, []);
    const nodes = rows.flatMap(({ node, name, role, takes, age_ms }): ClusterNode[] =>
      node === null ? [] : [{ node, name, role, isTaking: takes, ageMs: age_ms }],
    );
    return { nodes, free: rows[0]!.free };
  },
  release: async ({ node, partitions, drainMs, isLeaving }) => {
    if (partitions.length === 0 && !isLeaving) return;
    await database.rows(sql.release, [
      node,
      int2Array(partitions.map((owned) => owned.partition)),
      int8Array(partitions.map((owned) => owned.epoch)),
      drainMs,
      isLeaving,
    ]);
  },
});
