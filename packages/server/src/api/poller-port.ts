import type { EndpointPath } from './port.ts';

/** The consumer of a poller: each protocol counts for itself. */
export type ConsumerPath = Pick<EndpointPath, 'orgId' | 'endpointId'> & {
  readonly protocol: 1 | 2;
  readonly name: string;
};

export type ConsumerState = {
  /** What it has confirmed, as text. */
  readonly position: string;
  /** Messages handed to it and not confirmed, in order; numbered from `firstOffset`. */
  readonly handed: readonly string[];
  readonly firstOffset: number;
  /** Where it is once all of `handed` is confirmed; null when nothing is. */
  readonly behind: string | null;
  /** Until then nobody else gets what was handed over. Unix milliseconds. */
  readonly leaseUntilMs: number;
};

export type PollerStore = {
  /** The begin of the oldest transaction of ours that still writes, or now (Unix milliseconds, the database's). */
  readonly oldestWriterMs: () => Promise<number>;
  readonly find: (path: ConsumerPath) => Promise<(ConsumerState & { readonly version: number }) | null>;
  /**
   * Writes a consumer down that was found at `version` (null: that there was none). `moved`: somebody
   * else did meanwhile. `too_many`: the endpoint has `most` consumers already.
   */
  readonly save: (
    path: ConsumerPath,
    version: number | null,
    state: ConsumerState,
    most: number,
  ) => Promise<'saved' | 'moved' | 'too_many'>;
};
