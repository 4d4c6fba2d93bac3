/** Where a page starts. `after` walks on in the list's order, `before` walks back. */
export type Cursor =
  | { readonly kind: 'start' }
  | { readonly kind: 'after'; readonly key: string }
  | { readonly kind: 'before'; readonly key: string };

export type Order = 'ascending' | 'descending';

export type PageRequest = {
  readonly cursor: Cursor;
  readonly limit: number;
  readonly order: Order;
};

/** What a store is asked for: rows beyond `from` (null: from the end) in one direction, `limit` and one more. */
export type Walk = {
  readonly ascending: boolean;
  readonly from: string | null;
  readonly limit: number;
};

export type PageOut<Row> = {
  readonly data: readonly Row[];
  readonly iterator: string | null;
  readonly prevIterator?: string;
  readonly done: boolean;
};

export const DEFAULT_LIMIT = 50;
export const MAX_LIMIT = 250;

/** Reads an `iterator` parameter: `-` in front walks back. */
export const readCursor = (iterator: string | undefined): Cursor => {
  if (iterator === undefined || iterator === '') return { kind: 'start' };
  return iterator.startsWith('-')
    ? { kind: 'before', key: iterator.slice(1) }
    : { kind: 'after', key: iterator };
};

/** Which way the index is walked for a page, and from where. */
export const walkOf = (page: PageRequest): Walk => {
  const forwards = page.cursor.kind !== 'before';
  return {
    ascending: (page.order === 'ascending') === forwards,
    from: page.cursor.kind === 'start' ? null : page.cursor.key,
    limit: page.limit,
  };
};

/**
 * A page from the rows as they were walked, one more than `limit` if there are more. `walked` is
 * where the walk stopped when it stopped early (a filter without an index walks a bounded number
 * of rows a request): the page is then not the last even if it is short, and goes on from there.
 */
export const pageOut = <Row>(
  rows: readonly Row[],
  page: PageRequest,
  keyOf: (row: Row) => string,
  walked: string | null = null,
): PageOut<Row> => {
  const back = page.cursor.kind === 'before';
  const more = rows.length > page.limit;
  const kept = rows.slice(0, page.limit);
  const data = back ? kept.toReversed() : kept;
  const first = data[0];
  const last = data.at(-1);
  let head = first === undefined ? null : keyOf(first);
  let tail = last === undefined ? null : keyOf(last);
  if (!more && walked !== null) {
    if (!back) tail = walked;
    else head = walked;
    // Nothing on this page to go on from: the same way as before, then.
    if (back && tail === null) tail = `-${walked}`;
  }
  return {
    data,
    iterator: tail,
    ...(head === null ? {} : { prevIterator: `-${head}` }),
    done: !more && walked === null,
  };
};
