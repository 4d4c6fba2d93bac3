import { priorities } from '../domain/delivery.ts';
import { createFairQueue } from './fair-queue.ts';
import { roomOf, type Wanted } from './lane-room.ts';
import type { Lane } from './lane.ts';
import type { Memory } from './memory.ts';
import type { DispatchSettings } from './settings.ts';

export type PolledPick = Wanted & { readonly lane: Lane };

/** What the next poll asks for. */
export type PollPlan = { readonly picks: readonly PolledPick[]; readonly budgetBytes: number };

/** Lanes that want to be filled: what may be urgent first, else application by application in turns. */
export type PollLine = {
  readonly size: () => number;
  readonly add: (lane: Lane, nowMs: number) => void;
  /** Takes those out whose turn it is and that memory has room for; null: there is nothing to ask for now. */
  readonly next: (nowMs: number) => PollPlan | null;
};

type Bounds = Pick<
  DispatchSettings,
  'windowRows' | 'windowBytes' | 'burstRows' | 'pollLanes' | 'pollRows' | 'pollBytes'
>;

const { critical, bulk } = priorities;
const ORDINARY = 1;
const URGENT = 2;

export const createPollLine = (bounds: Bounds, memory: Memory): PollLine => {
  const ordinary = createFairQueue<Lane>();
  const urgent = createFairQueue<Lane>();

  /** Lanes with room, and how many rows each may have: even shares of what one statement brings. */
  const share = (found: readonly PolledPick[]): readonly PolledPick[] => {
    let taken = 0;
    return found.map(({ lane, limit, upto }, index) => {
      const left = Math.min(bounds.pollRows, memory.freeRows(upto)) - taken;
      const fair = Math.max(1, Math.floor(left / (found.length - index)));
      taken += Math.min(limit, fair);
      return { lane, limit: Math.min(limit, fair), upto };
    });
  };

  const collect = (isUrgent: boolean, nowMs: number, found: PolledPick[]): void => {
    const [line, bit, least] = isUrgent
      ? ([urgent, URGENT, critical] as const)
      : ([ordinary, ORDINARY, bulk] as const);
    const mayGrow = (applicationId: string): boolean => memory.mayGrow(applicationId, least);
    const mostLanes = (): number =>
      Math.min(bounds.pollLanes, bounds.pollRows, memory.freeBytes(least) > 0 ? memory.freeRows(least) : 0);
    while (found.length < mostLanes()) {
      const lane = line.peek(mayGrow);
      if (lane === undefined) return;
      line.shift(1);
      lane.pollLines &= ~bit;
      const { limit, upto } = roomOf(lane, bounds, memory, nowMs);
      if (limit <= 0 || found.some((pick) => pick.lane === lane)) continue;
      const hasRoom = memory.freeRows(upto) > found.length && memory.freeBytes(upto) > 0;
      found.push({ lane, limit, upto: hasRoom ? upto : critical });
    }
  };

  return {
    size: () => ordinary.size() + urgent.size(),
    add: (lane, nowMs) => {
      const isUrgent = lane.criticalDueMs <= nowMs;
      const bit = isUrgent ? URGENT : ORDINARY;
      if ((lane.pollLines & bit) !== 0) return;
      lane.pollLines |= bit;
      (isUrgent ? urgent : ordinary).push(lane.applicationId, lane);
    },
    next: (nowMs) => {
      const found: PolledPick[] = [];
      collect(true, nowMs, found);
      collect(false, nowMs, found);
      if (found.length === 0) return null;
      const least = found.some(({ upto }) => upto === bulk) ? bulk : critical;
      return { picks: share(found), budgetBytes: Math.min(bounds.pollBytes, memory.freeBytes(least)) };
    },
  };
};
