import { areCurrent, openHeaders, openKeys, sealHeaders, sealKeys } from './endpoint-row.ts';
import type { Database, Statement } from './postgres.ts';
import { SealBroken, type Sealer } from './sealed.ts';
import { LOWEST } from './written.ts';

const walk: Statement = {
  name: 'reseal_walk',
  text: `select e.id, e.keys, e.headers, e.deleted_at is not null as "isDeleted" from endpoint e
    where e.id > $1 order by e.id limit $2`,
};
// Nothing but the sealing changes: neither the endpoint's version nor the time of its last change.
const write: Statement = {
  name: 'reseal_write',
  text: `update endpoint set keys = $2::jsonb, headers = $3
    where id = $1 and keys = $4::jsonb and headers is not distinct from $5 returning id`,
};

const count: Statement = {
  name: 'reseal_count',
  text: `select greatest(reltuples, 0)::int4 as total from pg_class where oid = 'endpoint'::regclass`,
};

/** How many endpoints there are, as PostgreSQL estimates it. */
export const countEndpoints = async (database: Database): Promise<number> =>
  (await database.rows<{ total: number }>(count, []))[0]?.total ?? 0;

type Row = {
  readonly id: string;
  readonly keys: unknown;
  readonly headers: Buffer | null;
  readonly isDeleted: boolean;
};

export type ResealStep = {
  /** Endpoints looked at, and the last of them; null: there are no more. */
  readonly walked: number;
  readonly cursor: string | null;
  readonly resealed: number;
  /** Changed by somebody else between look and write. */
  readonly changed: number;
  /** Endpoints whose secrets no main secret at hand opens; they stay as they are. */
  readonly unreadable: readonly string[];
};

const resealOne = async (
  database: Database,
  sealer: Sealer,
  { id, keys, headers, isDeleted }: Row,
): Promise<'current' | 'resealed' | 'changed' | 'unreadable'> => {
  if (areCurrent(keys, headers, sealer)) return 'current';
  try {
    const written = await database.rows(write, [
      id,
      sealKeys(id, openKeys(id, keys, sealer), sealer),
      sealHeaders(id, openHeaders(id, headers, sealer), sealer),
      JSON.stringify(keys),
      headers,
    ]);
    return written.length > 0 ? 'resealed' : 'changed';
  } catch (error) {
    if (!(error instanceof SealBroken)) throw error;
    // Nobody opens a deleted one again.
    return isDeleted ? 'current' : 'unreadable';
  }
};

/**
 * Seals the secrets of the endpoints behind `cursor` (null: from the beginning) under the main secret
 * that seals now. Each row is compared and written by itself: it may be stopped and repeated at any
 * time, and what an owner changes meanwhile is kept.
 */
export const resealEndpoints = async (
  database: Database,
  sealer: Sealer,
  cursor: string | null,
  limit: number,
): Promise<ResealStep> => {
  const rows = await database.rows<Row>(walk, [cursor ?? LOWEST, limit]);
  const results = await Promise.all(rows.map((row) => resealOne(database, sealer, row)));
  const some = (wanted: string): number => results.filter((result) => result === wanted).length;
  return {
    walked: rows.length,
    cursor: rows.length < limit ? null : rows.at(-1)!.id,
    resealed: some('resealed'),
    changed: some('changed'),
    unreadable: rows.filter((_, index) => results[index] === 'unreadable').map(({ id }) => id),
  };
};
