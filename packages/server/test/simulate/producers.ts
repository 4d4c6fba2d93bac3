import type { Acceptance } from '../../src/ingest/ingest.ts';
import { between, whole, type Chance } from './chance.ts';
import type { EventOf, History } from './history.ts';
import { payloadOf } from './payload.ts';
import type { Post } from './plan.ts';
import type { SimulatedProcess } from './process.ts';
import type { VirtualTime } from './virtual-time.ts';

export const ORG = 'org_1';
export const applicationId = (index: number): string => `app_${index}`;
export const orderingKeyOf = (index: number): string => `key.${index}`;
export const eventTypeOf = (index: number): string => `type.${index}`;

/** A request is given up after so long: the producer does not know what became of it. */
const PATIENCE_MS = 2_500;
const PAUSE_MS = 300;

export type Producers = {
  readonly post: (post: Post) => void;
  /** Posts that have no final answer yet. */
  readonly waiting: () => number;
};

const outcomeOf = (acceptance: Acceptance): EventOf<'try'>['outcome'] => {
  switch (acceptance.kind) {
    case 'accepted':
    case 'repeated':
      return 'acknowledged';
    case 'event_exists':
      return 'exists';
    case 'unknown':
      return 'unknown';
    case 'no_application':
    case 'key_reused':
    case 'overloaded':
    case 'unavailable':
    case 'rejected':
      return 'refused';
    default:
      return acceptance satisfies never;
  }
};

/** Clients that remember every acknowledgement, and ask again until they have one. */
export const createProducers = (deps: {
  readonly time: VirtualTime;
  readonly history: History;
  readonly chanceOf: (name: string) => Chance;
  /** The process that answers at a slot; null: nobody does. */
  readonly processAt: (slot: number) => SimulatedProcess | null;
  readonly slots: () => number;
}): Producers => {
  const { time, history } = deps;
  let waiting = 0;

  /** One request over the network; resolves with what the producer knows after it. */
  const request = (
    post: Post,
    process: SimulatedProcess,
    chance: Chance,
  ): Promise<EventOf<'try'>['outcome']> =>
    new Promise((resolve) => {
      const sentMs = time.nowMs();
      const { index, identity, bytes, priority } = post;
      const name = `post-${index}`;
      const event = history.add<EventOf<'try'>>({
        kind: 'try',
        post: index,
        process: process.name,
        sentMs,
        endedMs: null,
        outcome: 'unknown',
        messageId: null,
      });
      let isOver = false;
      const end = (outcome: EventOf<'try'>['outcome'], messageId: string | null): void => {
        if (isOver) return;
        isOver = true;
        time.cancel(patience);
        event.outcome = outcome;
        event.messageId = messageId;
        event.endedMs = time.nowMs();
        resolve(outcome);
      };
      const patience = time.after(PATIENCE_MS, () => end('unknown', null));
      process.whenDead(() => time.after(between(chance, 0.2, 3), () => end('unknown', null)));
      const answer = (acceptance: Acceptance): void => {
        const outcome = outcomeOf(acceptance);
        const messageId = 'message' in acceptance ? acceptance.message.id : null;
        // What a dying process had written to the socket arrives.
        time.after(between(chance, 0.2, 3), () => end(outcome, messageId));
      };
      const input = {
        orgId: ORG,
        application: applicationId(post.application),
        request: {
          eventType: eventTypeOf(post.eventType),
          eventId: identity === 'event' || identity === 'both' ? name : null,
          channels: null,
          tags: null,
          payload: payloadOf(index, bytes),
          contentType: 'application/json',
          payloadRetentionDays: 90,
          payloadRetentionHours: 90 * 24,
          deliverAtMs: null,
          expiresAtMs: null,
          priority,
          orderingKey: post.orderingKey === null ? null : orderingKeyOf(post.orderingKey),
          occurredAtMs: null,
          application: null,
        },
        idempotency:
          identity === 'key' || identity === 'both'
            ? { scope: ORG, key: name, requestHash: `hash of ${index}` }
            : null,
      };
      time.after(between(chance, 0.2, 3), () => process.enter(() => process.ingest.take(input, answer)));
    });

  const insist = async (post: Post, slot: number, chance: Chance): Promise<void> => {
    waiting++;
    for (let at = slot; ; at = whole(chance, deps.slots())) {
      const process = deps.processAt(at);
      const outcome = process === null ? 'refused' : await request(post, process, chance);
      if (outcome === 'acknowledged' || outcome === 'exists') break;
      // Without a name a repetition would be another message.
      if (outcome === 'unknown' && post.identity === 'none') break;
      await time.sleep(between(chance, 50, PAUSE_MS));
    }
    waiting--;
  };

  return {
    waiting: () => waiting,
    post: (post) => {
      void insist(post, post.slot, deps.chanceOf(`post ${post.index}`));
      if (post.twin && post.identity !== 'none') {
        void insist(post, post.slot + 1, deps.chanceOf(`twin ${post.index}`));
      }
    },
  };
};
