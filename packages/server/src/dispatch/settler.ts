import type { Random } from '../clock.ts';
import type { DispatchObserver } from './observer.ts';
import type { DispatchStore, SettleOutcome, Settlement, SettleReply } from './port.ts';
import type { DispatchSettings } from './settings.ts';
import type { TimerHandle, Timers } from './timers.ts';

/** Writes the ends of attempts: group commit, patient with an absent database, never stuck on one row. */
export type Settler = {
  readonly add: (settlement: Settlement) => void;
  /** Settlements not known to be written. */
  readonly pending: () => number;
  /** Resolves when nothing is pending. */
  readonly whenIdle: () => Promise<void>;
  /** Sends nothing more. */
  readonly stop: () => void;
};

const PARALLEL = 2;
const RETRY_MIN_MS = 50;
const RETRY_MAX_MS = 2_000;
/** After this many failures in a row the batch may be too large for the statement's time. */
const HALVE_AFTER = 3;

/** The record without what came from outside: keeps verdict and cause when the rest cannot be written. */
const bare = (settlement: Settlement): Settlement => ({
  ...settlement,
  attempt: {
    ...settlement.attempt,
    report: {
      ...settlement.attempt.report,
      requestHeaders: '',
      responseHeaders: '',
      responseBody: new Uint8Array(0),
      peer: null,
    },
  },
});

export const createSettler = (deps: {
  readonly node: string;
  readonly store: Pick<DispatchStore, 'settle'>;
  readonly timers: Timers;
  readonly random: Pick<Random, 'float'>;
  readonly settings: Pick<DispatchSettings, 'settleBatch' | 'settleBesideAt'>;
  readonly observe: DispatchObserver;
  /** Nobody knows whether the settlement was written: it will be sent again. True: tell `onEnd` of it. */
  readonly onDoubt: (settlement: Settlement) => boolean;
  /** Called once for each settlement added; `rejected`: the database refuses it in any form. */
  readonly onEnd: (settlement: Settlement, outcome: SettleOutcome | 'rejected', wasDoubted: boolean) => void;
}): Settler => {
  const { store, timers, settings, observe } = deps;
  let fresh: Settlement[] = [];
  /** Batches to send as they are: halves of a refused one, or what was not written. */
  const again: (readonly Settlement[])[] = [];
  const stripped = new Set<Settlement>();
  const original = new Map<Settlement, Settlement>();
  const doubted = new Set<Settlement>();
  let pending = 0;
  let sending = 0;
  let failures = 0;
  let isScheduled = false;
  let isStopped = false;
  let retry: TimerHandle | null = null;
  let idle: (() => void)[] = [];

  const end = (settlement: Settlement, outcome: SettleOutcome | 'rejected'): void => {
    const first = original.get(settlement) ?? settlement;
    original.delete(settlement);
    stripped.delete(settlement);
    const wasDoubted = doubted.delete(first);
    pending--;
    if (outcome !== 'rejected') observe.settled(first, outcome);
    deps.onEnd(first, outcome, wasDoubted);
  };

  const halve = (batch: readonly Settlement[]): void => {
    const middle = batch.length >> 1;
    again.push(batch.slice(0, middle), batch.slice(middle));
  };

  const onRejected = (batch: readonly Settlement[], detail: string): void => {
    if (batch.length > 1) {
      halve(batch);
      return;
    }
    const guilty = batch[0]!;
    if (stripped.has(guilty)) {
      end(guilty, 'rejected');
      return;
    }
    observe.rejected(guilty, detail);
    const rest = bare(guilty);
    stripped.add(rest);
    original.set(rest, guilty);
    again.push([rest]);
  };

  const onUnavailable = (batch: readonly Settlement[], detail: string): void => {
    observe.trouble('settle', new Error(detail));
    failures++;
    for (const settlement of batch) {
      const first = original.get(settlement) ?? settlement;
      if (doubted.has(first)) continue;
      if (deps.onDoubt(first)) doubted.add(first);
    }
    if (failures >= HALVE_AFTER && batch.length > 1) halve(batch);
    else again.unshift(batch);
    if (retry !== null || isStopped) return;
    const longest = Math.min(RETRY_MIN_MS * 2 ** failures, RETRY_MAX_MS);
    retry = timers.setTimeout(
      () => {
        retry = null;
        flush();
      },
      longest * (0.5 + deps.random.float() / 2),
    );
  };

  const onReply = (batch: readonly Settlement[], reply: SettleReply): void => {
    switch (reply.kind) {
      case 'done':
        failures = 0;
        batch.forEach((settlement, index) => end(settlement, reply.outcomes[index] ?? 'lost'));
        return;
      case 'rejected':
        failures = 0;
        onRejected(batch, reply.detail);
        return;
      case 'unavailable':
        onUnavailable(batch, reply.detail);
        return;
      default:
        return reply satisfies never;
    }
  };

  const send = async (batch: readonly Settlement[]): Promise<void> => {
    observe.beforeSettle(batch);
    let reply: SettleReply;
    try {
      reply = await store.settle(deps.node, batch);
    } catch (error) {
      reply = { kind: 'unavailable', detail: String(error) };
    }
    sending--;
    // The next statement first: the database works on it while this one's results are taken in.
    if (reply.kind === 'done') flush();
    observe.afterSettle(batch, reply);
    onReply(batch, reply);
    if (pending === 0) {
      for (const resolve of idle) resolve();
      idle = [];
    }
    flush();
  };

  const nextBatch = (): readonly Settlement[] | undefined => {
    const repeated = again.shift();
    if (repeated !== undefined) return repeated;
    // Beside a statement in flight only a batch that is worth one: the rest gathers until it is back.
    if (fresh.length === 0 || (sending > 0 && fresh.length < settings.settleBesideAt)) return undefined;
    if (fresh.length <= settings.settleBatch) {
      const batch = fresh;
      fresh = [];
      return batch;
    }
    return fresh.splice(0, settings.settleBatch);
  };

  const flush = (): void => {
    while (sending < PARALLEL && retry === null && !isStopped) {
      const batch = nextBatch();
      if (batch === undefined) return;
      sending++;
      void send(batch);
    }
  };

  return {
    pending: () => pending,
    add: (settlement) => {
      pending++;
      fresh.push(settlement);
      if (isScheduled) return;
      isScheduled = true;
      timers.setImmediate(() => {
        isScheduled = false;
        flush();
      });
    },
    whenIdle: () => (pending === 0 ? Promise.resolve() : new Promise((resolve) => void idle.push(resolve))),
    stop: () => {
      isStopped = true;
      if (retry !== null) timers.clearTimeout(retry);
      retry = null;
    },
  };
};
