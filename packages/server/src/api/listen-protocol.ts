import type { HeaderPair } from '../domain/attempt.ts';

/** What a server says on a listen channel, one JSON object a frame. */
export type ServerFrame =
  /**
   * The answer to `resume`: where the session stands. `missed` messages after the mark were not seen
   * yet; `more` says that it stopped counting there.
   */
  | { readonly kind: 'ready'; readonly mark: string; readonly missed: number; readonly more: boolean }
  /** One request as the endpoint gets it, signed now. Confirm it with `done`. */
  | {
      readonly kind: 'event';
      readonly id: string;
      readonly eventType: string;
      /** In order; without `host` and `content-length`, which belong to the connection. */
      readonly headers: readonly HeaderPair[];
      /** Base64. */
      readonly body: string;
    }
  /** A message whose payload has expired or was expunged: there is nothing to forward. */
  | { readonly kind: 'gone'; readonly id: string; readonly eventType: string }
  /** Everything up to here is done: what was seen below it need not be remembered any more. */
  | { readonly kind: 'mark'; readonly mark: string }
  /** The server cannot read messages now and keeps trying; the session goes on. */
  | { readonly kind: 'stalled'; readonly why: string };

/** What a client says. */
export type ClientFrame =
  /**
   * First of all: what the client has. `mark` null: nothing yet. `seen`: the ids above the mark that it
   * has dealt with. `sinceMs`: where a client without a mark begins; null is now.
   */
  | {
      readonly kind: 'resume';
      readonly mark: string | null;
      readonly seen: readonly string[];
      readonly sinceMs: number | null;
    }
  /** After `ready`: begin at the mark, or skip what was missed. */
  | { readonly kind: 'go'; readonly from: 'mark' | 'now' }
  /** This one arrived. */
  | { readonly kind: 'done'; readonly id: string }
  /** This one could not be handed on yet and its signature has grown old: sign it anew. */
  | { readonly kind: 'again'; readonly id: string };

/** Ids that a client remembers above its mark at most; the server sends no more than these. */
export const MOST_SEEN = 1_000;

const MESSAGE_ID = /^msg_[0-9A-Za-z]{1,64}$/;
const isId = (value: unknown): value is string => typeof value === 'string' && MESSAGE_ID.test(value);

/** A client's frame, or null when it is none. */
export const parseClientFrame = (text: string): ClientFrame | null => {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return null;
  }
  if (typeof value !== 'object' || value === null) return null;
  const { kind, mark, seen, sinceMs, from, id } = value as Record<string, unknown>;
  switch (kind) {
    case 'resume':
      if (mark !== null && !isId(mark)) return null;
      if (!Array.isArray(seen) || seen.length > MOST_SEEN || !seen.every(isId)) return null;
      if (sinceMs !== null && (typeof sinceMs !== 'number' || !Number.isFinite(sinceMs))) return null;
      return { kind, mark, seen, sinceMs };
    case 'go':
      return from === 'mark' || from === 'now' ? { kind, from } : null;
    case 'done':
    case 'again':
      return isId(id) ? { kind, id } : null;
    default:
      return null;
  }
};
