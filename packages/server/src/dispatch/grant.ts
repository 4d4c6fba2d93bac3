import { priorities, type Priority } from '../domain/delivery.ts';
import { classesAt } from './classes.ts';
import { createFairQueue, type FairQueue } from './fair-queue.ts';
import type { Lane } from './lane.ts';
import { standingOf, standings, type Standing } from './standing.ts';

/** The lane that may start next, and what of its window: nothing more urgent than `from`. */
export type Turn = { readonly lane: Lane; readonly from: Priority; readonly standing: Standing };

/**
 * The node's last word on starting: bounded attempts and bytes in flight, given away in turns:
 * weighted among the classes of urgency, then evenly among applications, then among their lanes.
 *
 * - An application has at most {@link APPLICATION_FACTOR} times what is left free: one alone gets most of it
 *   and another still finds room, however many there are.
 * - Lanes that are not proven share half of it, those that are suspect half of that: the other half
 *   stays free for who answers, however many hang.
 */
export type Grant = {
  readonly inFlight: () => number;
  readonly bytes: () => number;
  /** Lines a lane up for its next turn, once for each class that it has something of. */
  readonly lineUp: (lane: Lane, nowMs: number) => void;
  /** Whose turn it is, or undefined while there is nobody or no room. Monotonic milliseconds. */
  readonly peek: (nowMs: number) => Turn | undefined;
  /** The lane of the last peek starts an attempt of `bytes`. It has to line up again. */
  readonly take: (bytes: number) => void;
  /** It cannot: it leaves the line, and nobody's turn is over. */
  readonly pass: () => void;
  /** An attempt has ended. */
  readonly give: (applicationId: string, standing: Standing, bytes: number) => void;
};

export const APPLICATION_FACTOR = 8;
/** What costs no more than this is one turn, however small. */
const TURN_BYTES = 16 * 1024;

type Line = { readonly queue: FairQueue<Lane>; readonly bit: number };
type Use = { inFlight: number; bytes: number };

const { proven, unknown, suspect } = standings;
const byStanding: readonly Standing[] = [proven, unknown, suspect];
const byClass: readonly Priority[] = [priorities.critical, priorities.normal, priorities.bulk];

/** One attempt always fits an idle node, however large its payload is. */
export const createGrant = (maxInFlight: number, maxBytes: number): Grant => {
  const lines: readonly Line[] = Array.from({ length: byStanding.length * byClass.length }, (_, index) => ({
    queue: createFairQueue<Lane>(),
    bit: 1 << index,
  }));
  const lineOf = (standing: Standing, priority: Priority): Line =>
    lines[standing * byClass.length + priority]!;
  const used: readonly Use[] = byStanding.map(() => ({ inFlight: 0, bytes: 0 }));
  const applications = new Map<string, number>();
  let inFlight = 0;
  let bytes = 0;
  let classTurn = 0;
  let standingTurn = 0;
  const turn: { lane: Lane | undefined; from: Priority; standing: Standing } = {
    lane: undefined,
    from: 0,
    standing: proven,
  };

  const mayStart = (applicationId: string): boolean =>
    (applications.get(applicationId) ?? 0) < APPLICATION_FACTOR * (maxInFlight - inFlight);

  /** Of what `worst` and worse standings have, a share of all. */
  const isBelow = (worst: Standing, share: number, more: number): boolean => {
    let attempts = 0;
    let sum = more;
    for (let standing: number = worst; standing <= suspect; standing++) {
      attempts += used[standing]!.inFlight;
      sum += used[standing]!.bytes;
    }
    return attempts === 0 || (attempts < Math.floor(maxInFlight * share) && sum <= maxBytes * share);
  };

  const hasRoom = (standing: Standing, more: number): boolean => {
    if (standing === proven) return true;
    return isBelow(unknown, 1 / 2, more) && (standing === unknown || isBelow(suspect, 1 / 4, more));
  };

  const leave = (lane: Lane, { queue, bit }: Line, cost: number): void => {
    queue.shift(cost);
    lane.lines &= ~bit;
  };

  const lineUp = (lane: Lane, nowMs: number): void => {
    const standing = standingOf(lane.record, nowMs);
    for (const priority of byClass) {
      if (lane.window.sizeOf(priority) === 0) continue;
      const { queue, bit } = lineOf(standing, priority);
      if ((lane.lines & bit) !== 0) continue;
      lane.lines |= bit;
      queue.push(lane.applicationId, lane);
    }
  };

  /** The first of the line that has something of its class and stands where it belongs. */
  const firstOf = (standing: Standing, from: Priority, nowMs: number): Lane | undefined => {
    const line = lineOf(standing, from);
    if (line.queue.size() === 0) return undefined;
    for (;;) {
      const lane = line.queue.peek(mayStart);
      if (lane === undefined) return undefined;
      const isMoved = standingOf(lane.record, nowMs) !== standing;
      if (!isMoved && lane.window.sizeOf(from) > 0) return lane;
      leave(lane, line, 0);
      if (isMoved) lineUp(lane, nowMs);
    }
  };

  const look = (standing: Standing, from: Priority, nowMs: number): boolean => {
    if (!hasRoom(standing, 0)) return false;
    const lane = firstOf(standing, from, nowMs);
    const head = lane?.window.peek(from);
    if (lane === undefined || head === undefined || !hasRoom(standing, head.payload.byteLength)) return false;
    turn.lane = lane;
    turn.from = from;
    turn.standing = standing;
    return true;
  };

  return {
    inFlight: () => inFlight,
    bytes: () => bytes,
    lineUp,
    peek: (nowMs) => {
      turn.lane = undefined;
      if (inFlight >= maxInFlight) return undefined;
      for (const from of classesAt(classTurn)) {
        for (let offset = 0; offset < byStanding.length; offset++) {
          const standing = byStanding[(standingTurn + offset) % byStanding.length]!;
          if (!look(standing, from, nowMs)) continue;
          const more = turn.lane!.window.peek(from)!.payload.byteLength;
          return bytes + more <= maxBytes || inFlight === 0 ? (turn as Turn) : undefined;
        }
      }
      return undefined;
    },
    take: (more) => {
      const { lane, from, standing } = turn as Turn;
      leave(lane, lineOf(standing, from), 1 + Math.floor(more / TURN_BYTES));
      classTurn++;
      standingTurn++;
      inFlight++;
      bytes += more;
      const use = used[standing]!;
      use.inFlight++;
      use.bytes += more;
      applications.set(lane.applicationId, (applications.get(lane.applicationId) ?? 0) + 1);
    },
    pass: () => {
      const { lane, from, standing } = turn as Turn;
      leave(lane, lineOf(standing, from), 0);
    },
    give: (applicationId, standing, less) => {
      inFlight--;
      bytes -= less;
      const use = used[standing]!;
      use.inFlight--;
      use.bytes -= less;
      const left = (applications.get(applicationId) ?? 1) - 1;
      if (left === 0) applications.delete(applicationId);
      else applications.set(applicationId, left);
    },
  };
};
