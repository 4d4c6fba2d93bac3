import { operationalOrgId } from '../domain/operational.ts';
import type { Acceptance, Ingest } from './ingest.ts';
import { DEFAULT_RETENTION_HOURS } from './parse-message.ts';

/** An operational event as it was noted. */
export type NotedEvent = {
  readonly id: number;
  /** Whose it is. */
  readonly orgId: string;
  readonly type: string;
  /** JSON, as it is sent. */
  readonly payload: string;
  readonly createdAtMs: number;
};

/** Events that are committed and not posted yet. */
export type EventOutbox = {
  /** The oldest. */
  readonly read: (limit: number) => Promise<readonly NotedEvent[]>;
  readonly remove: (ids: readonly number[]) => Promise<void>;
};

const AT_ONCE = 200;

/** Whether the event can be forgotten; false: it has to be posted again. */
const isOver = (acceptance: Acceptance): boolean => {
  switch (acceptance.kind) {
    case 'accepted':
    case 'repeated':
    case 'key_reused':
    case 'event_exists':
    case 'no_application':
    case 'rejected':
      return true;
    case 'overloaded':
    case 'unavailable':
    case 'unknown':
      return false;
    default:
      return acceptance satisfies never;
  }
};

/**
 * Posts what was noted as messages to the operational applications, oldest first, and forgets it
 * once it is durable there. Whoever dies in between posts it again: each has an idempotency key of
 * its own, so it is one message. `isMine` keeps several nodes from doing the same work; if two do
 * it, the keys hold.
 */
export const createEventPoster = (deps: {
  readonly outbox: EventOutbox;
  readonly accept: Ingest['accept'];
  readonly isMine: () => boolean;
  readonly onError: (error: unknown) => void;
}): (() => Promise<void>) => {
  const post = async (event: NotedEvent): Promise<boolean> => {
    const acceptance = await deps.accept({
      orgId: operationalOrgId,
      application: event.orgId,
      request: {
        eventType: event.type,
        eventId: null,
        channels: null,
        tags: null,
        payload: Buffer.from(event.payload),
        contentType: 'application/json',
        payloadRetentionHours: DEFAULT_RETENTION_HOURS,
        occurredAtMs: event.createdAtMs,
        deliverAtMs: null,
        expiresAtMs: null,
        priority: null,
        orderingKey: null,
        application: null,
      },
      // The time beside the number: a database that was restored counts from an older one again.
      idempotency: {
        scope: operationalOrgId,
        key: `${event.id} ${event.createdAtMs}`,
        requestHash: String(event.id),
      },
    });
    if (acceptance.kind === 'rejected') deps.onError(new Error(`operational event: ${acceptance.detail}`));
    return isOver(acceptance);
  };

  return async () => {
    while (deps.isMine()) {
      const events = await deps.outbox.read(AT_ONCE);
      if (events.length === 0) return;
      const over = await Promise.all(events.map(post));
      const posted = events.filter((_, index) => over[index]).map(({ id }) => id);
      if (posted.length > 0) await deps.outbox.remove(posted);
      if (posted.length < AT_ONCE) return;
    }
  };
};
