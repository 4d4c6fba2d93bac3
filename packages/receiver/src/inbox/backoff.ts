export type Backoff = {
  /** @default 1000 */
  readonly firstMs?: number;
  /** @default 2 */
  readonly factor?: number;
  /** @default 3600000 (an hour) */
  readonly ceilingMs?: number;
};

/** The wait after the given failed attempt (1, 2, …). Jitter only adds, up to a fifth. */
export const waitAfter = (
  attempt: number,
  { firstMs = 1_000, factor = 2, ceilingMs = 3_600_000 }: Backoff,
  random: () => number,
): number => Math.round(Math.min(ceilingMs, firstMs * factor ** (attempt - 1)) * (1 + random() / 5));
