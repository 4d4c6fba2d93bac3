import type { IdKind } from '../domain/ids.ts';
import { pageOf } from './list-out.ts';
import type { ListParams } from './list-out.ts';
import type { PageRequest } from './paging.ts';
import { idWindow } from './time-window.ts';
import type { IdWindow } from './time-window.ts';

export type TimeParams = ListParams & {
  readonly before?: number | undefined;
  readonly after?: number | undefined;
};

/** A page of a list by time, newest first, and the ids that it may touch. */
export const timePage = (
  kind: IdKind,
  query: TimeParams,
  nowMs: number,
): { readonly page: PageRequest; readonly window: IdWindow } => {
  const asked = pageOf(query, 'descending');
  const window = idWindow(kind, asked.cursor, query.before ?? null, query.after ?? null, nowMs);
  // Walked oldest first, but shown newest first: like a page that was walked back to.
  const isTurned = window.oldestFirst && asked.cursor.kind === 'start';
  const page: PageRequest = isTurned ? { ...asked, cursor: { kind: 'before', key: '' } } : asked;
  return { page, window };
};
