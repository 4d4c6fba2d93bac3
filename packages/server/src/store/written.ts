import type { TenantDatabase, TenantTransaction } from './tenant-statement.ts';
import { exceptionOf } from './failure.ts';

const UNIQUE_VIOLATION = '23505';

/** A write that met a unique key which is taken. */
export type Conflict = { readonly kind: 'conflict' };

/** Runs a transaction; a taken unique key is an answer, every other failure throws. */
export const inTransaction = async <Result>(
  database: TenantDatabase,
  body: (transaction: TenantTransaction) => Promise<Result>,
): Promise<Result | Conflict> => {
  const result = await database.transaction(body);
  if (result.kind === 'done') return result.value;
  if (result.kind === 'rejected' && result.code === UNIQUE_VIOLATION) return { kind: 'conflict' };
  throw exceptionOf(result);
};

/** The same where nothing unique is written. */
export const committed = async <Result>(
  database: TenantDatabase,
  body: (transaction: TenantTransaction) => Promise<Result>,
): Promise<Result> => {
  const result = await database.transaction(body);
  if (result.kind === 'done') return result.value;
  throw exceptionOf(result);
};

/** A moment as a parameter. */
export const timeParam = (unixMs: number): string => new Date(unixMs).toISOString();
export const timeParamOrNull = (unixMs: number | null): string | null =>
  unixMs === null ? null : timeParam(unixMs);

/** Sorts before and after every id, uid and name in byte order. */
export const LOWEST = '';
export const HIGHEST = '~';
