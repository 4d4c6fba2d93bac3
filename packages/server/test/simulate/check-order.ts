import type { ClosedRow, LiveRow } from '../store/rows.ts';
import type { Violation } from './check.ts';
import { createFaults } from './faults.ts';
import type { EventOf } from './history.ts';
import { endpointId } from './operators.ts';
import { postOf } from './payload.ts';
import type { RunResult } from './run.ts';

type Request = EventOf<'request'>;

/** A delivery in the order of a key at an endpoint. */
type Turn = {
  readonly key: string;
  readonly post: number | null;
  readonly place: number;
  /** When it was there for everybody to see, and when no longer. */
  readonly fromMs: number;
  endedMs: number;
  /** When the statement began by which it is held now. */
  heldMs: number;
};

/** What a fault may have done to a request that nobody waits for any more. */
const EXCUSES = ['crash', 'pause', 'sleep', 'database-clock'];

/**
 * In each order (of an endpoint that is fifo, or of a key at another one) a request goes out only when
 * its turn has come: what was acknowledged before its message was posted, and what has a place before it,
 * has ended; no other request of the order is open; and no dead letter blocks it.
 */
export const checkOrder = ({ history, plan }: RunResult): Violation[] => {
  const found: Violation[] = [];
  const faults = createFaults(history);
  const isFifo = new Map(plan.endpoints.map(({ fifo }, index) => [endpointId(index), fifo]));
  const keys = new Map(
    plan.events.flatMap((event) =>
      event.kind === 'post' ? [[event.index, event.orderingKey] as const] : [],
    ),
  );
  const acknowledged = new Map<number, number>();
  const posted = new Map<number, number>();
  for (const { post, sentMs, endedMs, outcome } of history.of('try')) {
    posted.set(post, Math.min(posted.get(post) ?? Infinity, sentMs));
    if (outcome === 'acknowledged')
      acknowledged.set(post, Math.min(acknowledged.get(post) ?? Infinity, endedMs!));
  }
  const posts = new Map<string, number | null>();
  const orders = new Map<string, Turn[]>();
  const turns = new Map<string, Turn>();
  const blocks = new Map<string, { readonly letter: string; readonly sinceMs: number }>();
  const requests = new Map<string, Request[]>();

  /** The order that a delivery should stand in by what was asked for; null: none. */
  const orderOf = (endpoint: string, post: number | null | undefined): string | null => {
    if (isFifo.get(endpoint) === true) return endpoint;
    const key = post === null || post === undefined ? null : (keys.get(post) ?? null);
    return key === null ? null : `${endpoint} key.${key}`;
  };

  const onCommit = ({ changes, atMs, beganMs }: EventOf<'commit'>): void => {
    for (const { table, key, after } of changes) {
      if (table === 'message') posts.set(key, postOf((after as { payload: Uint8Array }).payload));
    }
    for (const { table, key, before, after } of changes) {
      if (table === 'closed') {
        const { endpointId: endpoint, orderKey, blocks: isBlocking, letter } = after as ClosedRow;
        const order = orderKey === '' ? endpoint : `${endpoint} ${String(orderKey)}`;
        if (isBlocking && letter === 'open') blocks.set(order, { letter: key, sinceMs: atMs });
        else if (blocks.get(order)?.letter === key) blocks.delete(order);
      }
      if (table !== 'live') continue;
      const row = (after ?? before) as LiveRow;
      const order = orderOf(row.endpointId, posts.get(row.messageId));
      if (order === null) continue;
      if (before === null) {
        const turn: Turn = {
          key,
          post: posts.get(row.messageId) ?? null,
          place: row.seq ?? Infinity,
          fromMs: atMs,
          endedMs: Infinity,
          heldMs: -Infinity,
        };
        turns.set(key, turn);
        orders.set(order, [...(orders.get(order) ?? []), turn]);
      }
      const turn = turns.get(key);
      if (turn === undefined) continue;
      if (after === null) turn.endedMs = atMs;
      else if (row.state === 'held') turn.heldMs = beganMs;
    }
  };

  const onRequest = (request: Request): void => {
    const { messageId, endpointId: endpoint, process, sentMs } = request;
    const order = orderOf(endpoint, posts.get(messageId));
    const turn = turns.get(`${messageId} ${endpoint}`);
    if (order === null || turn === undefined || faults.isJumped(sentMs)) return;
    const add = (detail: string): void =>
      void found.push({
        rule: 'order',
        atMs: sentMs,
        detail: `${order}: ${process} sends ${messageId} (post ${String(turn.post)}, place ${turn.place}) ${detail}`,
      });
    const postedMs = posted.get(turn.post ?? -1) ?? Infinity;
    for (const other of orders.get(order) ?? []) {
      if (other === turn || other.endedMs <= sentMs) continue;
      if (other.post !== null && (acknowledged.get(other.post) ?? Infinity) < postedMs)
        add(`before ${other.key}, which was acknowledged before it was posted`);
      // What came to light after this one was taken has no claim.
      else if (other.place < turn.place && other.fromMs < turn.heldMs)
        add(`before ${other.key}, which has the place ${other.place}`);
    }
    const earlier = requests.get(order) ?? [];
    for (const first of earlier) {
      const isOpen = first.endedMs === null || first.endedMs > sentMs;
      if (!isOpen || first.messageId === messageId) continue;
      if (!faults.hit(first.process, first.sentMs, sentMs, EXCUSES))
        add(`while the request of ${first.messageId} from ${first.process} is open`);
    }
    const block = blocks.get(order);
    if (block !== undefined && block.sinceMs < turn.heldMs) add(`while ${block.letter} blocks it`);
    requests.set(order, [...earlier, request]);
  };

  for (const event of history.events) {
    if (event.kind === 'commit') onCommit(event);
    else if (event.kind === 'request') onRequest(event);
  }
  return found;
};
