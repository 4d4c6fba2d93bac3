import type { Database, Statement } from './postgres.ts';
import { SealBroken, type Sealer } from './sealed.ts';

const CONTEXT = 'installation';
const PLAIN = Buffer.from('posthorn');

const write: Statement = {
  name: 'write_seal_check',
  text: 'update installation set seal_check = coalesce(seal_check, $1) returning seal_check',
};

/**
 * Whether this process can open what earlier ones sealed: the first start seals a word, later ones
 * open it. Throws when the database cannot be reached.
 */
export const checkSeal = async (database: Database, sealer: Sealer): Promise<'fits' | 'other_secret'> => {
  const [row] = await database.rows<{ seal_check: Buffer }>(write, [sealer.seal(PLAIN, CONTEXT)]);
  if (row === undefined)
    throw new Error('table installation is empty: the schema was not made by posthorn migrate');
  try {
    sealer.open(row.seal_check, CONTEXT);
    return 'fits';
  } catch (error) {
    if (error instanceof SealBroken) return 'other_secret';
    throw error;
  }
};

const read: Statement = { name: 'read_seal_check', text: 'select seal_check from installation' };
const replace: Statement = {
  name: 'replace_seal_check',
  text: 'update installation set seal_check = $1 where seal_check = $2',
};

/** From now on a process needs the main secret that seals now. What it has at its start is not asked again. */
export const renewSealCheck = async (database: Database, sealer: Sealer): Promise<void> => {
  const [row] = await database.rows<{ seal_check: Buffer | null }>(read, []);
  const present = row?.seal_check ?? null;
  if (present === null || sealer.isCurrent(present)) return;
  await database.rows(replace, [sealer.seal(PLAIN, CONTEXT), present]);
};
