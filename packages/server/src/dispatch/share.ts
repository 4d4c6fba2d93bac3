/** What a node holds of the rate of an application, and how many of its lanes want some of it. */
export type Claim = {
  readonly node: string;
  /** Requests a second. */
  readonly share: number;
  readonly weight: number;
  /** Something waits for more than it has. */
  readonly isHungry: boolean;
};

/**
 * Deals a whole limit out by weight. What cannot be divided goes to one node after the other, and in each
 * `turn` to others, so that nobody is left out where there are more nodes than requests a second.
 */
export const deal = (
  limit: number,
  claims: readonly Pick<Claim, 'node' | 'weight'>[],
  turn: number,
): ReadonlyMap<string, number> => {
  const inOrder = [...claims].sort((a, b) => (a.node < b.node ? -1 : 1));
  const sum = inOrder.reduce((all, { weight }) => all + weight, 0);
  const shares = new Map(inOrder.map(({ node, weight }) => [node, Math.floor((limit * weight) / sum)]));
  let left = limit - [...shares.values()].reduce((all, share) => all + share, 0);
  for (let n = 0; left > 0; n++, left--) {
    const { node } = inOrder[(turn + n) % inOrder.length]!;
    shares.set(node, shares.get(node)! + 1);
  }
  return shares;
};

/**
 * What a node should hold. It keeps to its part where somebody lacks theirs, takes what nobody wants where
 * it lacks something itself, and leaves to others what it does not use.
 *
 * @param peak The most that it used of late.
 */
export const wantedShare = (
  limit: number,
  self: Claim,
  others: readonly Claim[],
  peak: number,
  turn: number,
): number => {
  if (others.length === 0) return limit;
  const fair = deal(limit, [...others, self], turn);
  const mine = fair.get(self.node)!;
  if (!self.isHungry) return Math.min(mine, peak + 1);
  const somebodyLacks = others.some(({ node, share, isHungry }) => isHungry && share < fair.get(node)!);
  return somebodyLacks ? mine : limit;
};
