import type { Priority } from '../domain/delivery.ts';

/** The priorities of an organisation's event types, by name; those that have none are absent. */
export type EventTypePriorities = ReadonlyMap<string, Priority>;

/** Priorities of event types by organisation, as known within the last few seconds. */
export type EventTypes = {
  /** What is known, at once; what has become old is used once more while it is read again. */
  readonly peek: (orgId: string) => EventTypePriorities | undefined;
  /** What is known, or else loaded. Rejects when the store cannot answer. */
  readonly find: (orgId: string) => Promise<EventTypePriorities>;
  /** They have changed here. */
  readonly forget: (orgId: string) => void;
};

type Entry = { priorities: EventTypePriorities; readUntilMs: number };

/**
 * A change made on this node is known at once (`forget`), one made elsewhere after `refreshMs`: a
 * message that went by the class before is delivered all the same, so it is not worth a look at
 * the database for each.
 *
 * @param capacity Organisations kept.
 */
export const createEventTypes = (deps: {
  readonly load: (orgId: string) => Promise<EventTypePriorities>;
  readonly monotonicMs: () => number;
  readonly refreshMs: number;
  readonly capacity?: number;
}): EventTypes => {
  const { load, monotonicMs, refreshMs, capacity = 10_000 } = deps;
  const known = new Map<string, Entry>();
  const loading = new Map<string, Promise<EventTypePriorities>>();

  const read = (orgId: string): Promise<EventTypePriorities> => {
    const running = loading.get(orgId);
    if (running !== undefined) return running;
    const started = load(orgId)
      .then((priorities) => {
        // A forget() while the read was under way may have made its answer old.
        if (loading.get(orgId) !== started) return priorities;
        known.delete(orgId);
        known.set(orgId, { priorities, readUntilMs: monotonicMs() + refreshMs });
        const oldest = known.size > capacity ? known.keys().next().value : undefined;
        if (oldest !== undefined) known.delete(oldest);
        return priorities;
      })
      .finally(() => {
        if (loading.get(orgId) === started) loading.delete(orgId);
      });
    loading.set(orgId, started);
    return started;
  };

  return {
    peek: (orgId) => {
      const entry = known.get(orgId);
      if (entry === undefined) return undefined;
      const nowMs = monotonicMs();
      if (nowMs >= entry.readUntilMs) {
        entry.readUntilMs = nowMs + refreshMs;
        // What is known stays in use while the database is away.
        read(orgId).catch(() => {});
      }
      return entry.priorities;
    },
    find: async (orgId) => known.get(orgId)?.priorities ?? read(orgId),
    forget: (orgId) => {
      known.delete(orgId);
      loading.delete(orgId);
    },
  };
};
