import type { Clock } from './clock.ts';
import type { Config } from './config.ts';
import { PARTITION_COUNT } from './domain/partition.ts';
import { readPartitionCount } from './store/check-partitions.ts';
import { checkSeal } from './store/check-seal.ts';
import { claimName } from './store/claim-name.ts';
import type { Database } from './store/postgres.ts';
import type { Sealer } from './store/sealed.ts';

export type Refusal = { readonly name: string; readonly problem: string };

const LOOK_MS = 250;
/** Beyond the lease of a node that died: its name is free by then. */
const SLACK_MS = 1_000;

/**
 * Whether this process may work on the database beside the others; what is wrong, or null. A name
 * that a dead process had is waited for until its lease is over.
 *
 * @throws when the database cannot be reached.
 */
export const checkJoin = async (join: {
  readonly config: Config;
  readonly database: Database;
  readonly sealer: Sealer;
  readonly node: { readonly id: string; readonly name: string };
  /** Nobody else is at work on the database, whatever it says. */
  readonly alone: boolean;
  readonly clock: Clock;
}): Promise<Refusal | null> => {
  const { config, database, node, clock } = join;
  if ((await checkSeal(database, join.sealer)) === 'other_secret') {
    return {
      name: 'POSTHORN_MAIN_SECRET',
      problem:
        'is not the one that the endpoint secrets in this database are encrypted with; set that one, or add it to POSTHORN_MAIN_SECRET_OLD',
    };
  }
  const partitions = await readPartitionCount(database);
  if (partitions !== PARTITION_COUNT) {
    return {
      name: 'DATABASE_URL',
      problem: `names a database that spreads its endpoints over ${partitions} partitions; this program works with ${PARTITION_COUNT}. Use the program that made it, or a database of its own`,
    };
  }
  if (config.nodeName === null || join.alone) return null;
  const leaseMs = config.lease * 1000;
  const deadlineMs = clock.monotonicMs() + leaseMs + SLACK_MS;
  while (!(await claimName(database, node, leaseMs))) {
    if (clock.monotonicMs() > deadlineMs) {
      return {
        name: 'POSTHORN_NODE_NAME',
        problem: `is ${node.name}, and another node of that name is running; give each its own, or none`,
      };
    }
    await new Promise<void>((resolve) => void setTimeout(resolve, LOOK_MS));
  }
  return null;
};
