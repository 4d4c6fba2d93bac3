import type { Clock } from '../../src/clock.ts';
import { createDispatcher, type Dispatcher } from '../../src/dispatch/dispatcher.ts';
import type { DispatchObserver } from '../../src/dispatch/observer.ts';
import type { DispatchStore, HeldDelivery } from '../../src/dispatch/port.ts';
import { defaultDispatchSettings, type DispatchSettings } from '../../src/dispatch/settings.ts';
import type { EndpointConfig } from '../../src/domain/configuration.ts';
import { createIdSource } from '../../src/domain/ids.ts';
import { partitionOf } from '../../src/domain/partition.ts';
import { answer, createReceivers, type Behaviour } from './receivers.ts';
import { createSimTimers, type SimTimers } from './sim-timers.ts';
import { createTinyStore } from './tiny-store.ts';

export const START_MS = 1_800_000_000_000;

/** Chance from a seed (mulberry32), uniform in [0, 1). */
export const seeded = (seed: number): (() => number) => {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
};

export const endpointOf = (name: string, more: Partial<EndpointConfig> = {}): EndpointConfig => ({
  id: `ep_${name}`,
  applicationId: 'app_1',
  orgId: 'org_1',
  partition: partitionOf(`ep_${name}`),
  url: `https://${name}.example/hook`,
  disabled: false,
  eventTypes: null,
  channels: null,
  keys: [],
  headers: [],
  retryPolicy: null,
  rateLimit: null,
  fifo: false,
  paused: null,
  ...more,
});

export type NodeOptions = {
  readonly settings?: Partial<DispatchSettings>;
  readonly observe?: Partial<DispatchObserver>;
  /** Added to the time of the node's wall clock. */
  readonly wallSkewMs?: () => number;
};

/** One database, receivers, and nodes with their own clocks, all in virtual time. */
export const createWorld = (seed = 1, otherStore: ((timers: SimTimers) => DispatchStore) | null = null) => {
  const chance = seeded(seed);
  const timers = createSimTimers(START_MS);
  const tiny = createTinyStore(timers);
  const store = otherStore === null ? tiny.store : otherStore(timers);
  const behaviour: { current: Behaviour } = { current: () => ({ afterMs: 5, result: answer(200) }) };
  const receivers = createReceivers(timers, behaviour);
  const troubles: string[] = [];
  let messages = 0;
  let nodes = 0;

  const node = (options: NodeOptions = {}): Dispatcher & { readonly id: string; readonly clock: Clock } => {
    const number = ++nodes;
    const id = `00000000-0000-4000-8000-${String(number).padStart(12, '0')}`;
    let offsetMs = (chance() - 0.5) * 4_000;
    const monotonicMs = (): number => timers.nowMs() - START_MS + number * 1_000;
    const clock: Clock = { monotonicMs, nowMs: () => timers.nowMs() + offsetMs };
    const base = monotonicMs() - timers.nowMs();
    const dispatcher = createDispatcher({
      node: { id, name: `node-${number}`, role: 'all' },
      store,
      attempt: receivers.attempt,
      clock,
      wallMs: () => timers.nowMs() + (options.wallSkewMs?.() ?? 0),
      synchronise: (databaseMs, atMonotonicMs) => {
        offsetMs = databaseMs - (atMonotonicMs - base);
      },
      random: { float: chance },
      ids: createIdSource(clock.nowMs, (size) => Uint8Array.from({ length: size }, () => chance() * 256)),
      timers,
      settings: {
        ...defaultDispatchSettings,
        retryPolicy: { kind: 'list', waitsSeconds: [1, 5] },
        burstRows: options.settings?.windowRows ?? defaultDispatchSettings.windowRows,
        ...options.settings,
      },
      observe: {
        trouble: (operation, error) => void troubles.push(`${operation}: ${String(error)}`),
        ...options.observe,
      },
    });
    return { ...dispatcher, id, clock };
  };

  const endpoint = (name: string, more: Partial<EndpointConfig> = {}): EndpointConfig => {
    const config = endpointOf(name, more);
    tiny.endpoints.set(config.id, config);
    return config;
  };

  const delivery = (to: EndpointConfig, more: Partial<HeldDelivery> = {}): HeldDelivery => ({
    orgId: to.orgId,
    applicationId: to.applicationId,
    endpointId: to.id,
    messageId: `msg_${String(++messages).padStart(6, '0')}`,
    partition: to.partition,
    epoch: 0,
    priority: 1,
    orderKey: null,
    expiresAtMs: null,
    attemptsUsed: 0,
    throttled: 0,
    unknowns: 0,
    run: 0,
    policy: null,
    eventType: 'invoice.paid',
    channels: null,
    tags: null,
    payload: new Uint8Array(10),
    contentType: 'application/json',
    openSlot: null,
    ...more,
  });

  /** Accepts a message as ingest does: admit, insert after a moment, then commit, cancel or wake. */
  const accept = async (
    at: ReturnType<typeof node>,
    to: EndpointConfig,
    more: Partial<HeldDelivery> = {},
    insertMs = 2,
    isReplyLost = false,
  ): Promise<{ readonly key: string; readonly by: 'memory' | 'store' | 'unknown' }> => {
    const draft = delivery(to, more);
    const key = tiny.key(draft.messageId, draft.endpointId);
    const epoch = at.admit(to, draft.payload.byteLength, draft.priority);
    const stored = { ...draft, epoch: epoch ?? 0 };
    await new Promise<void>((resolve) => void timers.setTimeout(resolve, insertMs));
    const state = tiny.insert(stored, epoch === null ? null : at.id);
    if (isReplyLost) {
      if (epoch !== null) at.cancel(to.id, draft.payload.byteLength);
      return { key, by: 'unknown' };
    }
    if (state === 'held') {
      at.commit(stored);
      return { key, by: 'memory' };
    }
    if (epoch !== null) at.cancel(to.id, draft.payload.byteLength);
    at.wake(to.id, timers.nowMs(), draft.priority);
    return { key, by: 'store' };
  };

  return { chance, timers, tiny, behaviour, receivers, troubles, node, endpoint, delivery, accept };
};

export type World = ReturnType<typeof createWorld>;
