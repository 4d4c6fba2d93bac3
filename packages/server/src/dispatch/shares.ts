import type { Clock } from '../clock.ts';
import type { Lane } from './lane.ts';
import { createLoop } from './loop.ts';
import type { DispatchObserver } from './observer.ts';
import type { DispatchStore } from './port.ts';
import { createRateSlots, RATE_WINDOW_MS, type RateSlots } from './rate.ts';
import { wantedShare, type Claim } from './share.ts';
import type { DispatchSettings } from './settings.ts';
import type { TimerHandle, Timers } from './timers.ts';

/**
 * The rates of applications: each limits the attempts of all its endpoints together, wherever their lanes
 * are. A node holds a share of it, leased from the store, which never deals out more than the limit; within
 * the share, slots are kept as for one endpoint's rate. A share is given up only when nothing of it is in
 * use or rests, so that no second at the receivers sees more than the limit, whoever has it.
 *
 * Its lanes take turns: one that may not start now waits behind those that came before it.
 */
export type Shares = {
  /** Whether an attempt of this lane may start. If not, it is lined up again when its turn has come. */
  readonly mayStart: (lane: Lane, limit: number, monotonicMs: number) => boolean;
  /** An attempt starts; the result tells that its response has ended. */
  readonly take: (lane: Lane, limit: number, monotonicMs: number) => Slot;
  /** The same beside the lanes, before all that wait; null: not now. */
  readonly tryTake: (applicationId: string, limit: number) => Slot | null;
  /** The lane has nothing to start: others need not wait for it. */
  readonly forfeit: (lane: Lane) => void;
  readonly start: () => void;
  /** Gives all shares back: nothing starts any more, and what was started has ended or was aborted. */
  readonly giveBack: () => Promise<void>;
  readonly stop: () => Promise<void>;
};

export type Slot = { readonly release: (monotonicMs: number) => void };

const DEAL_MS = 1_000;
/** What cannot be divided changes hands so often. */
const TURN_MS = 4_000;
/** A lane that was told to start and did not for so long lets the next one. */
const CALLED_MS = 100;
const IDLE_MS = 5_000;
const SHORTEST_MS = 1;
const NEVER = -Infinity;

type Part = {
  readonly applicationId: string;
  limit: number;
  /** Of the configuration that the limit is from. */
  limitAtMs: number;
  granted: number;
  untilMs: number;
  readonly slots: RateSlots;
  /** Lanes that wait for their turn, in order, and when each was called last. */
  readonly waiting: Map<Lane, number>;
  /** Lanes that have asked since the last deal. */
  asked: Set<Lane>;
  askedAtMs: number;
  dealtAtMs: number;
  peak: number;
  isHungry: boolean;
  others: readonly Claim[];
  timer: TimerHandle | null;
  timerAtMs: number;
};

/** A count that is a little up and down all the time would move shares all the time. */
const weightOf = (lanes: number): number => 2 ** Math.round(Math.log2(Math.max(1, lanes)));

export const createShares = (deps: {
  readonly node: string;
  readonly store: Pick<DispatchStore, 'dealShares'>;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly settings: Pick<DispatchSettings, 'leaseMs' | 'leaseMarginMs'>;
  readonly observe: DispatchObserver;
  readonly lineUp: (lane: Lane) => void;
}): Shares => {
  const { node, store, clock, timers, settings } = deps;
  const parts = new Map<string, Part>();
  let isStopped = false;

  const usable = (part: Part, nowMs: number): number => (nowMs < part.untilMs ? part.granted : 0);
  const freeOf = (part: Part, nowMs: number): number => usable(part, nowMs) - part.slots.used(nowMs);

  /** As configured latest: lanes learn of a change one after the other. */
  const partOf = (applicationId: string, limit: number, limitAtMs: number): Part => {
    let part = parts.get(applicationId);
    if (part === undefined) {
      part = {
        applicationId,
        limit,
        limitAtMs,
        granted: 0,
        untilMs: NEVER,
        slots: createRateSlots(),
        waiting: new Map(),
        asked: new Set(),
        askedAtMs: NEVER,
        dealtAtMs: NEVER,
        peak: 0,
        isHungry: false,
        others: [],
        timer: null,
        timerAtMs: Infinity,
      };
      parts.set(applicationId, part);
    } else if (limitAtMs >= part.limitAtMs) {
      part.limit = limit;
      part.limitAtMs = limitAtMs;
      part.granted = Math.min(part.granted, limit);
    }
    return part;
  };

  const refuse = (part: Part, nowMs: number): void => {
    part.isHungry = true;
    // Only who has nothing asks before its time.
    if (usable(part, nowMs) === 0 && nowMs - part.dealtAtMs > CALLED_MS) loop.kick();
    arm(part, nowMs);
  };

  const disarm = (part: Part): void => {
    if (part.timer !== null) timers.clearTimeout(part.timer);
    part.timer = null;
    part.timerAtMs = Infinity;
  };

  const ringAt = (part: Part, atMs: number, nowMs: number): void => {
    if (atMs >= part.timerAtMs || isStopped) return;
    disarm(part);
    part.timerAtMs = atMs;
    part.timer = timers.setTimeout(() => call(part), Math.max(SHORTEST_MS, atMs - nowMs));
  };

  /** Looks again when a slot is free; the end of an attempt and a new share arm it anew. */
  const arm = (part: Part, nowMs: number): void => {
    if (part.waiting.size === 0) return;
    const opensMs = part.slots.opensAtMs(usable(part, nowMs), nowMs);
    if (opensMs < Infinity) ringAt(part, opensMs, nowMs);
  };

  /** Lines up as many of the waiting as there are free slots. */
  const call = (part: Part): void => {
    disarm(part);
    const nowMs = clock.monotonicMs();
    let free = freeOf(part, nowMs);
    for (const [lane, calledMs] of [...part.waiting]) {
      if (free <= 0) break;
      part.asked.add(lane);
      if (lane.tenure === null || lane.window.size() === 0) {
        part.waiting.delete(lane);
        continue;
      }
      if (calledMs !== NEVER && nowMs - calledMs >= CALLED_MS) {
        part.waiting.delete(lane);
        part.waiting.set(lane, NEVER);
        continue;
      }
      free--;
      if (calledMs !== NEVER) continue;
      part.waiting.set(lane, nowMs);
      deps.lineUp(lane);
    }
    if (free > 0 || freeOf(part, nowMs) > 0) {
      if (part.waiting.size > 0) ringAt(part, nowMs + CALLED_MS, nowMs);
    } else arm(part, nowMs);
  };

  /** Whether the lane is among the first `free` that wait. */
  const isAmong = (part: Part, lane: Lane, free: number): boolean => {
    if (part.waiting.size < free || (part.waiting.size === free && part.waiting.has(lane))) return true;
    let left = free;
    for (const each of part.waiting.keys()) {
      if (left-- <= 0) return false;
      if (each === lane) return true;
    }
    return false;
  };

  const slotOf = (part: Part, nowMs: number): Slot => {
    part.slots.take();
    part.peak = Math.max(part.peak, part.slots.used(nowMs));
    return {
      release: (endedMs) => {
        part.slots.release(endedMs);
        arm(part, endedMs);
      },
    };
  };

  const isIdle = (part: Part, nowMs: number): boolean =>
    part.slots.used(nowMs) === 0 && part.waiting.size === 0 && nowMs - part.askedAtMs > IDLE_MS;

  const dealAll = async (isLeaving: boolean): Promise<void> => {
    const sentMs = clock.monotonicMs();
    const turn = Math.floor(clock.nowMs() / TURN_MS);
    const asking = [...parts.values()].map((part) => {
      const used = part.slots.used(sentMs);
      const isEnding = isLeaving || isIdle(part, sentMs);
      for (const lane of part.waiting.keys()) part.asked.add(lane);
      const self: Claim = {
        node,
        share: part.granted,
        weight: weightOf(part.asked.size),
        isHungry: !isEnding && (part.isHungry || part.waiting.size > 0),
      };
      const target = isEnding ? 0 : wantedShare(part.limit, self, part.others, part.peak, turn);
      part.granted = Math.min(part.granted, target);
      part.asked = new Set();
      part.isHungry = false;
      part.peak = used;
      part.dealtAtMs = sentMs;
      const claim: Claim = { ...self, share: Math.min(part.limit, Math.max(target, used)) };
      // What is in use when it leaves has ended: it only rests.
      const holdMs = isEnding ? RATE_WINDOW_MS : settings.leaseMs + RATE_WINDOW_MS;
      return {
        part,
        target,
        isEnding,
        ask: { applicationId: part.applicationId, limit: part.limit, claim, holdMs },
      };
    });
    if (asking.length === 0) return;
    const dealt = await store.dealShares(asking.map(({ ask }) => ask));
    const nowMs = clock.monotonicMs();
    for (const { part, target, isEnding } of asking) {
      const claims = dealt.get(part.applicationId) ?? [];
      const mine = claims.find((claim) => claim.node === node)?.share ?? 0;
      part.others = claims.filter((claim) => claim.node !== node);
      // What was asked for beyond the target is in use already.
      part.granted = Math.min(mine, target, part.limit);
      part.untilMs = isEnding ? NEVER : sentMs + settings.leaseMs - settings.leaseMarginMs;
      if (isEnding && isIdle(part, nowMs)) {
        disarm(part);
        parts.delete(part.applicationId);
      }
      arm(part, nowMs);
    }
  };

  const loop = createLoop({
    timers,
    intervalMs: DEAL_MS,
    task: () => dealAll(false),
    onError: (error) => deps.observe.trouble('deal shares', error),
  });

  return {
    mayStart: (lane, limit, nowMs) => {
      const part = partOf(lane.applicationId, limit, lane.endpointAtMs);
      part.askedAtMs = nowMs;
      part.asked.add(lane);
      const free = freeOf(part, nowMs);
      if (free > 0 && isAmong(part, lane, free)) return true;
      // One that waits already keeps its place, and may be called again.
      part.waiting.set(lane, NEVER);
      refuse(part, nowMs);
      return false;
    },
    take: (lane, limit, nowMs) => {
      const part = partOf(lane.applicationId, limit, lane.endpointAtMs);
      part.waiting.delete(lane);
      return slotOf(part, nowMs);
    },
    tryTake: (applicationId, limit) => {
      const nowMs = clock.monotonicMs();
      const part = partOf(applicationId, limit, NEVER);
      part.askedAtMs = nowMs;
      if (freeOf(part, nowMs) > 0) return slotOf(part, nowMs);
      refuse(part, nowMs);
      return null;
    },
    forfeit: (lane) => {
      const part = parts.get(lane.applicationId);
      if (part?.waiting.delete(lane) === true) arm(part, clock.monotonicMs());
    },
    start: loop.start,
    giveBack: async () => {
      await loop.stop();
      try {
        await dealAll(true);
      } catch (error) {
        // They end by themselves.
        deps.observe.trouble('deal shares', error);
      }
    },
    stop: () => {
      isStopped = true;
      for (const part of parts.values()) disarm(part);
      return loop.stop();
    },
  };
};
