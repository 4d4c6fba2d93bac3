import type { Clock } from '../clock.ts';
import type { IdSource } from '../domain/ids.ts';
import type { Lanes } from './lanes.ts';
import { createLoop, type Loop } from './loop.ts';
import type { DispatchObserver } from './observer.ts';
import type { DispatchStore, HeldDelivery, LaneState } from './port.ts';
import type { DispatchSettings } from './settings.ts';
import type { Timers } from './timers.ts';

/** What runs beside the deliveries so that none is ever forgotten. */
export type Maintenance = {
  readonly start: () => void;
  /** Partitions were gained: frees what their last owners left, then looks for due lanes. */
  readonly takeOver: () => void;
  /** A delivery has left the memory: settled, or back in the store. */
  readonly departed: (delivery: HeldDelivery) => void;
  readonly stop: () => Promise<void>;
};

/** Pages of due lanes read in one run. */
const PAGES = 5;
const LOOK_AHEAD = 2;

export const createMaintenance = (deps: {
  readonly node: string;
  readonly store: Pick<
    DispatchStore,
    'takeOver' | 'sweep' | 'reconcile' | 'dueLanes' | 'repairHints' | 'cancelExpired'
  >;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly ids: IdSource;
  readonly settings: DispatchSettings;
  readonly lanes: Lanes;
  readonly observe: DispatchObserver;
  /** False while the node holds nothing or cannot know whether it does. */
  readonly isSafe: () => boolean;
  /** Other nodes accept messages too. */
  readonly hasPeers: () => boolean;
  /** Keys (`message endpoint`) of all deliveries in memory. */
  readonly heldKeys: () => ReadonlySet<string>;
}): Maintenance => {
  const { node, store, clock, settings, lanes, observe } = deps;
  let isTakeOverDue = false;
  let cursor: { readonly endpointId: string; readonly nextDueMs: number } | null = null;
  let repairAfter = '';
  let isStopped = false;
  let departed: Set<string> | null = null;

  const freeAll = async (
    by: 'takeover' | 'sweep',
    free: (attemptIds: readonly string[]) => Promise<number>,
  ): Promise<void> => {
    while (!isStopped) {
      const attemptIds = Array.from({ length: settings.freeRows }, () => deps.ids('attempt'));
      const freed = await free(attemptIds);
      if (freed > 0) observe.freed(by, freed);
      if (freed < settings.freeRows) return;
    }
  };

  const readPage = async (): Promise<boolean> => {
    const rows: readonly LaneState[] = await store.dueLanes({
      node,
      untilMs: clock.nowMs() + LOOK_AHEAD * settings.dueScanMs,
      after: cursor,
      limit: settings.dueScanLimit,
    });
    for (const row of rows) lanes.notice(row);
    const last = rows.at(-1);
    const isFull = rows.length >= settings.dueScanLimit;
    cursor =
      isFull && last !== undefined && last.nextDueMs !== null
        ? { endpointId: last.endpointId, nextDueMs: last.nextDueMs }
        : null;
    return cursor !== null;
  };

  const scan = async (): Promise<void> => {
    if (!deps.isSafe()) return;
    if (isTakeOverDue) {
      isTakeOverDue = false;
      try {
        await freeAll('takeover', (attemptIds) => store.takeOver({ node, attemptIds }));
      } catch (error) {
        isTakeOverDue = true;
        throw error;
      }
      cursor = null;
    }
    for (let page = 0; page < PAGES && !isStopped; page++) if (!(await readPage())) return;
  };

  const sweep = async (): Promise<void> => {
    if (deps.isSafe()) await freeAll('sweep', (attemptIds) => store.sweep({ attemptIds }));
  };

  const reconcile = async (): Promise<void> => {
    if (!deps.isSafe()) return;
    // What the store lists may end and be taken again by a poll before it is freed: then it is in
    // memory under the same token. So whatever leaves from here on counts as held to the end.
    const left = new Set<string>();
    departed = left;
    let held: ReadonlySet<string> | null = null;
    try {
      const freed = await store.reconcile({
        node,
        olderThanMs: settings.reconcileAgeMs,
        isHeld: (messageId, endpointId) => {
          held ??= deps.heldKeys();
          const key = heldKey(messageId, endpointId);
          return held.has(key) || left.has(key);
        },
      });
      if (freed > 0) observe.freed('reconcile', freed);
    } finally {
      departed = null;
    }
  };

  const expire = async (): Promise<void> => {
    const limit = settings.freeRows;
    while (!isStopped && deps.isSafe()) if ((await store.cancelExpired({ limit })) < limit) return;
  };

  const repair = async (): Promise<void> => {
    if (!deps.isSafe()) return;
    const last = await store.repairHints({ after: repairAfter, limit: settings.repairLimit });
    repairAfter = last ?? '';
  };

  const loop = (name: string, intervalMs: number | (() => number), task: () => Promise<void>): Loop =>
    createLoop({
      timers: deps.timers,
      intervalMs,
      task,
      onError: (error) => observe.trouble(name, error),
    });
  // Many lanes that are due and cannot start (blocked, disabled) must not be read ten times a second.
  const scanMs = (): number =>
    deps.hasPeers() && cursor === null ? settings.sharedScanMs : settings.dueScanMs;
  const scanning = loop('find due lanes', scanMs, scan);
  const loops = [
    scanning,
    loop('sweep', settings.sweepMs, sweep),
    loop('cancel expired', settings.expireMs, expire),
    loop('reconcile', settings.reconcileMs, reconcile),
    loop('repair hints', settings.repairMs, repair),
  ];

  return {
    start: () => {
      for (const each of loops) each.start();
    },
    departed: ({ messageId, endpointId }) => {
      departed?.add(heldKey(messageId, endpointId));
    },
    takeOver: () => {
      isTakeOverDue = true;
      scanning.kick();
    },
    stop: async () => {
      isStopped = true;
      await Promise.all(loops.map((each) => each.stop()));
    },
  };
};

/** How {@link createMaintenance} asks for a delivery in memory. */
export const heldKey = (messageId: string, endpointId: string): string => `${messageId} ${endpointId}`;
