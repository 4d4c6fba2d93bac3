import { exceptionOf } from './failure.ts';
import type { Database, Statement } from './postgres.ts';

const lock: Statement = {
  name: 'lock_node_name',
  text: `select pg_advisory_xact_lock(hashtext('posthorn node ' || $1))`,
};
const claim: Statement = {
  name: 'claim_node_name',
  text: `
insert into node (id, name, until)
select $1::uuid, $2::text, clock_timestamp() + $3 * interval '1 ms'
where not exists (select from node where name = $2 and id <> $1::uuid and until > clock_timestamp())
on conflict (id) do nothing
returning id`,
};

/**
 * Takes a name for a node, for `leaseMs`; its heartbeats keep it. False: a node whose lease runs has it.
 *
 * @throws when the database cannot be reached.
 */
export const claimName = async (
  database: Database,
  node: { readonly id: string; readonly name: string },
  leaseMs: number,
): Promise<boolean> => {
  const done = await database.transaction(async ({ run }) => {
    // First, so that the second statement sees whoever else had the lock.
    await run(lock, [node.name]);
    return (await run(claim, [node.id, node.name, leaseMs])).length > 0;
  });
  if (done.kind !== 'done') throw exceptionOf(done);
  return done.value;
};
