import { isWorthRetrying } from './http.ts';
import type { Reply } from './http.ts';

/** What became of one message, for good. */
export type Outcome =
  /** It is stored and will be delivered. */
  | { readonly kind: 'accepted'; readonly id: string }
  /** The server will not have it, however often it is sent. */
  | { readonly kind: 'refused'; readonly status: number; readonly error: unknown }
  /** Nobody knows: the client stopped trying. It may have been accepted. */
  | { readonly kind: 'unconfirmed'; readonly error: unknown }
  /** It never left: there was no room. */
  | { readonly kind: 'dropped' };

export type Verdict =
  | { readonly kind: 'settled'; readonly outcomes: readonly Outcome[] }
  /** Once more, the very same request. */
  | { readonly kind: 'again'; readonly retryAfterMs: number | null; readonly error: unknown }
  /** In smaller pieces. Nothing of it was written. */
  | { readonly kind: 'split' };

type Item = { readonly status: number; readonly message?: { readonly id: string }; readonly error?: unknown };

const itemsOf = (body: unknown): readonly Item[] | null =>
  typeof body === 'object' && body !== null && 'data' in body && Array.isArray(body.data)
    ? (body.data as readonly Item[])
    : null;

const outcomeOf = ({ status, message, error }: Item): Outcome =>
  status === 202 && message !== undefined
    ? { kind: 'accepted', id: message.id }
    : { kind: 'refused', status, error };

/**
 * What an answer to a batch of so many messages means. A token that is not good is tried again: it may be
 * on its way to be replaced, and the messages are not to blame.
 */
export const judge = (reply: Reply, count: number): Verdict => {
  if (reply.kind === 'unreachable') return { kind: 'again', retryAfterMs: null, error: reply.cause };
  const { status, body, retryAfterMs } = reply;
  const again: Verdict = { kind: 'again', retryAfterMs, error: { status, body } };
  if (status === 202) {
    const items = itemsOf(body);
    if (items?.length !== count || items.some((item) => isWorthRetrying(item.status))) return again;
    return { kind: 'settled', outcomes: items.map(outcomeOf) };
  }
  // One message may be why the whole is refused: the others are not to blame.
  if ((status === 413 || status === 422) && count > 1) return { kind: 'split' };
  if (status === 401 || status === 403 || isWorthRetrying(status)) return again;
  return {
    kind: 'settled',
    outcomes: Array.from({ length: count }, () => ({ kind: 'refused', status, error: body })),
  };
};
