import type { Database, Statement } from './postgres.ts';

const forget: Statement = {
  name: 'forget_node',
  text: `
with gone as (
  update node set until = '-infinity', takes = false where id = $1::uuid
), drained as (
  delete from draining where node = $1::uuid
)
update partition set node = null, lease_until = '-infinity' where node = $1::uuid`,
};

/**
 * Ends the leases of a node at once. Only for one that is certainly dead: its process was reaped, so
 * nothing of it is on the wire any more. Who takes the partitions frees what it held.
 *
 * @throws when the database cannot be reached; then its leases end by themselves.
 */
export const forgetNode = async (database: Database, nodeId: string): Promise<void> => {
  await database.rows(forget, [nodeId]);
};
