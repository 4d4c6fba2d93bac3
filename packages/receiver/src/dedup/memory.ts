import type { DedupStore } from '../contract.ts';

export type MemoryOptions = {
  /** At most so many keys; the oldest handled one makes room. @default 100000 */
  readonly maxKeys?: number;
  /** Told of a key that was forgotten before its time: its duplicate would be handled again. */
  readonly onEvicted?: (key: string) => void;
};

type Entry = {
  readonly token: string;
  readonly leaseUntilMs: number;
  readonly expiresAtMs: number;
  handled: boolean;
};

/** How soon to come back when every place is taken by an event that is being handled. */
const FULL_RETRY_MS = 1_000;

/**
 * Remembers in this process only: for tests and for one process whose restart may handle an event
 * again. Time is the caller's `nowMs`.
 */
export const memoryDedup = ({ maxKeys = 100_000, onEvicted }: MemoryOptions = {}): DedupStore => {
  const entries = new Map<string, Entry>();

  /** Whether there is room for one more. Oldest first; what is being handled stays. */
  const makeRoom = (nowMs: number): boolean => {
    if (entries.size < maxKeys) return true;
    for (const [key, { handled, leaseUntilMs, expiresAtMs }] of entries) {
      if (!handled && leaseUntilMs > nowMs) continue;
      entries.delete(key);
      if (handled && expiresAtMs > nowMs) onEvicted?.(key);
      return true;
    }
    return false;
  };

  return {
    claim: async (key, { ttlMs, leaseMs, nowMs }) => {
      const known = entries.get(key);
      if (known !== undefined && known.expiresAtMs > nowMs) {
        if (known.handled) return { kind: 'done' };
        if (known.leaseUntilMs > nowMs) return { kind: 'busy', retryAfterMs: known.leaseUntilMs - nowMs };
      }
      entries.delete(key);
      if (!makeRoom(nowMs)) return { kind: 'busy', retryAfterMs: FULL_RETRY_MS };
      const token = crypto.randomUUID();
      entries.set(key, {
        token,
        leaseUntilMs: nowMs + leaseMs,
        expiresAtMs: nowMs + Math.max(ttlMs, leaseMs),
        handled: false,
      });
      return { kind: 'first', token };
    },
    done: async (key, token) => {
      const entry = entries.get(key);
      if (entry?.token !== token) return 'lost';
      entry.handled = true;
      return 'kept';
    },
    forget: async (key, token) => {
      const entry = entries.get(key);
      if (entry?.token === token && !entry.handled) entries.delete(key);
    },
  };
};
