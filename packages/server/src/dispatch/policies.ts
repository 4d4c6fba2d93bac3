import type { Clock } from '../clock.ts';
import type { RetryPolicy } from '../domain/policy.ts';
import type { DispatchObserver } from './observer.ts';
import type { DispatchStore } from './port.ts';
import type { Timers } from './timers.ts';

/** Retry policies of event types, by organisation. */
export type Policies = {
  /**
   * The event type's policy or null, as known within the last few seconds. Asks the store as long as
   * it takes; null as well once stopped.
   */
  readonly of: (orgId: string, eventType: string) => Promise<RetryPolicy | null>;
  readonly invalidate: (orgId: string) => void;
  readonly stop: () => void;
};

type Entry = { readonly map: Promise<ReadonlyMap<string, RetryPolicy>>; untilMs: number };

const RETRY_MS = 250;
const KEPT_ORGANISATIONS = 10_000;
const NONE: ReadonlyMap<string, RetryPolicy> = new Map();

export const createPolicies = (deps: {
  readonly store: Pick<DispatchStore, 'loadEventTypePolicies'>;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly refreshMs: number;
  readonly observe: DispatchObserver;
}): Policies => {
  const { store, clock, timers } = deps;
  const entries = new Map<string, Entry>();
  let isStopped = false;
  const cutShort = new Set<() => void>();

  const pause = (): Promise<void> =>
    new Promise((resolve) => {
      const end = (): void => {
        cutShort.delete(end);
        timers.clearTimeout(handle);
        resolve();
      };
      const handle = timers.setTimeout(end, RETRY_MS);
      cutShort.add(end);
    });

  const load = async (orgId: string): Promise<ReadonlyMap<string, RetryPolicy>> => {
    while (!isStopped) {
      try {
        return await store.loadEventTypePolicies(orgId);
      } catch (error) {
        deps.observe.trouble('load event types', error);
        await pause();
      }
    }
    return NONE;
  };

  const entryOf = (orgId: string): Entry => {
    const nowMs = clock.monotonicMs();
    const known = entries.get(orgId);
    if (known !== undefined && known.untilMs > nowMs) return known;
    if (entries.size >= KEPT_ORGANISATIONS) entries.clear();
    const entry: Entry = { map: load(orgId), untilMs: Infinity };
    void entry.map.then(() => {
      entry.untilMs = clock.monotonicMs() + deps.refreshMs;
    });
    entries.set(orgId, entry);
    return entry;
  };

  return {
    of: async (orgId, eventType) => (await entryOf(orgId).map).get(eventType) ?? null,
    invalidate: (orgId) => {
      entries.delete(orgId);
    },
    stop: () => {
      isStopped = true;
      for (const end of [...cutShort]) end();
    },
  };
};
