import { describe, expect, it } from 'vitest';
import type { Priority } from '../domain/delivery.ts';
import type { ApplicationConfig, EndpointConfig } from '../domain/configuration.ts';
import { createIdSource } from '../domain/ids.ts';
import { createIngest, type AcceptInput } from './ingest.ts';
import type { MessageRequest } from './parse-message.ts';
import type { IngestStore, InsertOutcome, InsertReply, MessageInsert } from './port.ts';

const endpoint = (id: string, filter: Partial<EndpointConfig> = {}): EndpointConfig => ({
  id,
  applicationId: 'app_1',
  orgId: 'org_1',
  partition: 7,
  url: 'https://example.com/',
  disabled: false,
  eventTypes: null,
  channels: null,
  keys: [],
  headers: [],
  retryPolicy: null,
  rateLimit: null,
  fifo: false,
  paused: null,
  ...filter,
});

const input: AcceptInput = {
  orgId: 'org_1',
  application: 'customer',
  request: {
    eventType: 'a',
    eventId: null,
    channels: null,
    tags: null,
    payload: Buffer.from('{}'),
    contentType: 'application/json',
    payloadRetentionHours: 90 * 24,
    occurredAtMs: null,
    deliverAtMs: null,
    expiresAtMs: null,
    priority: null,
    orderingKey: null,
    application: null,
  },
  idempotency: null,
};

const harness = (options: {
  configs: (ApplicationConfig | null | Error)[];
  replies: (InsertReply | InsertOutcome | Error)[];
  admits?: (endpoint: EndpointConfig, priority: Priority) => number | null;
  maxPendingBytes?: number;
  recalls?: Awaited<ReturnType<IngestStore['recall']>> | Error;
  priorities?: ReadonlyMap<string, Priority>;
}) => {
  const inserted: MessageInsert[] = [];
  const events: string[] = [];
  const ingest = createIngest({
    store: {
      loadApplication: async () => {
        const next = options.configs.shift();
        if (next instanceof Error) throw next;
        return next ?? null;
      },
      recall: async () => {
        if (options.recalls instanceof Error) throw options.recalls;
        return options.recalls ?? null;
      },
      loadEventTypePriorities: async () => options.priorities ?? new Map(),
      insertMessages: async (_, batch) => {
        inserted.push(...batch);
        const reply = options.replies.shift()!;
        if (reply instanceof Error) throw reply;
        return 'outcomes' in reply || reply.kind === 'unavailable' || reply.kind === 'unknown'
          ? reply
          : { kind: 'done', outcomes: [reply as InsertOutcome] };
      },
    },
    admission: {
      admit: (target, _bytes, priority) => {
        const epoch = (options.admits ?? (() => 3))(target, priority);
        events.push(`admit ${target.id}`);
        return epoch;
      },
      deliver: (_, target, epoch) => events.push(`deliver ${target.id} ${epoch}`),
      cancel: (target) => events.push(`cancel ${target.id}`),
      wake: (id) => events.push(`wake ${id}`),
      unfold: () => events.push('unfold'),
    },
    node: 'node',
    clock: { nowMs: () => 1_790_000_000_000, monotonicMs: () => 0 },
    refreshMs: 5_000,
    ids: createIdSource(
      () => 1_790_000_000_000,
      (count) => new Uint8Array(count),
    ),
    schedule: (run) => setImmediate(run),
    maxPendingBytes: options.maxPendingBytes ?? 1000,
    onError: (error) => events.push(String(error)),
  });
  return { ingest, inserted, events };
};

const config = (configVersion: number, ...endpoints: EndpointConfig[]): ApplicationConfig => ({
  id: 'app_1',
  uid: 'customer',
  orgId: 'org_1',
  configVersion,
  endpoints,
});

describe('createIngest', () => {
  it('delivers from memory what was stored as held, wakes lanes for the rest, and skips who does not subscribe', async () => {
    const { ingest, events, inserted } = harness({
      configs: [
        config(
          1,
          endpoint('ep_1'),
          endpoint('ep_2'),
          endpoint('ep_3'),
          endpoint('ep_4', { eventTypes: ['b'] }),
        ),
      ],
      replies: [{ kind: 'accepted', held: ['ep_1'] }],
      admits: (target) => (target.id === 'ep_3' ? null : 3),
    });
    expect((await ingest.accept(input)).kind).toBe('accepted');
    expect(inserted[0]!.deliveries.map((delivery) => [delivery.endpointId, delivery.holdEpoch])).toEqual([
      ['ep_1', 3],
      ['ep_2', 3],
      ['ep_3', null],
    ]);
    expect(events).toEqual([
      'admit ep_1',
      'admit ep_2',
      'admit ep_3',
      'deliver ep_1 3',
      'wake ep_2',
      'cancel ep_2',
      'wake ep_3',
    ]);
  });

  it('matches again with the newer configuration when the store says that it was stale', async () => {
    const { ingest, events, inserted } = harness({
      configs: [config(1, endpoint('ep_old')), config(2, endpoint('ep_new'))],
      replies: [{ kind: 'stale' }, { kind: 'accepted', held: ['ep_new'] }],
    });
    expect((await ingest.accept(input)).kind).toBe('accepted');
    expect(inserted.map((item) => [item.configVersion, item.message.id])).toEqual([
      [1, inserted[0]!.message.id],
      [2, inserted[0]!.message.id],
    ]);
    expect(events).toEqual(['admit ep_old', 'cancel ep_old', 'admit ep_new', 'deliver ep_new 3']);
  });

  it('answers that the application is gone when it was deleted meanwhile', async () => {
    const { ingest } = harness({ configs: [config(1), null], replies: [{ kind: 'stale' }] });
    expect((await ingest.accept(input)).kind).toBe('no_application');
  });

  it('never delivers an insert of unknown outcome from memory', async () => {
    const { ingest, events } = harness({
      configs: [config(1, endpoint('ep_1'))],
      replies: [{ kind: 'unknown', detail: 'connection lost' }],
    });
    expect((await ingest.accept(input)).kind).toBe('unknown');
    expect(events).toEqual(['admit ep_1', 'cancel ep_1']);
  });

  it('answers, tells, and goes on when the store breaks', async () => {
    const { ingest, events } = harness({
      configs: [config(1, endpoint('ep_1'))],
      replies: [new Error('broken'), { kind: 'accepted', held: ['ep_1'] }],
    });
    expect((await ingest.accept(input)).kind).toBe('unknown');
    expect(ingest.pendingBytes()).toBe(0);
    expect((await ingest.accept(input)).kind).toBe('accepted');
    expect(events).toEqual(['admit ep_1', 'Error: broken', 'cancel ep_1', 'admit ep_1', 'deliver ep_1 3']);
  });

  it('gives room back and delivers nothing for a repeated message', async () => {
    const { ingest, events } = harness({
      configs: [config(1, endpoint('ep_1'))],
      replies: [{ kind: 'event_exists' }],
    });
    expect((await ingest.accept(input)).kind).toBe('event_exists');
    expect(events).toEqual(['admit ep_1', 'cancel ep_1']);
  });

  it('says unavailable when the configuration cannot be read', async () => {
    const { ingest } = harness({ configs: [new Error('away')], replies: [] });
    expect((await ingest.accept(input)).kind).toBe('unavailable');
  });

  it.each<[string, Partial<MessageRequest>, number]>([
    ['what it says itself', { eventType: 'urgent', priority: 2 }, 2],
    ['what its event type says', { eventType: 'urgent' }, 0],
    ['normal where nothing is said', {}, 1],
  ])('gives a message the priority of %s, and asks for room by it', async (_, more, priority) => {
    const asked: Priority[] = [];
    const { ingest, inserted } = harness({
      configs: [config(1, endpoint('ep_1'))],
      replies: [{ kind: 'accepted', held: [] }],
      priorities: new Map([['urgent', 0]]),
      admits: (_target, wanted) => {
        asked.push(wanted);
        return null;
      },
    });
    await ingest.accept({ ...input, request: { ...input.request, ...more } });
    expect(inserted[0]!.message.priority).toBe(priority);
    expect(new Set(asked)).toEqual(new Set([priority]));
  });

  it('recalls what was accepted under a key, and says unavailable when nobody can know', async () => {
    const key = { scope: 's', key: 'k', requestHash: 'h' };
    const recall = (recalls: Awaited<ReturnType<IngestStore['recall']>> | Error) =>
      harness({ configs: [], replies: [], recalls }).ingest.recall(key);
    expect(await recall(null)).toBeNull();
    expect(await recall({ kind: 'key_reused' })).toEqual({ kind: 'key_reused' });
    expect(await recall(new Error('away'))).toEqual({ kind: 'unavailable' });
  });

  it('takes no more than its bytes at once, and again once they are answered', async () => {
    const { ingest, inserted } = harness({
      configs: [config(1)],
      replies: [
        { kind: 'accepted', held: [] },
        { kind: 'accepted', held: [] },
      ],
      maxPendingBytes: 3,
    });
    const [first, second] = await Promise.all([ingest.accept(input), ingest.accept(input)]);
    expect([first.kind, second.kind]).toEqual(['accepted', 'overloaded']);
    expect(ingest.pendingBytes()).toBe(0);
    expect((await ingest.accept(input)).kind).toBe('accepted');
    expect(inserted).toHaveLength(2);
  });

  it('gives up on a configuration that changes under every round instead of hanging', async () => {
    const { ingest } = harness({
      configs: Array.from({ length: 20 }, (_, version) => config(version)),
      replies: Array.from({ length: 20 }, () => ({ kind: 'stale' as const })),
    });
    expect((await ingest.accept(input)).kind).toBe('unavailable');
  });
});
