import type { Peer, PeerStore } from '../peers/port.ts';
import type { Database, Statement } from './postgres.ts';

const meet: Statement = {
  name: 'meet_peers',
  text: `
with said as (
  update node set address = $2 where id = $1::uuid and address is distinct from $2
)
select n.id::text as node, n.address, array_agg(p.id::int4) as partitions
from node n join partition p on p.node = n.id and p.lease_until > clock_timestamp()
where n.id <> $1::uuid and n.address is not null and n.until > clock_timestamp()
group by n.id`,
};

/** See PeerStore. */
export const createPeerStore = (database: Database): PeerStore => ({
  meet: (node, address) => database.rows<Peer>(meet, [node, address]),
});
