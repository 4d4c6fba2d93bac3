import { z } from '@hono/zod-openapi';
import { json } from './answers.ts';
import type { Answer } from './answers.ts';
import { DEFAULT_LIMIT, pageOut, readCursor } from './paging.ts';
import type { Order, PageRequest } from './paging.ts';
import { renderedList, spliced } from './message-out.ts';

/** The shape of every list. */
export const listOf = (item: z.ZodType) =>
  z.object({
    data: z.array(item),
    iterator: z.string().nullable(),
    prevIterator: z.string().optional(),
    done: z.boolean(),
  });

export type ListParams = {
  readonly limit?: number | undefined;
  readonly iterator?: string | undefined;
  readonly order?: Order | undefined;
};

/** A page as asked for; `order` where the list has one by itself. */
export const pageOf = (query: ListParams, order: Order): PageRequest => ({
  cursor: readCursor(query.iterator),
  limit: query.limit ?? DEFAULT_LIMIT,
  order: query.order ?? order,
});

/** A page of values. */
export const pageAnswer = <Row>(
  rows: readonly Row[],
  page: PageRequest,
  keyOf: (row: Row) => string,
  show: (row: Row) => unknown,
  stoppedAt: string | null = null,
): Answer => {
  const out = pageOut(rows, page, keyOf, stoppedAt);
  return json(200, { ...out, data: out.data.map(show) });
};

const asBytes = (buffer: Buffer): Uint8Array<ArrayBuffer> => new Uint8Array(buffer);

export const rendered = (status: number, bytes: Buffer): Answer => ({
  kind: 'rendered',
  status,
  bytes: asBytes(bytes),
});

/** A page of items that are JSON bytes already. */
export const renderedPage = <Row>(
  rows: readonly Row[],
  page: PageRequest,
  keyOf: (row: Row) => string,
  show: (row: Row) => Buffer,
  stoppedAt: string | null = null,
): Answer => {
  const { data, ...rest } = pageOut(rows, page, keyOf, stoppedAt);
  return rendered(200, spliced(rest, 'data', renderedList(data.map(show))));
};
