import type { DedupStore } from '../contract.ts';

export type QueueDedup = {
  readonly store: DedupStore;
  /** @default 48 h */
  readonly ttlMs?: number;
  /** Longer than the handler takes: after it another may start, and the signal aborts. @default 60 s */
  readonly leaseMs?: number;
};

const HOUR_MS = 3_600_000;

export const dedupOf = (dedup: DedupStore | QueueDedup): Required<QueueDedup> => ({
  ttlMs: 48 * HOUR_MS,
  leaseMs: 60_000,
  ...('store' in dedup ? dedup : { store: dedup }),
});
