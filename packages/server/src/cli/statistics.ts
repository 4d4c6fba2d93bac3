/** The value below which a share of the sorted values lies (nearest rank); null of none. */
export const percentile = (sorted: readonly number[], share: number): number | null =>
  sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? null;

export type Spread = {
  readonly count: number;
  readonly p50: number | null;
  readonly p95: number | null;
  readonly p99: number | null;
  readonly max: number | null;
};

/** Milliseconds, rounded to tenths. */
export const spreadOf = (values: readonly number[]): Spread => {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (share: number): number | null => {
    const value = percentile(sorted, share);
    return value === null ? null : Math.round(value * 10) / 10;
  };
  return { count: sorted.length, p50: at(0.5), p95: at(0.95), p99: at(0.99), max: at(1) };
};

export const spreadText = ({ p50, p95, p99, max }: Spread): string =>
  Object.entries({ p50, p95, p99, longest: max })
    .map(([name, ms]) => `${name} ${ms ?? '-'} ms`)
    .join(', ');
