import { createFifo } from './fifo.ts';
import type { Lane } from './lane.ts';

/** The node's last word on starting: bounded attempts and bytes in flight, lanes taking turns. */
export type Grant = {
  readonly inFlight: () => number;
  readonly bytes: () => number;
  /** True when an attempt of `bytes` may start now. */
  readonly allows: (bytes: number) => boolean;
  readonly take: (bytes: number) => void;
  readonly give: (bytes: number) => void;
  /** Lines a lane up for its next turn; it stands in line at most once. */
  readonly lineUp: (lane: Lane) => void;
  /** The lane whose turn it is, or undefined. It has to line up again. */
  readonly nextLane: () => Lane | undefined;
  readonly peekLane: () => Lane | undefined;
};

/** One attempt always fits an idle node, however large its payload is. */
export const createGrant = (maxInFlight: number, maxBytes: number): Grant => {
  const line = createFifo<Lane>();
  let inFlight = 0;
  let bytes = 0;
  return {
    inFlight: () => inFlight,
    bytes: () => bytes,
    allows: (more) => inFlight < maxInFlight && (bytes + more <= maxBytes || inFlight === 0),
    take: (more) => {
      inFlight++;
      bytes += more;
    },
    give: (less) => {
      inFlight--;
      bytes -= less;
    },
    lineUp: (lane) => {
      if (lane.isLinedUp) return;
      lane.isLinedUp = true;
      line.push(lane);
    },
    nextLane: () => {
      const lane = line.shift();
      if (lane !== undefined) lane.isLinedUp = false;
      return lane;
    },
    peekLane: () => line.peek(),
  };
};
