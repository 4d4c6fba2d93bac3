import type { ClusterRecord } from '../api/records.ts';
import type { Database, Statement } from './postgres.ts';

const nodes: Statement = {
  name: 'cluster_nodes',
  text: `
select n.id::text as id, n.name, n.role, n.joined_at as "joinedAtMs",
  n.until as "leaseUntilMs", count(p.id)::int4 as partitions
from node n left join partition p on p.node = n.id and p.lease_until > clock_timestamp()
where n.until > clock_timestamp()
group by n.id
order by n.joined_at, n.id`,
};

const partitions: Statement = {
  name: 'cluster_partitions',
  text: `
select p.id, p.epoch, p.node::text as node,
  case when p.node is not null then p.lease_until end as "leaseUntilMs",
  (select count(*) from draining d where d.partition = p.id and d.deadline > clock_timestamp())::int4 as draining,
  count(l.*)::int4 as "lanesDue", min(l.next_due) as "oldestDueMs"
from partition p left join lane l on l.partition = p.id and l.next_due <= clock_timestamp()
group by p.id
order by p.id`,
};

const lanes: Statement = {
  name: 'cluster_lanes',
  text: `
select count(*)::int4 as total, (count(*) filter (where blocked_until > clock_timestamp()))::int4 as blocked,
  extract(epoch from clock_timestamp())::float8 * 1000 as "nowMs"
from lane`,
};

/** See ApiStore.cluster. */
export const createClusterRead = (database: Database) => async (): Promise<ClusterRecord> => {
  const [nodeRows, partitionRows, laneRows] = await Promise.all([
    database.rows<ClusterRecord['nodes'][number]>(nodes, []),
    database.rows<ClusterRecord['partitions'][number]>(partitions, []),
    database.rows<ClusterRecord['lanes'] & { readonly nowMs: number }>(lanes, []),
  ]);
  const { nowMs, ...counts } = laneRows[0]!;
  return { nowMs, nodes: nodeRows, partitions: partitionRows, lanes: counts };
};
