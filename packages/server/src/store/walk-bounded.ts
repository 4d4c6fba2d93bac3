import { PAGE_BYTES } from '../domain/message.ts';
import type { Walk } from '../api/paging.ts';
import type { Walked } from '../api/port.ts';
import type { IdWindow } from '../api/time-window.ts';
import type { SqlParam } from './postgres.ts';
import { tenantStatement } from './tenant-statement.ts';
import type { TenantDatabase, TenantStatement } from './tenant-statement.ts';
import { HIGHEST, LOWEST } from './written.ts';

/** Rows that one request walks at most where the filter has no index. */
export const WALKED_ROWS = 10_000;

/**
 * Of `rows` (a select, its columns as alias `name`) the first in `order` that fit into {@link PAGE_BYTES}, at least
 * one; `found` says how many there were. `size` must be known without reading what is large: octet_length() of a
 * column is.
 */
export const withinBytes = (rows: string, name: string, order: string, size: string): string => `
  (select w.* from (
    select ${name}.*, ${size} as own, count(*) over () as found,
      coalesce(sum(${size}) over (order by ${order} rows between unbounded preceding and 1 preceding), 0) as before
    from (${rows}) ${name}) w
  where w.before = 0 or w.before + w.own <= ${PAGE_BYTES}) ${name}`;

/**
 * A list along an index on (what `where` fixes, key). Parameters: $1, $2 for `where`, $3 and $4 the
 * window, $5 the limit, then `extra`, then the filter's.
 */
export type BoundedWalk = {
  readonly name: string;
  readonly columns: string;
  readonly from: string;
  /** Which parameter of `where` is the organisation. */
  readonly org: 1 | 2;
  readonly where: string;
  readonly key: string;
  readonly filter: string;
  /** Bytes of a row, where rows may be large (see {@link withinBytes}). */
  readonly size?: string;
};

/** For a `where` that fixes one thing only: $2 is then null. */
export const onlyOne = '$2::text is null';

/** The window of a list that is walked along its keys from one of them. */
export const windowOf = ({ ascending, from }: Walk): IdWindow => ({
  low: ascending && from !== null ? from : LOWEST,
  high: !ascending && from !== null ? from : HIGHEST,
  oldestFirst: ascending,
});

export type WalkInput = {
  readonly bound: readonly [SqlParam, SqlParam];
  readonly window: IdWindow;
  readonly limit: number;
  readonly extra: readonly SqlParam[];
  readonly filter: readonly SqlParam[];
};

type Statements = {
  readonly plain: TenantStatement;
  readonly filtered: TenantStatement;
  readonly edge: TenantStatement;
};

const alias = (from: string): string => from.split(' ').at(-1)!;

/** The three statements of a walk in one direction; exported so that a test can read their plans. */
export const walkStatements = (walk: BoundedWalk, ascending: boolean): Statements => {
  const suffix = ascending ? 'up' : 'down';
  const inWindow = `${walk.where} and ${walk.key} > $3 and ${walk.key} < $4`;
  const order = `${walk.key} ${ascending ? 'asc' : 'desc'}`;
  const ordered = `order by ${order}`;
  const name = alias(walk.from);
  const selected = (rows: string): string => {
    if (walk.size === undefined) return `select ${walk.columns} ${rows}`;
    const cut = withinBytes(`select ${name}.* ${rows}`, name, order, walk.size);
    return `select ${walk.columns}, ${name}.found from ${cut} ${ordered}`;
  };
  return {
    plain: tenantStatement(
      walk.org,
      `${walk.name}_${suffix}`,
      selected(`from ${walk.from} where ${inWindow} ${ordered} limit $5`),
    ),
    filtered: tenantStatement(
      walk.org,
      `${walk.name}_filtered_${suffix}`,
      selected(`
        from (select * from ${walk.from} where ${inWindow} ${ordered} limit ${WALKED_ROWS}) ${name}
        where ${walk.filter} ${ordered} limit $5`),
    ),
    edge: tenantStatement(
      walk.org,
      `${walk.name}_edge_${suffix}`,
      `select ${walk.key} as edge from ${walk.from} where ${inWindow}
        ${ordered} offset ${WALKED_ROWS - 1} limit 1`,
    ),
  };
};

/** The key of the last row where those that came after it did not fit; else null. */
const cutAt = (rows: readonly unknown[], key: string): string | null => {
  const last = rows.at(-1) as Readonly<Record<string, string | number | undefined>> | undefined;
  return last?.['found'] === undefined || last['found'] === rows.length ? null : String(last[key]);
};

/**
 * Lists along the index. With a filter it walks at most {@link WALKED_ROWS} rows and says where it
 * stopped, so that no request is slow and none lies about being the last page.
 */
export const walkBounded = (walk: BoundedWalk) => {
  const up = walkStatements(walk, true);
  const down = walkStatements(walk, false);
  const key = walk.key.slice(walk.key.indexOf('.') + 1);
  return async <Row>(database: TenantDatabase, input: WalkInput): Promise<Walked<Row>> => {
    const { window, limit } = input;
    const statements = window.oldestFirst ? up : down;
    const bounds = [...input.bound, window.low, window.high];
    const isFiltered = input.filter.some((value) => value !== null);
    const params = [...bounds, limit + 1, ...input.extra, ...(isFiltered ? input.filter : [])];
    const rows = await database.rows<Row>(isFiltered ? statements.filtered : statements.plain, params);
    const cut = cutAt(rows, key);
    if (!isFiltered || cut !== null || rows.length > limit) return { rows, stoppedAt: cut };
    const [edge] = await database.rows<{ edge: string }>(statements.edge, bounds);
    return { rows, stoppedAt: edge?.edge ?? null };
  };
};
