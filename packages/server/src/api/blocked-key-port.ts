import type { Walk } from './paging.ts';
import type { EndpointPath } from './port.ts';

/** An order that stands still: its first delivery has died, and the endpoint wants it to stop there. */
export type BlockedKey = {
  /** See WHOLE_ENDPOINT. */
  readonly orderKey: string;
  /** Of the dead letter that blocks it. */
  readonly messageId: string;
  readonly eventType: string;
  readonly reason: string;
  readonly sinceMs: number;
  /** Deliveries behind it, counted up to a bound. */
  readonly waiting: number;
};

export type BlockedKeyStore = {
  /** By key; the walk starts from the message of a row. */
  readonly list: (path: EndpointPath, walk: Walk) => Promise<readonly BlockedKey[]>;
  /** Lets a key go on, or all of them (null); the dead letters stay as they are. How many keys there were. */
  readonly release: (path: EndpointPath, orderKey: string | null) => Promise<number>;
};
