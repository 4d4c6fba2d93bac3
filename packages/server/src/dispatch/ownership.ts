import type { Clock } from '../clock.ts';
import type { Tenure } from './lane.ts';
import type { DispatchObserver } from './observer.ts';
import type { DispatchNode } from './contract.ts';
import type { DispatchStore, Lease } from './port.ts';
import type { DispatchSettings } from './settings.ts';
import type { TimerHandle, Timers } from './timers.ts';

export type OwnershipDeps = {
  readonly node: DispatchNode;
  readonly store: Pick<DispatchStore, 'heartbeat' | 'release'>;
  readonly clock: Clock;
  /** The system's wall clock in Unix milliseconds; unlike the monotonic one it counts sleep. */
  readonly wallMs: () => number;
  readonly synchronise: (databaseMs: number, monotonicMs: number) => void;
  readonly timers: Timers;
  readonly settings: DispatchSettings;
  readonly observe: DispatchObserver;
  readonly onGained: (tenures: readonly Tenure[]) => void;
  readonly onLost: (tenures: readonly Tenure[]) => void;
  /** How many partitions to take now; asked before each heartbeat. Never rejects. */
  readonly wanted: (held: number) => Promise<number>;
  /** A lease that had lapsed was renewed: changes since then may have been made without us. */
  readonly onResumed: () => void;
  /** The lease was extended; also after it had lapsed and nobody had taken the partitions. */
  readonly onRenewed: () => void;
};

/** Which partitions this node holds, and whether it may act on that. */
export type Ownership = {
  /** Resolves when the first heartbeat was answered. */
  readonly start: () => Promise<void>;
  /** False from the lease's margin on until a heartbeat has renewed it. Aborts what is in flight then. */
  readonly isSafe: () => boolean;
  /** The last heartbeat's lease still runs, also where others hold everything and it gave nothing. */
  readonly isInTouch: () => boolean;
  /** What this node believes to hold the partition by, lease or not. */
  readonly tenureOf: (partition: number) => Tenure | null;
  readonly partitions: () => number;
  /** The last `count` partitions that this node got. */
  readonly latest: (count: number) => readonly Tenure[];
  /** A heartbeat now, instead of when the next is due. */
  readonly beatNow: () => void;
  /** Gives some partitions up; rows in flight are spared for `drainMs`. Rejects when that is not known to be written. */
  readonly giveUp: (tenures: readonly Tenure[], drainMs: number) => Promise<void>;
  /** From now on heartbeats renew but take nothing. */
  readonly stopTaking: () => void;
  /** Ends the heartbeat and gives all partitions up; rows in flight are spared for `drainMs`. */
  readonly release: (drainMs: number) => Promise<void>;
  /** Ends at once: no further heartbeat, everything in flight aborted. */
  readonly stop: () => void;
  /** Ends what is in flight. */
  readonly abortAll: () => void;
};

const BEATS_PER_LEASE = 3;
const RETRIES_PER_LEASE = 20;

export const createOwnership = (deps: OwnershipDeps): Ownership => {
  const { node, store, clock, wallMs, timers, settings, observe } = deps;
  const held = new Map<number, Tenure>();
  /** Released, perhaps with attempts in flight; until when (monotonic). */
  const leaving = new Map<Tenure, number>();
  let endMonotonicMs = -Infinity;
  let endWallMs = -Infinity;
  let hasLapsed = false;
  let isTaking = true;
  let isStopped = false;
  let beatCount = 0;
  /** Beats and releases take turns: both write the partitions' rows. */
  let turn: Promise<void> = Promise.resolve();
  let beatTimer: TimerHandle | null = null;
  let lapseTimer: TimerHandle | null = null;
  let started: (() => void) | null = null;

  const abortAll = (): void => {
    for (const tenure of held.values()) tenure.abort.abort();
    for (const tenure of leaving.keys()) tenure.abort.abort();
  };

  const isRunning = (): boolean => clock.monotonicMs() < endMonotonicMs && wallMs() < endWallMs;

  const isSafe = (): boolean => {
    if (held.size === 0) return false;
    const isValid = isRunning();
    if (!isValid && !hasLapsed) {
      hasLapsed = true;
      abortAll();
      observe.ownershipChanged({ kind: 'lapsed' });
    }
    // What was aborted stays so until a heartbeat: a clock that was put right again proves nothing.
    return isValid && !hasLapsed;
  };

  // By the clock: a process that stood still hears of its lease's end later than it can go on.
  const maySend = (tenure: Tenure): boolean =>
    held.get(tenure.partition) === tenure
      ? isSafe()
      : clock.monotonicMs() < (leaving.get(tenure) ?? -Infinity);

  const drop = (tenures: readonly Tenure[], kind: 'lost' | 'released'): void => {
    if (tenures.length === 0) return;
    for (const tenure of tenures) {
      tenure.isLive = false;
      if (kind === 'lost') tenure.abort.abort();
      held.delete(tenure.partition);
    }
    observe.ownershipChanged({ kind, partitions: tenures.map((tenure) => tenure.partition) });
    deps.onLost(tenures);
  };

  const synchronise = (lease: Lease, sentMs: number, receivedMs: number): void => {
    const middleMs = (sentMs + receivedMs) / 2;
    const here = clock.nowMs() - (clock.monotonicMs() - middleMs);
    // Inside the round trip's uncertainty the clock is as right as can be known: leave it alone.
    const isOff = Math.abs(lease.databaseMs - here) > (receivedMs - sentMs) / 2;
    if (isOff || beatCount === 1) deps.synchronise(lease.databaseMs, middleMs);
  };

  const accept = (lease: Lease, sentMonotonicMs: number, sentWallMs: number): void => {
    const usableMs = settings.leaseMs - settings.leaseMarginMs;
    endMonotonicMs = sentMonotonicMs + usableMs;
    endWallMs = sentWallMs + usableMs;
    const epochs = new Map(lease.owned.map(({ partition, epoch }) => [partition, epoch]));
    drop(
      [...held.values()].filter((tenure) => epochs.get(tenure.partition) !== tenure.epoch),
      'lost',
    );
    const gained: Tenure[] = [];
    for (const [partition, epoch] of epochs) {
      const known = held.get(partition);
      // Aborted by a lapse: whoever took it over in between would have another epoch.
      if (known?.abort.signal.aborted === true) known.abort = new AbortController();
      if (known !== undefined) continue;
      const tenure: Tenure = {
        partition,
        epoch,
        gainedAtMs: clock.monotonicMs(),
        abort: new AbortController(),
        isLive: true,
        isLeaving: false,
        maySend: () => maySend(tenure),
      };
      held.set(partition, tenure);
      gained.push(tenure);
    }
    if (hasLapsed) {
      hasLapsed = false;
      deps.onResumed();
      observe.ownershipChanged({ kind: 'renewed' });
    }
    if (gained.length > 0) {
      observe.ownershipChanged({ kind: 'gained', partitions: gained.map((tenure) => tenure.partition) });
      deps.onGained(gained);
    }
    armLapse(usableMs - (clock.monotonicMs() - sentMonotonicMs));
    deps.onRenewed();
    started?.();
    started = null;
  };

  const armLapse = (delayMs: number): void => {
    if (lapseTimer !== null) timers.clearTimeout(lapseTimer);
    lapseTimer = timers.setTimeout(
      () => {
        lapseTimer = null;
        // A timer may fire a little early; the clock decides.
        if (isSafe()) armLapse(1);
      },
      Math.max(0, delayMs),
    );
  };

  const beat = async (): Promise<void> => {
    isSafe();
    const take = isTaking ? await deps.wanted(held.size) : 0;
    const sentMonotonicMs = clock.monotonicMs();
    const sentWallMs = wallMs();
    let nextMs = settings.leaseMs / BEATS_PER_LEASE;
    try {
      const lease = await store.heartbeat({
        node: node.id,
        name: node.name,
        role: node.role,
        isTaking: isTaking && settings.takes,
        leaseMs: settings.leaseMs,
        take,
        seize: settings.seize && beatCount === 0,
      });
      if (isStopped) return;
      beatCount++;
      synchronise(lease, sentMonotonicMs, clock.monotonicMs());
      accept(lease, sentMonotonicMs, sentWallMs);
    } catch (error) {
      if (isStopped) return;
      observe.trouble('heartbeat', error);
      isSafe();
      nextMs = settings.leaseMs / RETRIES_PER_LEASE;
    }
    const spentMs = clock.monotonicMs() - sentMonotonicMs;
    beatTimer = timers.setTimeout(startBeat, Math.max(0, nextMs - spentMs));
  };
  const inTurn = (work: () => Promise<void>): Promise<void> => {
    const done = turn.then(work);
    turn = done.catch(() => {});
    return done;
  };
  const startBeat = (): void => {
    beatTimer = null;
    void inTurn(async () => {
      if (!isStopped) await beat();
    });
  };

  const letGo = (tenures: readonly Tenure[], drainMs: number, isLeaving: boolean): Promise<void> => {
    const nowMs = clock.monotonicMs();
    for (const [tenure, untilMs] of leaving) if (untilMs < nowMs) leaving.delete(tenure);
    for (const tenure of tenures) leaving.set(tenure, nowMs + drainMs);
    drop(tenures, 'released');
    const partitions = tenures.map(({ partition, epoch }) => ({ partition, epoch }));
    return store.release({ node: node.id, partitions, drainMs, isLeaving });
  };

  const silence = (): void => {
    isStopped = true;
    if (beatTimer !== null) timers.clearTimeout(beatTimer);
    if (lapseTimer !== null) timers.clearTimeout(lapseTimer);
    started?.();
    started = null;
  };

  return {
    start: () =>
      new Promise((resolve) => {
        started = resolve;
        startBeat();
      }),
    isSafe,
    isInTouch: () => !isStopped && isRunning(),
    abortAll,
    tenureOf: (partition) => held.get(partition) ?? null,
    partitions: () => held.size,
    stopTaking: () => {
      isTaking = false;
    },
    latest: (count) => [...held.values()].slice(-count),
    beatNow: () => {
      // No timer: one is under way, or its turn is coming.
      if (beatTimer === null || isStopped) return;
      timers.clearTimeout(beatTimer);
      startBeat();
    },
    giveUp: (tenures, drainMs) =>
      inTurn(() => {
        const mine = tenures.filter((tenure) => held.get(tenure.partition) === tenure);
        return isStopped || mine.length === 0 ? Promise.resolve() : letGo(mine, drainMs, false);
      }),
    release: async (drainMs) => {
      isTaking = false;
      // What is under way may still take partitions: its end comes before the release.
      await turn;
      silence();
      await letGo([...held.values()], drainMs, true);
    },
    stop: () => {
      silence();
      abortAll();
      drop([...held.values()], 'lost');
    },
  };
};
