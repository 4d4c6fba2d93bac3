/** Median, smallest and largest of a figure over the rounds of a run. */
export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

/** The middle value; the mean of the two middle ones for an even count. Throws on none. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const upper = sorted[sorted.length >> 1];
  const lower = sorted[(sorted.length - 1) >> 1];
  if (upper === undefined || lower === undefined) throw new Error('median of no values');
  return (lower + upper) / 2;
}

/** Spread of at least one value; `undefined` for none. */
export function spread(values: readonly number[]): Spread | undefined {
  if (values.length === 0) return undefined;
  return { median: median(values), min: Math.min(...values), max: Math.max(...values) };
}

/**
 * The value below or at which the share `q` (0 to 1) of the values lies
 * (nearest rank). `NaN` for none, which JSON shows as null.
 */
export function percentile(values: Float64Array, q: number): number {
  if (values.length === 0) return Number.NaN;
  const sorted = values.toSorted();
  const rank = Math.max(1, Math.ceil(q * sorted.length));
  return sorted[rank - 1] ?? Number.NaN;
}

/**
 * Ratios of two figures measured in the same round. Rounds where either is
 * missing or void are left out: a ratio across rounds would compare two
 * different minutes of the machine.
 */
export function pairedRatios(
  over: readonly (number | undefined)[],
  under: readonly (number | undefined)[],
): number[] {
  const ratios: number[] = [];
  for (const [round, top] of over.entries()) {
    const bottom = under[round];
    if (top !== undefined && bottom !== undefined && bottom > 0) ratios.push(top / bottom);
  }
  return ratios;
}

/** Messages that were acknowledged and did not arrive. */
export function countLost(acknowledged: Uint8Array, arrived: Uint8Array): number {
  let lost = 0;
  for (const [index, yes] of acknowledged.entries()) {
    if (yes === 1 && (arrived[index] ?? 0) === 0) lost++;
  }
  return lost;
}
