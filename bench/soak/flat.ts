import { median } from '../shared/statistics.ts';

/** How a series is judged: its last third may be above its first third by a share and by an amount. */
export interface Allowance {
  /** As a share of the first third's median. */
  readonly share: number;
  /** In the unit of the series: what is too small to mean anything. */
  readonly amount: number;
}

export interface Verdict {
  readonly series: string;
  readonly unit: string;
  /** Medians over the first and the last third of the course, without what is left out as its beginning. */
  readonly first: number;
  readonly last: number;
  /** What `last` may be at most. */
  readonly limit: number;
  readonly isFlat: boolean;
}

/** Caches, pools and the just-in-time compiler fill up: not the course that is asked about. */
const BEGINNING = 0.1;
const FEWEST = 9;

/**
 * Whether a series stays where it is. Medians of thirds, because single values are disturbed by checkpoints,
 * garbage collections and whoever else uses the machine, and because a leak that matters is a slope: it lifts
 * the whole last third.
 *
 * @returns null where there are too few values to say.
 */
export function judge(
  series: string,
  unit: string,
  values: readonly number[],
  { share, amount }: Allowance,
): Verdict | null {
  const course = values.filter((value) => Number.isFinite(value)).slice(Math.ceil(values.length * BEGINNING));
  if (course.length < FEWEST) return null;
  const third = Math.floor(course.length / 3);
  const first = median(course.slice(0, third));
  const last = median(course.slice(-third));
  const limit = first * (1 + share) + amount;
  return { series, unit, first, last, limit, isFlat: last <= limit };
}
