import type { Database, Statement } from './postgres.ts';

const read: Statement = {
  name: 'read_partitions',
  text: `
select i.partitions as said, (select count(*) from partition)::int4 as there
from installation i`,
};

/**
 * Into how many partitions this database spreads its endpoints. Fixed when it was made: nodes that
 * count otherwise would look for an endpoint in different places.
 *
 * @throws when the database cannot be reached, or contradicts itself.
 */
export const readPartitionCount = async (database: Database): Promise<number> => {
  const [row] = await database.rows<{ said: number; there: number }>(read, []);
  if (row === undefined) throw new Error('table installation is empty: the database is damaged');
  if (row.said !== row.there)
    throw new Error(`the database says ${row.said} partitions and has ${row.there}: it is damaged`);
  return row.said;
};
