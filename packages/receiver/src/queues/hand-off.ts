import type { DedupStore, ReceivedEvent, Sink } from '../contract.ts';
import { dedupOf, type QueueDedup } from './dedup.ts';
import { pack } from './message.ts';

/** Puts one message into a queue; resolves once the queue has it for good. */
export type Send = (message: string, event: ReceivedEvent, key: string | null) => unknown;

/**
 * Makes a sink of a function that sends to a queue. With `dedup`, what was sent is not sent again;
 * without, the consuming half finds the duplicates.
 *
 * ```ts
 * const sink = handOff((message) => queue.add('webhook', message));   // BullMQ
 * ```
 */
export const handOff = (send: Send, { dedup }: { readonly dedup?: DedupStore | QueueDedup } = {}): Sink => ({
  put: async (event, key) => {
    const message = pack(event, key);
    if (dedup === undefined || key === null) {
      await send(message, event, key);
      return { kind: 'stored' };
    }
    const { store, ttlMs, leaseMs } = dedupOf(dedup);
    const name = `sent:${key}`;
    const claim = await store.claim(name, { ttlMs, leaseMs, nowMs: Date.now() });
    if (claim.kind === 'done') return { kind: 'duplicate' };
    if (claim.kind === 'busy') return { kind: 'full', retryAfterMs: claim.retryAfterMs };
    try {
      await send(message, event, key);
    } catch (error) {
      // The store may be away as well; the lease ends then.
      await store.forget(name, claim.token).catch(() => {});
      throw error;
    }
    // Sent and not recorded is a duplicate in the queue at worst, and the consuming half finds those.
    await store.done(name, claim.token).catch(() => {});
    return { kind: 'stored' };
  },
});
