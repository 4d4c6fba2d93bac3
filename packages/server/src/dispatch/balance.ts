import type { ClusterView } from './port.ts';

/** Partitions to take that are free, and to give to others. */
export type Balance = { readonly take: number; readonly give: number };

/**
 * How many partitions one of several nodes is to hold: as even as can be, the same sum whoever
 * counts.
 *
 * @param rank Place of the node among all, by id.
 */
export const shareOf = (partitions: number, nodes: number, rank: number): number =>
  Math.floor(partitions / nodes) + (rank < partitions % nodes ? 1 : 0);

/**
 * What a node does about its share. Nobody is told what to do: all count the same nodes, so all
 * come to shares that add up.
 *
 * A node takes up to its share of what is free, at once: nobody serves that. It gives away what it
 * holds beyond its share a few at a time, only while nothing is free (what was given has been taken),
 * and only to nodes that have proved steady: one that comes and goes moves nothing.
 *
 * @param isStuck Something has been free for long: who should take it does not, so anybody may.
 */
export const balance = (input: {
  readonly node: string;
  readonly isTaking: boolean;
  readonly view: ClusterView;
  readonly held: number;
  readonly partitions: number;
  readonly steadyMs: number;
  readonly giveAtOnce: number;
  readonly isStuck: boolean;
}): Balance => {
  const { node, view, held, partitions } = input;
  if (!input.isTaking) return { take: 0, give: 0 };
  const shareAmong = (others: ClusterView['nodes']): number => {
    const ids = others.filter((other) => other.isTaking && other.node !== node).map((other) => other.node);
    return shareOf(partitions, ids.length + 1, ids.filter((id) => id < node).length);
  };
  if (view.free > 0) {
    const wanted = input.isStuck ? view.free : shareAmong(view.nodes) - held;
    return { take: Math.max(0, Math.min(wanted, view.free)), give: 0 };
  }
  const steady = view.nodes.filter(({ ageMs }) => ageMs >= input.steadyMs);
  return { take: 0, give: Math.max(0, Math.min(held - shareAmong(steady), input.giveAtOnce)) };
};
