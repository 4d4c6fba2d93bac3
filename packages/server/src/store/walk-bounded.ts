import type { Walk } from '../api/paging.ts';
import type { Walked } from '../api/port.ts';
import type { IdWindow } from '../api/time-window.ts';
import type { Database, SqlParam, Statement } from './postgres.ts';
import { HIGHEST, LOWEST } from './written.ts';

/** Rows that one request walks at most where the filter has no index. */
export const WALKED_ROWS = 10_000;

/**
 * A list along an index on (what `where` fixes, key). Parameters: $1, $2 for `where`, $3 and $4 the
 * window, $5 the limit, then `extra`, then the filter's.
 */
export type BoundedWalk = {
  readonly name: string;
  readonly columns: string;
  readonly from: string;
  readonly where: string;
  readonly key: string;
  readonly filter: string;
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

type Statements = { readonly plain: Statement; readonly filtered: Statement; readonly edge: Statement };

const alias = (from: string): string => from.split(' ').at(-1)!;

/** The three statements of a walk in one direction; exported so that a test can read their plans. */
export const walkStatements = (walk: BoundedWalk, ascending: boolean): Statements => {
  const suffix = ascending ? 'up' : 'down';
  const inWindow = `${walk.where} and ${walk.key} > $3 and ${walk.key} < $4`;
  const ordered = `order by ${walk.key} ${ascending ? 'asc' : 'desc'}`;
  return {
    plain: {
      name: `${walk.name}_${suffix}`,
      text: `select ${walk.columns} from ${walk.from} where ${inWindow} ${ordered} limit $5`,
    },
    filtered: {
      name: `${walk.name}_filtered_${suffix}`,
      text: `select ${walk.columns}
        from (select * from ${walk.from} where ${inWindow} ${ordered} limit ${WALKED_ROWS}) ${alias(walk.from)}
        where ${walk.filter} ${ordered} limit $5`,
    },
    edge: {
      name: `${walk.name}_edge_${suffix}`,
      text: `select ${walk.key} as edge from ${walk.from} where ${inWindow}
        ${ordered} offset ${WALKED_ROWS - 1} limit 1`,
    },
  };
};

/**
 * Lists along the index. With a filter it walks at most {@link WALKED_ROWS} rows and says where it
 * stopped, so that no request is slow and none lies about being the last page.
 */
export const walkBounded = (walk: BoundedWalk) => {
  const up = walkStatements(walk, true);
  const down = walkStatements(walk, false);
  return async <Row>(database: Database, input: WalkInput): Promise<Walked<Row>> => {
    const { window, limit } = input;
    const statements = window.oldestFirst ? up : down;
    const bounds = [...input.bound, window.low, window.high];
    const isFiltered = input.filter.some((value) => value !== null);
    if (!isFiltered) {
      const params = [...bounds, limit + 1, ...input.extra];
      return { rows: await database.rows<Row>(statements.plain, params), stoppedAt: null };
    }
    const params = [...bounds, limit + 1, ...input.extra, ...input.filter];
    const rows = await database.rows<Row>(statements.filtered, params);
    if (rows.length > limit) return { rows, stoppedAt: null };
    const [edge] = await database.rows<{ edge: string }>(statements.edge, bounds);
    return { rows, stoppedAt: edge?.edge ?? null };
  };
};
