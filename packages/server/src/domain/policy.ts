/**
 * When a failed delivery is tried again. Data, so that it can be stored, shown and versioned.
 *
 * `list`: the wait before each further attempt, in seconds (fractions allowed); n waits make
 * n + 1 attempts, an empty list makes one. `exponential`: base x factor^k, at most `ceilingSeconds`,
 * `retries` times.
 */
export type RetryPolicy =
  | { readonly kind: 'list'; readonly waitsSeconds: readonly number[] }
  | {
      readonly kind: 'exponential';
      readonly baseSeconds: number;
      readonly factor: number;
      readonly ceilingSeconds: number;
      readonly retries: number;
    };
