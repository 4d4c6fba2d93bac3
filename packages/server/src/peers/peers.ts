import type { Line } from '../domain/delivery.ts';
import { partitionOf } from '../domain/partition.ts';
import { writeNews } from './call.ts';
import { createCaller, type Caller } from './caller.ts';
import type { Peer, PeerStore } from './port.ts';

/** The other nodes, told at once of what this one has accepted for them. */
export type Peers = {
  readonly start: () => void;
  /**
   * An endpoint has work in a line (in any, where that is not known), or an application a message to unfold:
   * its owner hears of it, if it is another node that can be reached.
   */
  readonly tell: (id: string, line?: Line) => void;
  readonly stop: () => Promise<void>;
};

type Known = { readonly peer: Peer; readonly caller: Caller };

const LOOK_MS = 1_000;

/**
 * Nothing here is needed for a delivery to be made: each owner looks for its work in the store. It is only made
 * sooner.
 */
export const createPeers = (deps: {
  readonly node: string;
  readonly store: PeerStore;
  /** Where this node can be reached; null: nowhere. */
  readonly address: string | null;
  readonly key: Uint8Array;
  readonly timers: {
    readonly setTimeout: (run: () => void, delayMs: number) => unknown;
  };
  /** `problem` is null when it is over. */
  readonly onTrouble: (address: string, problem: string | null) => void;
  readonly onError: (error: unknown) => void;
}): Peers => {
  let known = new Map<string, Known>();
  let owners = new Map<number, Caller>();
  let isStopped = false;
  let looking: Promise<void> = Promise.resolve();

  const knownOf = (peer: Peer): Known => {
    const old = known.get(peer.node);
    if (old?.peer.address === peer.address) return { peer, caller: old.caller };
    const caller = createCaller({
      to: peer.node,
      address: peer.address,
      key: deps.key,
      setTimeout: deps.timers.setTimeout,
      onTrouble: (problem) => deps.onTrouble(peer.address, problem),
    });
    return { peer, caller };
  };

  const meet = (peers: readonly Peer[]): void => {
    const next = new Map(peers.map((peer) => [peer.node, knownOf(peer)]));
    for (const [node, { caller }] of known) if (next.get(node)?.caller !== caller) caller.close();
    known = next;
    owners = new Map(
      [...next.values()].flatMap(({ peer, caller }) => peer.partitions.map((id) => [id, caller] as const)),
    );
  };

  const lookAgain = (): void => {
    if (!isStopped) looking = look();
  };

  const look = async (): Promise<void> => {
    try {
      const peers = await deps.store.meet(deps.node, deps.address);
      if (!isStopped) meet(peers);
    } catch (error) {
      deps.onError(error);
    }
    if (!isStopped) deps.timers.setTimeout(lookAgain, LOOK_MS);
  };

  return {
    start: lookAgain,
    tell: (id, line) => owners.get(partitionOf(id))?.tell(writeNews(id, line)),
    stop: async () => {
      isStopped = true;
      await looking;
      meet([]);
    },
  };
};
